"""Batches bounded by tokens: rows sorted by length, each batch padded to its own longest."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def plan_batches(lengths: Sequence[int] | NDArray[np.int64], max_tokens: int, max_rows: int) -> list[NDArray[np.int64]]:
    """Row numbers of each batch, shortest first.

    Args:
        lengths: tokens of each row, (n,).
        max_tokens: most tokens of a batch, padding included; a single longer row is a batch of its own.
        max_rows: most rows of a batch.
    """
    order = np.argsort(np.asarray(lengths, np.int64), kind="stable").astype(np.int64)
    ordered = np.asarray(lengths, np.int64)[order].tolist()
    batches: list[NDArray[np.int64]] = []
    begin = 0
    for at, length in enumerate(ordered):
        rows = at - begin + 1
        if at > begin and (rows > max_rows or rows * length > max_tokens):
            batches.append(order[begin:at])
            begin = at
    if ordered:
        batches.append(order[begin:])
    return batches
