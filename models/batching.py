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


def pad_batch(tokens: list[list[int]], pad_id: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Token ids, filled up with `pad_id` to the longest text, and attention mask (0 = padding): (n, width) each."""
    width = max(map(len, tokens))
    ids = np.full((len(tokens), width), pad_id, np.int64)
    mask = np.zeros((len(tokens), width), np.int64)
    for row, one in enumerate(tokens):
        ids[row, : len(one)] = one
        mask[row, : len(one)] = 1
    return ids, mask
