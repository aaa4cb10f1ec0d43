"""Which texts people are asked to label: the smallest keyed hashes of each market-week and predicted label."""

import hashlib
import math
import re
from collections.abc import Iterable, Sequence
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from marketpulse.contract.units import DAY_MS

Ticket = tuple[int, str]
"""Place in the lottery and id of an event; the smallest places are drawn."""

SIZES = (20, 50, 100)
"""Texts of a market-week that are offered: five minutes of judgement, twelve, twenty-five."""
MIN_TEXTS = 4
"""Of each cell that has as many events, before the rest goes where it tells most."""
MAX_TICKETS = 120
"""Kept of each cell: the largest size, were all of it drawn from one cell, and spares for texts that are erased."""
MIN_SPREAD = 0.15
"""Standard deviation of the true score within a cell that is assumed at least: a model is never that sure of itself."""

_FIRST_MONDAY = 3  # days from 1970-01-01, a Thursday, back to its Monday
_EPOCH = date(1970, 1, 1)
_WEEK = re.compile(r"([0-9]{4})-W([0-9]{2})")


def week_of(occurred_ms: int) -> int:
    """Number of the UTC week, from Monday to Monday, that a time (epoch ms) lies in; 0 holds 1970-01-01."""
    return (occurred_ms // DAY_MS + _FIRST_MONDAY) // 7


def begin_of_week(week: int) -> int:
    """Epoch ms of the week's first Monday 00:00 UTC."""
    return (7 * week - _FIRST_MONDAY) * DAY_MS


def name_of_week(week: int) -> str:
    """The ISO 8601 name of a week by its number: 2966 is `2026-W45`."""
    year, number, _ = (_EPOCH + timedelta(days=7 * week - _FIRST_MONDAY)).isocalendar()
    return f"{year:04}-W{number:02}"


def week_named(name: str) -> int:
    """The number of a week by its ISO 8601 name. Raises ValueError."""
    found = _WEEK.fullmatch(name)
    if found is None:
        raise ValueError(f"{name!r} is no week as 2026-W48")
    return ((date.fromisocalendar(int(found[1]), int(found[2]), 1) - _EPOCH).days + _FIRST_MONDAY) // 7


class Lottery:
    """Places by a keyed hash (BLAKE2b, RFC 7693) of market, week and event id: a function of the event and the key.

    Nobody without the key can foresee which ids win, and an id that won does not win in another week because of that.
    A record that is read again has the same place, so several workers and a replay draw the same texts.

    Args:
        key: of 1 to 64 bytes; that of the user hashes does: a key of this purpose is derived from it.
    """

    def __init__(self, key: bytes) -> None:
        purpose = hashlib.blake2b(b"", key=key, digest_size=32, person=b"judged texts").digest()
        self._hasher = hashlib.blake2b(key=purpose, digest_size=8)

    def place(self, market: str, week: int, event_id: str) -> int:
        """A place in [0, 2**64)."""
        hashed = self._hasher.copy()
        hashed.update(f"{market} {week} {event_id}".encode("utf-8", "surrogatepass"))
        return int.from_bytes(hashed.digest(), "big")


def smallest(kept: Iterable[Ticket], found: Iterable[Ticket], most: int = MAX_TICKETS) -> list[Ticket]:
    """The tickets of one cell that stay, smallest place first; the same whatever order and however often they come.

    They are a simple random sample, without replacement, of the events that came so far.
    """
    return sorted({*kept, *found})[:most]


def order_of_cells(counts: Sequence[int], spreads: Sequence[float], size: int, least: int = MIN_TEXTS) -> list[int]:
    """The cell of the first text to show, the second, and so on: at most `size`, and no more than there are.

    First `least` of each cell in turn; then always where another text lowers the variance of the stratified mean
    most, at N S/sqrt(n (n + 1)) (Wright 2012: the exact integer form of Neyman's allocation). Every beginning of the
    list is thus the allocation for its own length: whoever stops early leaves a sample as good as its size.

    Args:
        counts: events N of each cell.
        spreads: S, the standard deviation of the true score within each cell; at least MIN_SPREAD is taken.
        size: texts wanted.
        least: of each cell, 1 or more.
    """
    cells = range(len(counts))
    drawn = [0] * len(counts)
    worth = [count * max(spread, MIN_SPREAD) for count, spread in zip(counts, spreads, strict=True)]
    order: list[int] = []
    while len(order) < min(size, sum(counts)):
        open_cells = [cell for cell in cells if drawn[cell] < counts[cell]]
        short = [cell for cell in open_cells if drawn[cell] < least]
        if short:
            chosen = min(short, key=lambda cell: (drawn[cell], cell))
        else:
            chosen = max(open_cells, key=lambda cell: worth[cell] / math.sqrt(drawn[cell] * (drawn[cell] + 1)))
        drawn[chosen] += 1
        order.append(chosen)
    return order


def inclusion(counts: Sequence[int], order: Sequence[int]) -> list[float]:
    """Probability with which each event of a cell was drawn: texts shown over events; 0 for a cell without events."""
    return [order.count(cell) / count if count else 0.0 for cell, count in enumerate(counts)]


def spreads_within(
    confusion: NDArray[np.float64], shares: NDArray[np.float64], worth: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Standard deviations (3,) of the true score among texts with the same predicted label.

    Args:
        confusion: (3, 3), rows P(predicted | true).
        shares: (3,) of the true labels, as far as they are known.
        worth: (3,) what a label counts.
    """
    joint = shares[:, None] * confusion
    given = joint / np.maximum(joint.sum(axis=0), 1e-12)
    mean = worth @ given
    spread: NDArray[np.float64] = np.sqrt(np.maximum((worth**2) @ given - mean**2, 0.0))
    return spread
