"""A large unigram vocabulary cut to what feedback needs, so that most of an encoder's weights can be left out.

XLM-R's tokenizer has 250,002 pieces for 100 languages, and their embeddings are 96 of the 118 million weights of
multilingual-e5-small. Kept pieces keep their order and scores, so texts are segmented by the same rules; a word whose
piece is gone is spelled with shorter ones.
"""

import json
from collections.abc import Iterable
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from models.errors import BadArtifact

WORD_BEGIN = "▁"
CHUNK = 10_000
Numbers = NDArray[np.int64]


def cut_vocabulary(tokenizer: Tokenizer, texts: Iterable[str], size: int, others: int = 8_000) -> Tokenizer:
    """A tokenizer with at most `size` of the pieces, which keep their order and scores.

    All special pieces and all single characters are kept (the best-scored ones, where not all fit): what a cut piece
    was can be spelled with them. Then follow the pieces of the texts, the most frequent first, and at least `others` of
    the best-scored pieces that are left, for words of languages and topics that the texts lack.

    Args:
        tokenizer: with a unigram model, as XLM-R's. Normalizer, pre-tokenizer, post-processor and truncation are kept.
        texts: cleaned, as they will be classified.
        size: pieces in the result, special ones included.
        others: how many of them do not depend on the texts.

    Raises:
        BadArtifact: the tokenizer has no unigram model, special pieces outside of its vocabulary, or a size that not
            even its special pieces fit in.
    """
    content = json.loads(tokenizer.to_str())
    if content["model"].get("type") != "Unigram":
        raise BadArtifact(
            f"a vocabulary of type {content['model'].get('type')} cannot be cut. Operator action: name an encoder with "
            "a unigram vocabulary, for example multilingual-e5-small (`make encoder`)."
        )
    pieces = [str(piece) for piece, _ in content["model"]["vocab"]]
    scores = np.array([score for _, score in content["model"]["vocab"]])
    special = {token["id"] for token in content["added_tokens"]} | {content["model"]["unk_id"]} - {None}
    if max(special) >= len(pieces) or len(special) > size:
        raise BadArtifact(
            f"the tokenizer has {len(special)} special pieces, number {max(special)} among them, and {len(pieces)} "
            f"pieces; {size} are to be kept. Operator action: keep more, or name an encoder like XLM-R."
        )
    kept = _kept(pieces, scores, special, piece_counts(tokenizer, texts), size, others)
    return Tokenizer.from_str(json.dumps(_with_pieces(content, kept), ensure_ascii=False))


def with_prefix(tokenizer: Tokenizer, prefix: str) -> Tokenizer:
    """A tokenizer that puts the pieces of `prefix` before each text, behind the first mark.

    Raises:
        BadArtifact: it marks texts with something else than a template, so there is no place for it.
    """
    content = json.loads(tokenizer.to_str())
    template = content["post_processor"]
    if template is None or template["type"] != "TemplateProcessing":
        raise BadArtifact(
            "the tokenizer has no template for the marks of a text. Operator action: name an encoder like "
            "multilingual-e5-small (`make encoder`)."
        )
    pieces = tokenizer.encode(prefix.strip(), add_special_tokens=False)
    place = next(at for at, part in enumerate(template["single"]) if "Sequence" in part)
    template["single"][place:place] = [{"SpecialToken": {"id": piece, "type_id": 0}} for piece in pieces.tokens]
    template["special_tokens"] |= {
        piece: {"id": piece, "ids": [number], "tokens": [piece]}
        for piece, number in zip(pieces.tokens, pieces.ids, strict=True)
    }
    return Tokenizer.from_str(json.dumps(content, ensure_ascii=False))


def numbers_of(cut: Tokenizer, whole: Tokenizer) -> Numbers:
    """The numbers (pieces,) that the pieces of a cut tokenizer have in the one that it was cut from.

    Raises:
        BadArtifact: one of them is not among those.
    """
    known = whole.get_vocab()
    pieces = [cut.id_to_token(number) for number in range(cut.get_vocab_size())]
    if missing := [piece for piece in pieces if piece not in known]:
        raise BadArtifact(
            f"the encoder's vocabulary lacks {missing[:3]}, which the student's has. Operator action: name the encoder "
            "that the student's vocabulary was cut from, or another working directory."
        )
    return np.array([known[piece] for piece in pieces], np.int64)


def piece_counts(tokenizer: Tokenizer, texts: Iterable[str]) -> Numbers:
    """How often each piece is in the texts (pieces,), the marks at their ends left out."""
    counts = np.zeros(tokenizer.get_vocab_size(), np.int64)
    given = iter(texts)
    while chunk := list(islice(given, CHUNK)):
        encodings = tokenizer.encode_batch_fast(chunk, add_special_tokens=False)
        ids = [number for encoding in encodings for number in encoding.ids]
        counts += np.bincount(np.array(ids, np.int64), minlength=len(counts))
    return counts


def unknown_share(tokenizer: Tokenizer, texts: Iterable[str]) -> float:
    """Share, 0 to 1, of the texts' characters that no piece spells (not of pieces: neighbours share an unknown one).

    White space does not count.
    """
    unknown = json.loads(tokenizer.to_str())["model"]["unk_id"]
    lost = total = 0
    for text in texts:
        encoding = tokenizer.encode(text, add_special_tokens=False)
        total += len("".join(text.split()))
        lost += sum(
            len("".join(text[begin:end].split()))
            for number, (begin, end) in zip(encoding.ids, encoding.offsets, strict=True)
            if number == unknown
        )
    return lost / max(1, total)


def _kept(pieces: list[str], scores: np.ndarray, special: set[int], counts: Numbers, size: int, others: int) -> Numbers:
    """Numbers of the kept pieces, ascending."""
    kept = set(special)
    by_score = np.argsort(-scores, kind="stable").tolist()
    by_count = [number for number in np.argsort(-counts, kind="stable").tolist() if counts[number]]
    known = set(pieces)
    characters = [number for number in by_score if _is_character(pieces[number], known)]
    for numbers, limit in ((characters, size), (by_count, size - others), (by_score, size)):
        for number in numbers:
            if len(kept) >= limit:
                break
            kept.add(number)
    return np.array(sorted(kept), np.int64)


def _is_character(piece: str, known: set[str]) -> bool:
    """Whether it is a single character, or one that is known at the beginning of words only."""
    bare = piece.removeprefix(WORD_BEGIN)
    return len(piece) == 1 or (len(bare) == 1 and bare not in known)


def _with_pieces(content: dict[str, Any], kept: Numbers) -> dict[str, Any]:
    """A tokenizer's content with some of its pieces, all numbers changed to their new ones."""
    new = {old: number for number, old in enumerate(kept.tolist())}
    model = content["model"]
    vocabulary = [model["vocab"][old] for old in kept.tolist()]
    unknown = None if model["unk_id"] is None else new[model["unk_id"]]
    result = content | {
        "model": model | {"vocab": vocabulary, "unk_id": unknown},
        "added_tokens": [token | {"id": new[token["id"]]} for token in content["added_tokens"]],
        "post_processor": _renumbered(content["post_processor"], new),
    }
    if content["padding"] is not None:
        result["padding"] = content["padding"] | {"pad_id": new[content["padding"]["pad_id"]]}
    return result


def _renumbered(processor: dict[str, Any] | None, new: dict[int, int]) -> dict[str, Any] | None:
    """A post-processor whose marks have their new numbers."""
    if processor is None:
        return None
    kind = processor["type"]
    if kind == "Sequence":
        return processor | {"processors": [_renumbered(part, new) for part in processor["processors"]]}
    if kind == "TemplateProcessing":
        marks = processor["special_tokens"]
        return processor | {
            "special_tokens": {name: mark | {"ids": [new[old] for old in mark["ids"]]} for name, mark in marks.items()}
        }
    if kind in ("BertProcessing", "RobertaProcessing"):
        return processor | {end: [processor[end][0], new[processor[end][1]]] for end in ("sep", "cls")}
    return processor
