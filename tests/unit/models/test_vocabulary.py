"""A unigram vocabulary is cut: the same pieces by the same rules, and nothing that could be spelled becomes unknown."""

import json

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from models.encoder.folder import FIRST, LAST, MASK, PAD, UNKNOWN
from models.encoder.marks import marks_of
from models.encoder.vocabulary import cut_vocabulary, numbers_of, piece_counts, unknown_share
from models.errors import BadArtifact
from tests.support.encoders import unigram

WORDS = ["good", "goods", "bad", "box", "lento", "screen"]
LETTERS = len(set("".join(WORDS)))
TEXTS = ["bad box bad", "bad lento", "lento"]
SPECIAL = 5


def pieces_of(tokenizer: Tokenizer) -> list[str]:
    return [tokenizer.id_to_token(number) for number in range(tokenizer.get_vocab_size())]


def words_of(tokenizer: Tokenizer) -> list[str]:
    return [piece for piece in pieces_of(tokenizer) if piece.startswith("▁") and len(piece) > 1]


def test_pieces_of_the_texts_and_the_best_of_the_others_are_kept() -> None:
    """In their order, with their scores: two of the texts' words, the most frequent ones, then the best-scored."""
    whole = unigram(WORDS)
    cut = cut_vocabulary(whole, TEXTS, SPECIAL + LETTERS + 1 + 3, others=1)
    assert ["▁good", "▁bad", "▁lento"] == words_of(cut)
    scores = dict(json.loads(whole.to_str())["model"]["vocab"])
    assert all(scores[piece] == score for piece, score in json.loads(cut.to_str())["model"]["vocab"])
    kept = numbers_of(cut, whole).tolist()
    assert sorted(kept) == kept
    assert pieces_of(cut) == [whole.id_to_token(number) for number in kept]


def test_a_kept_word_stays_whole_and_a_cut_one_is_spelled() -> None:
    """With the marks at the ends, whose numbers changed with the vocabulary; nothing is unknown."""
    cut = cut_vocabulary(unigram(WORDS), TEXTS, SPECIAL + LETTERS + 1 + 2, others=0)
    encoding = cut.encode("bad box")
    assert [FIRST, "▁bad", "▁", "b", "o", "x", LAST] == encoding.tokens
    assert encoding.ids == [cut.token_to_id(piece) for piece in encoding.tokens]
    assert marks_of(cut) == (1, cut.get_vocab_size() - 1, (0, 1, 2, 3, cut.get_vocab_size() - 1))
    assert (UNKNOWN, PAD, MASK) == tuple(cut.id_to_token(number) for number in (3, *marks_of(cut)[:2]))
    assert 0 == unknown_share(cut, WORDS)


def test_a_tokenizer_larger_than_needed_is_kept_whole() -> None:
    """Nothing is added."""
    whole = unigram(WORDS)
    assert pieces_of(whole) == pieces_of(cut_vocabulary(whole, TEXTS, 10_000))


def test_the_unknown_share_is_one_of_characters() -> None:
    """Neighbours that no piece spells are one unknown piece; white space is none of the characters."""
    assert 4 / 7 == unknown_share(unigram(WORDS), ["bad ????"])
    assert 0 == unknown_share(unigram(WORDS), [])


def test_pieces_are_counted_without_the_marks() -> None:
    """Over all texts."""
    whole = unigram(WORDS)
    counts = piece_counts(whole, TEXTS)
    assert [3, 1, 2, 0, 0] == [counts[whole.token_to_id(piece)] for piece in ("▁bad", "▁box", "▁lento", "▁good", FIRST)]


@pytest.mark.parametrize("kind", [processors.RobertaProcessing, processors.BertProcessing])
def test_other_post_processors_get_the_new_numbers(kind: type) -> None:
    """As older tokenizers have them, also one within a sequence, beside padding."""
    whole = unigram(WORDS)
    mask = whole.token_to_id(MASK)
    whole.post_processor = processors.Sequence([kind((MASK, mask), (FIRST, 0))])
    whole.enable_padding(pad_id=mask, pad_token=MASK)
    cut = cut_vocabulary(whole, TEXTS, SPECIAL + LETTERS + 1)
    last = cut.get_vocab_size() - 1
    assert (0, last) == (cut.encode("bad").ids[0], cut.encode("bad").ids[-1])
    assert last == cut.padding["pad_id"]


def test_what_cannot_be_cut_is_refused() -> None:
    """Another kind of vocabulary; no room for the special pieces; special pieces outside of the vocabulary."""
    other = Tokenizer(models.WordPiece({"[UNK]": 0}, unk_token="[UNK]"))
    with pytest.raises(BadArtifact, match=r"type WordPiece cannot be cut.*Operator action"):
        cut_vocabulary(other, TEXTS, 100)
    with pytest.raises(BadArtifact, match="5 special pieces"):
        cut_vocabulary(unigram(WORDS), TEXTS, 4)
    outside = unigram(WORDS)
    outside.add_special_tokens(["<more>"])
    with pytest.raises(BadArtifact, match="Operator action"):
        cut_vocabulary(outside, TEXTS, 100)


def test_pieces_of_another_vocabulary_are_refused() -> None:
    """A work folder of another encoder is not taken for this one's."""
    with pytest.raises(BadArtifact, match=r"lacks.*another working directory"):
        numbers_of(unigram(WORDS), unigram(["other"]))


def test_a_tokenizer_without_pad_or_mask_is_refused() -> None:
    """Training needs both."""
    bare = Tokenizer(models.Unigram([("<unk>", 0.0), ("a", -1.0)], unk_id=0))
    bare.pre_tokenizer = pre_tokenizers.Metaspace()
    with pytest.raises(BadArtifact, match="Operator action"):
        marks_of(bare)
