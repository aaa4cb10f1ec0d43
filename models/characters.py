"""Character n-grams that word-piece n-grams are spelled with: a table of pieces can hold a character model."""

import json
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from tokenizers import Tokenizer

from models.ngrams import pair_buckets, single_buckets

SHORTEST, LONGEST = 2, 5
CONTINUED = "##"
BEGINNING = "▁"
SPELLED = {"[UNK]": "\ufffd", "[SEP]": " ", "<unk>": "\ufffd", "</s>": " "}


def spellings(tokenizer: Tokenizer) -> list[str]:
    """What each piece stands for in a text: a word's first piece begins with a space, marks are empty.

    WordPiece marks pieces within a word (`##ness`), unigram vocabularies those at its beginning (`▁good`).
    """
    pieces = [tokenizer.id_to_token(number) for number in range(tokenizer.get_vocab_size())]
    if json.loads(tokenizer.to_str())["model"]["type"] == "Unigram":
        special = {piece.content for piece in tokenizer.get_added_tokens_decoder().values() if piece.special}
        return [SPELLED.get(piece, "") if piece in special else piece.replace(BEGINNING, " ") for piece in pieces]
    return [_spelling(piece) for piece in pieces]


def _spelling(piece: str) -> str:
    if piece.startswith(CONTINUED):
        return piece.removeprefix(CONTINUED)
    if piece.startswith("[") and piece.endswith("]") and piece.isupper():
        return SPELLED.get(piece, "")
    return " " + piece


def characters_of(ids: Sequence[Sequence[int]], spelled: Sequence[str], buckets: int) -> csr_matrix:
    """How often each character n-gram (2 to 5, over word borders too) is in the n-gram that a bucket stands for.

    A piece brings the n-grams inside it, a pair those that begin in its first and end in its second piece; so a text's
    pieces and pairs together bring each of its character n-grams about once. A bucket that several n-grams share stands
    for the one most frequent in `ids`; pieces that are not in `ids` have their bucket where it is free.

    Args:
        ids: piece numbers of each training text, with the two marks at its ends.
        spelled: what each piece stands for.
        buckets: of the hash.

    Returns:
        Counts (buckets, character n-grams).
    """
    vocabulary = len(spelled)
    pieces = np.bincount(np.concatenate([np.asarray(one[1:-1], np.int64) for one in ids]), minlength=vocabulary)
    numbers = [np.asarray(one, np.int64) for one in ids]
    pairs, often = np.unique(np.concatenate([one[:-1] * vocabulary + one[1:] for one in numbers]), return_counts=True)
    first, second = pairs // vocabulary, pairs % vocabulary
    grams = [*(_within(text) for text in spelled)]
    singles = np.flatnonzero([bool(one) for one in grams])
    bucket = np.concatenate([single_buckets(singles, buckets), pair_buckets(first, second, buckets)])
    order = np.lexsort((np.concatenate([pieces[singles], often]), bucket))
    winners = order[np.append(bucket[order][1:] != bucket[order][:-1], True)]
    columns: dict[str, int] = {}
    rows: list[int] = []
    found: list[int] = []
    for one in winners.tolist():
        if one < len(singles):
            inside = grams[singles[one]]
        else:
            pair = one - len(singles)
            inside = _across(spelled[first[pair]], spelled[second[pair]])
        rows += [bucket[one]] * len(inside)
        found += [columns.setdefault(gram, len(columns)) for gram in inside]
    counts = csr_matrix((np.ones(len(rows)), (rows, found)), shape=(buckets, len(columns)))
    counts.sum_duplicates()
    return counts


def _within(text: str) -> list[str]:
    return [text[at : at + n] for n in range(SHORTEST, LONGEST + 1) for at in range(len(text) - n + 1)]


def _across(left: str, right: str) -> list[str]:
    """N-grams of `left + right` that begin in the one and end in the other."""
    tail = left[1 - LONGEST :]
    text, border = tail + right[: LONGEST - 1], len(tail)
    return [
        text[at : at + n]
        for n in range(SHORTEST, LONGEST + 1)
        for at in range(max(0, border - n + 1), min(border, len(text) - n + 1))
    ]


def frequent(characters: csr_matrix, counts: csr_matrix, texts: int = 2) -> tuple[csr_matrix, NDArray[np.float64]]:
    """The character n-grams that at least so many texts have, and their inverse document frequency."""
    seen = np.asarray((counts @ characters > 0).sum(axis=0)).ravel()
    kept = np.flatnonzero(seen >= texts)
    return characters[:, kept], np.log((1 + counts.shape[0]) / (1 + seen[kept])) + 1
