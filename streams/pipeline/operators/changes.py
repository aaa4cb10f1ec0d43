"""Which records of `market.profiles` are one change: those of one apply, or a burst of single records."""

from dataclasses import dataclass

from marketpulse.contract.operators import ApplyMark, apply_of
from streams.batches import CompactedRecord

SINGLE_MS = 1_000
"""Single records that follow one another within this time are one change."""
INCOMPLETE_MS = 10_000
"""An apply without its end waits this long for it; a burst of single records is cut after as long."""


@dataclass(frozen=True, slots=True)
class Incomplete:
    """An apply whose last record did not come: `came` of `count` records did."""

    apply: str
    came: int
    count: int

    def __str__(self) -> str:
        return (
            f"apply {self.apply} is incomplete: {self.came} of {self.count} records came, and they are in force. "
            "Operator action: apply the file again."
        )


class Change:
    """The records of one change so far. Which belong to it depends on the records alone, never on when they are read.

    Records of others in between join an apply that is not complete: all of them are one change. An end that is
    missing is waited for from the last record of such an apply, by the records' own timestamps.
    """

    def __init__(self) -> None:
        self.ended = False
        self._first_ms: int | None = None
        self._waits_from = CompactedRecord(-1, None, None)
        self._open: dict[str, Incomplete] = {}
        self._seen: tuple[int, int] | None = None

    def __bool__(self) -> bool:
        return self._first_ms is not None

    @property
    def incomplete(self) -> tuple[Incomplete, ...]:
        """Applies of which the last record is missing."""
        return tuple(self._open.values())

    def takes(self, record: CompactedRecord) -> bool:
        """Whether a record is of this change; otherwise it begins the next one."""
        if self._first_ms is None or record.unreadable:  # a damaged batch has no time, and may be a part of the apply
            return True
        if not self._open and abs(record.timestamp_ms - self._first_ms) >= INCOMPLETE_MS:
            return False
        return abs(record.timestamp_ms - self._waits_from.timestamp_ms) < self._wait_ms

    def add(self, record: CompactedRecord) -> None:
        """Take a record of this change; `ended` where it is complete with it."""
        mark = None if record.unreadable else apply_of(record.headers)
        if record.unreadable:
            self.ended = self._first_ms is None
            return
        if self._first_ms is None:
            self._first_ms = record.timestamp_ms
        if mark is not None or not self._open:
            self._waits_from = record
        if mark is not None:
            self._follow(mark)

    def _follow(self, mark: ApplyMark) -> None:
        if mark.number < mark.count:  # numbers may be missing: compaction takes records away
            known = self._open.get(mark.apply)
            self._open[mark.apply] = Incomplete(mark.apply, 1 + (known.came if known else 0), mark.count)
            return
        self._open.pop(mark.apply, None)
        self.ended = not self._open

    def settled(self, now_ms: int) -> bool:
        """Whether nothing came for so long, by the reader's clock, that what is there is the change.

        The time begins where this is asked first after a record; a record that was old then is not waited for again.
        """
        if not self:
            return False
        last = self._waits_from
        if self._seen is None or self._seen[0] != last.offset:
            self._seen = last.offset, now_ms
        return now_ms - self._seen[1] >= self._wait_ms or now_ms - last.timestamp_ms >= INCOMPLETE_MS

    @property
    def _wait_ms(self) -> int:
        return INCOMPLETE_MS if self._open else SINGLE_MS
