"""Which pieces are unknown to a model: none in the vocabulary, or none in its training."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from models.errors import BadArtifact
from models.manifest import load_manifest, write_manifest
from models.onnx import OnnxClassifier, load_onnx_classifier
from models.unknown import unknown_pieces, untrained_pieces

WORDS = ("<unk>", "late", "again", "kiitos", "hyvä")


def words(*known: str) -> Tokenizer:
    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(known)}, unk_token=known[0]))
    tokenizer.pre_tokenizer = Whitespace()
    return tokenizer


def test_pieces_that_no_text_has_are_unknown() -> None:
    """Beside the one that stands for what the vocabulary lacks, though texts had that."""
    tokenizer = words(*WORDS)
    untrained = untrained_pieces(tokenizer, ["late again", "late hei"])
    assert [True, False, False, True, True] == unknown_pieces(tokenizer, untrained).tolist()
    assert [True, False, False, False, False] == unknown_pieces(tokenizer, b"").tolist()


@given(st.integers(1, 40), st.data())
def test_every_piece_has_its_own_bit(size: int, data: st.DataObject) -> None:
    """Whatever their number."""
    names = [f"w{number}" for number in range(size)]
    seen = data.draw(st.sets(st.sampled_from(names)))
    tokenizer = words(*names)
    unknown = unknown_pieces(tokenizer, untrained_pieces(tokenizer, [" ".join(seen)]))
    assert [name not in seen for name in names] == unknown.tolist()


def test_numbers_may_be_left_out() -> None:
    """Of a brought tokenizer."""
    tokenizer = Tokenizer(WordLevel({"<unk>": 0, "late": 7, "again": 40}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    unknown = unknown_pieces(tokenizer, untrained_pieces(tokenizer, ["late"]))
    assert (41, False, True) == (len(unknown), unknown[7], unknown[40])


@pytest.mark.parametrize("untrained", [b"\x00\x00", b"\x01"])
def test_bits_of_another_vocabulary_are_refused(untrained: bytes) -> None:
    """More of them than there are pieces."""
    with pytest.raises(BadArtifact, match="the tokenizer has 5"):
        unknown_pieces(words(*WORDS), untrained)


def test_a_folder_says_which_pieces_training_had(folder: Path, shipped: OnnxClassifier) -> None:
    """A text of others is unmeasured, whatever is padded beside it; without that, none of known characters is."""
    finnish, both = "ääööyyttä hyvää päivää", ["late again and again, every single week of this year", "ääö"]
    manifest = load_manifest(folder)
    untrained = untrained_pieces(shipped._tokenizer, both[:1])
    write_manifest(folder, msgspec.structs.replace(manifest, untrained=untrained))
    narrow = load_onnx_classifier(folder, "cpu", 1)
    assert [False, True] == narrow.classify(both, [None, None]).unmeasured.tolist()
    answer = narrow.classify([finnish], [None])
    assert answer.unknown is not None
    assert answer.unknown[0] == pytest.approx(1.0)
    write_manifest(folder, msgspec.structs.replace(manifest, untrained=b""))
    assert [False] == load_onnx_classifier(folder, "cpu", 1).classify([finnish], [None]).unmeasured.tolist()
