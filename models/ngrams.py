"""Hashed word-piece 1- and 2-grams: the same buckets in NumPy (fitting) and in the exported graph (serving)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FIRST_FACTOR, SECOND_FACTOR, PAIR_OFFSET = 1_000_003, 8_191, 17
SINGLE_FACTOR, SINGLE_OFFSET = 7_919, 13


def buckets_of(ids: Sequence[int], buckets: int) -> NDArray[np.int64]:
    """Bucket numbers of one text's pieces (without the marks at its ends) and of its pairs (with them).

    Args:
        ids: piece numbers with the two marks, at least two.
        buckets: how many there are.
    """
    pieces = np.asarray(ids, np.int64)
    single = (pieces[1:-1] * SINGLE_FACTOR + SINGLE_OFFSET) % buckets
    pairs = (pieces[:-1] * FIRST_FACTOR + pieces[1:] * SECOND_FACTOR + PAIR_OFFSET) % buckets
    return np.concatenate([single, pairs])
