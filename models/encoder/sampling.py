"""Which rows a training sees: large sources and languages must not drown small ones."""

import random
from collections.abc import Hashable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


def equal_shares(counts: Mapping[Hashable, int], total: int) -> dict[Hashable, int]:
    """How many rows of each cell: the same number of each, or all that a smaller cell has; at most `total` in all.

    What divides unevenly goes to the cells named first.
    """
    shares: dict[Hashable, int] = {}
    left = max(0, min(total, sum(counts.values())))
    waiting = sorted(counts, key=lambda cell: counts[cell])  # stable: the order of naming within equal sizes
    for place, cell in enumerate(waiting):
        shares[cell] = min(counts[cell], -(-left // (len(waiting) - place)))
        left -= shares[cell]
    return shares


def balanced_rows(cells: Sequence[Hashable], total: int, seed: int) -> Rows:
    """At most `total` row numbers, ascending, drawn at random with equal shares of every cell.

    Args:
        cells: (n,) of each row, for example its source and language.
        total: how many rows at most.
        seed: of the draw.
    """
    members = _members(cells)
    shares = equal_shares({cell: len(rows) for cell, rows in members.items()}, total)
    rng = random.Random(seed)
    chosen = [row for cell, rows in members.items() for row in rng.sample(rows, shares[cell])]
    return np.array(sorted(chosen), np.int64)


def epoch_rows(cells: Sequence[Hashable], balance: float, seed: int) -> Rows:
    """Row numbers of one epoch, about as many as there are rows; a cell's share is its size to the power 1 - balance.

    Args:
        cells: (n,) of each row.
        balance: 0 = every row once; 1 = every cell alike.
        seed: of the draw.

    A cell's rows come again only when all of them have come equally often.
    """
    members = _members(cells)
    sizes = np.array([len(rows) for rows in members.values()], np.float64)
    wanted = sizes ** (1 - balance)
    numbers = np.maximum(1, np.rint(wanted / wanted.sum() * len(cells))).astype(int)
    rng = random.Random(seed)
    chosen: list[int] = []
    for rows, number in zip(members.values(), numbers.tolist(), strict=True):
        whole, rest = divmod(number, len(rows))
        chosen += rows * whole + rng.sample(rows, rest)
    return np.array(chosen, np.int64)


def _members(cells: Sequence[Hashable]) -> dict[Hashable, list[int]]:
    members: dict[Hashable, list[int]] = {}
    for row, cell in enumerate(cells):
        members.setdefault(cell, []).append(row)
    return members
