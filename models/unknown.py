"""Pieces that say nothing to a model: those its vocabulary lacks, and those that no text it learned from had."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from models.errors import BadArtifact

UNKNOWN_PIECES = ("[UNK]", "<unk>")


def untrained_pieces(tokenizer: Tokenizer, texts: Sequence[str]) -> bytes:
    """Bits of the pieces that no text has, as a manifest keeps them: piece 0 is the highest bit of the first byte."""
    untrained = np.ones(_size(tokenizer), np.bool_)
    for at in range(0, len(texts), 4_000):
        for encoded in tokenizer.encode_batch_fast(list(texts[at : at + 4_000])):
            untrained[encoded.ids] = False
    return np.packbits(untrained).tobytes()


def unknown_pieces(tokenizer: Tokenizer, untrained: bytes) -> NDArray[np.bool_]:
    """Of each piece (n,), whether it is unknown: in place of what the vocabulary lacks, or untrained.

    Args:
        tokenizer: with n pieces.
        untrained: bits as of `untrained_pieces`; empty = not known, none is.

    Raises:
        BadArtifact: bits of another number of pieces.
    """
    size = _size(tokenizer)
    unknown = np.zeros(size, np.bool_)
    if untrained:
        bits = np.unpackbits(np.frombuffer(untrained, np.uint8)).astype(np.bool_)
        if len(untrained) != (size + 7) // 8 or bits[size:].any():
            raise BadArtifact(
                f"the manifest says of {len(bits)} pieces whether training had them, the tokenizer has {size}. "
                "Operator action: restore the folder."
            )
        unknown = bits[:size]
    standing = next((number for name in UNKNOWN_PIECES if (number := tokenizer.token_to_id(name)) is not None), None)
    if standing is not None:
        unknown[standing] = True
    return unknown


def _size(tokenizer: Tokenizer) -> int:
    """One more than the highest number of a piece: a brought tokenizer may leave numbers out."""
    return 1 + max(tokenizer.get_vocab().values(), default=0)
