"""Hashed word-piece 1- and 2-grams: the same buckets in NumPy (fitting) and in the exported graph (serving)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FIRST_FACTOR, SECOND_FACTOR, PAIR_OFFSET = 1_000_003, 8_191, 17
SINGLE_FACTOR, SINGLE_OFFSET = 7_919, 13

Numbers = NDArray[np.int64]


def single_buckets(pieces: Numbers, buckets: int) -> Numbers:
    """Bucket numbers of pieces."""
    return (pieces * SINGLE_FACTOR + SINGLE_OFFSET) % buckets


def pair_buckets(first: Numbers, second: Numbers, buckets: int) -> Numbers:
    """Bucket numbers of pairs of pieces."""
    return (first * FIRST_FACTOR + second * SECOND_FACTOR + PAIR_OFFSET) % buckets


def buckets_of(ids: Sequence[int], buckets: int) -> Numbers:
    """Bucket numbers of one text's pieces (without the marks at its ends) and of its pairs (with them).

    Args:
        ids: piece numbers with the two marks, at least two.
        buckets: how many there are.
    """
    pieces = np.asarray(ids, np.int64)
    return np.concatenate([single_buckets(pieces[1:-1], buckets), pair_buckets(pieces[:-1], pieces[1:], buckets)])
