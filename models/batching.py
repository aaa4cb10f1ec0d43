"""Batches bounded by tokens: rows sorted by length, each batch padded to its own longest."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MOST_PRICED = 256
"""Rows up to which batches are priced; of more, most batches are full, and a better plan gains next to nothing."""


def plan_batches(
    lengths: Sequence[int] | NDArray[np.int64], max_tokens: int, max_rows: int, run_tokens: int | None = None
) -> list[NDArray[np.int64]]:
    """Row numbers of each batch, shortest first.

    Args:
        lengths: tokens of each row, (n,).
        max_tokens: most tokens of a batch, padding included; a single longer row is a batch of its own.
        max_rows: most rows of a batch.
        run_tokens: what a run costs beside its tokens, in tokens: up to `MOST_PRICED` rows are then cut where padding
            and runs together cost least; None = each batch takes what fits.
    """
    order = np.argsort(np.asarray(lengths, np.int64), kind="stable").astype(np.int64)
    ordered = np.asarray(lengths, np.int64)[order]
    if run_tokens is None or len(ordered) > MOST_PRICED:
        ends = _full(ordered.tolist(), max_tokens, max_rows)
    else:
        ends = _cheapest(ordered, max_tokens, max_rows, run_tokens)
    return [order[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


def _full(ordered: list[int], max_tokens: int, max_rows: int) -> list[int]:
    """Ends of batches that take what fits."""
    ends: list[int] = []
    begin = 0
    for at, length in enumerate(ordered):
        rows = at - begin + 1
        if at > begin and (rows > max_rows or rows * length > max_tokens):
            ends.append(at)
            begin = at
    return [*ends, len(ordered)] if ordered else []


def _cheapest(ordered: NDArray[np.int64], max_tokens: int, max_rows: int, run_tokens: int) -> list[int]:
    """Ends of the batches whose padded tokens and runs cost least: a shortest path over the cuts, exact."""
    cost = np.zeros(len(ordered) + 1, np.int64)
    begins = np.zeros(len(ordered) + 1, np.int64)
    for end in range(1, len(ordered) + 1):
        longest = max(int(ordered[end - 1]), 1)
        rows = np.arange(1, max(1, min(end, max_rows, max_tokens // longest)) + 1)
        costs = cost[end - rows] + rows * longest + run_tokens
        best = int(costs.argmin())
        cost[end], begins[end] = costs[best], end - rows[best]
    ends = []
    end = len(ordered)
    while end > 0:
        ends.append(end)
        end = int(begins[end])
    return ends[::-1]


def pad_batch(tokens: list[list[int]], pad_id: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Token ids, filled up with `pad_id` to the longest text, and attention mask (0 = padding): (n, width) each."""
    width = max(map(len, tokens))
    ids = np.full((len(tokens), width), pad_id, np.int64)
    mask = np.zeros((len(tokens), width), np.int64)
    for row, one in enumerate(tokens):
        ids[row, : len(one)] = one
        mask[row, : len(one)] = 1
    return ids, mask
