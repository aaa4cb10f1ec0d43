"""The times of a feed, and their shift to now."""

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from marketpulse.contract.decode import parse_object, utc
from marketpulse.contract.units import DAY_MS
from streams.kafka.publish import Record
from streams.sources.times import written_ms


@dataclass(frozen=True)
class Shift:
    """A constant that is added to times; `last_event_at` is the newest plausible event's new time (ms)."""

    by_ms: int = 0
    last_event_at: int | None = None

    def of(self, records: Iterable[Record]) -> Iterator[Record]:
        """The records with every parseable `occurred_at` moved; only the time is exchanged inside a line's bytes."""
        if self.last_event_at is None:
            yield from records
            return
        for record in records:
            at = _time_of(record.value)
            yield record if at is None else Record(record.key, _with_time(record.value, at + self.by_ms))


class Times:
    """The times of a feed: number, oldest and newest of each day, so that its length does not matter."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._days: dict[int, tuple[int, int, int]] = {}
        for record in records:
            at = _time_of(record.value)
            if at is not None:
                number, oldest, newest = self._days.get(at // DAY_MS, (0, at, at))
                self._days[at // DAY_MS] = (number + 1, min(oldest, at), max(newest, at))

    def shift_to(self, now_ms: int) -> Shift:
        """The shift by which the newest plausible time becomes `now_ms`.

        Not plausible are at most one in twenty that lie more than 24 h after all others: a wrong clock, which stays
        wrong.
        """
        return Shift(now_ms - self._newest(), now_ms) if self._days else Shift()

    @property
    def days(self) -> int:
        """Days from the oldest time to the newest plausible one, begun ones whole."""
        if not self._days:
            return 0
        oldest = min(oldest for _, oldest, _ in self._days.values())
        return -((oldest - self._newest()) // DAY_MS)

    @property
    def ahead(self) -> int:
        """How many times are not plausible: they lie more than 24 h after all others."""
        newest = self._newest() if self._days else 0
        return sum(number for number, oldest, _ in self._days.values() if oldest > newest)

    def _newest(self) -> int:
        days = [day for _, day in sorted(self._days.items())]
        total = sum(number for number, _, _ in days)
        before = 0
        for (number, _, newest), (_, oldest, _) in itertools.pairwise(days):
            before += number
            if before >= total - total // 20 and oldest - newest > DAY_MS:
                return newest
        return days[-1][2]


_TIME = re.compile(rb'"occurred_at"\s*:\s*("(?:[^"\\]++|\\.)*+"|-?\d+(?:[.]\d+)?)')


def _time_of(line: bytes) -> int | None:
    fields = parse_object(line)
    return None if fields is None else written_ms(fields.get("occurred_at"))


def _with_time(line: bytes, at_ms: int) -> bytes:
    """The line with its (last, as JSON parsers read it) `occurred_at` exchanged."""
    matches = list(_TIME.finditer(line))
    if not matches:
        return line
    begin, end = matches[-1].span(1)
    new = b'"%s"' % utc(at_ms).encode() if line[begin : begin + 1] == b'"' else str(at_ms).encode()
    return line[:begin] + new + line[end:]
