"""What the journal must say of time: each partition's clock from the log alone, and stream time from these."""

import json
from collections.abc import Callable, Sequence

from streams.contract.journal import PartitionMark, StepRecord
from tests.simulation.kafka import Record
from tests.simulation.oracle import counted


class PartitionClock:
    """One partition, event by event."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records
        self._read = 0
        self._seen: set[str] = set()
        self._recent: list[tuple[int, int]] = []
        self.newest: int | None = None
        self.rose: int | None = None

    def advance(self, upto: int) -> None:
        """Read on, up to an offset."""
        while self._read < len(self._records) and self._records[self._read].offset < upto:
            self._take(self._records[self._read])
            self._read += 1

    def first_unread_ms(self) -> int | None:
        """Record time of the first record that is not read."""
        return self._records[self._read].timestamp if self._read < len(self._records) else None

    def _take(self, record: Record) -> None:
        if not any(cell == "confidence" for _, _, cell in counted(record, self._seen)):
            return
        at_ms = record.timestamp
        occurred_ms = min(json.loads(record.value or b"")["occurred_at"], at_ms)
        self._recent = [*self._recent, (occurred_ms, at_ms)][-100:]
        times = sorted(time for time, recorded in self._recent if recorded > at_ms - 60_000)
        level = times[-1] if len(times) < 20 else times[-3]
        if self.newest is None or level > self.newest:
            self.newest, self.rose = level, record.timestamp


class ClockOracle:
    """Looks at every published step; `fail` is called with what is wrong."""

    def __init__(self, log: Sequence[Sequence[Record]], idle_ms: int, fail: Callable[[str], None]) -> None:
        self._log = log
        self._idle_ms = idle_ms
        self._fail = fail
        self.forget()

    def forget(self) -> None:
        """Redis went back in time: what was published since is not true any more."""
        self._clocks = [PartitionClock(records) for records in self._log]
        self._before: StepRecord | None = None
        self._read_ms: int | None = None

    def published(self, step: StepRecord) -> None:
        """One step."""
        for name, mark in step.partitions.items():
            self._partition(int(name), step.cut[name], mark)
        marks = list(step.partitions.values())
        seen = [mark.seen for mark in marks if mark.seen is not None]
        read_ms = max(min(seen), self._read_ms or 0) if len(seen) == len(marks) else self._read_ms
        if self._before is not None:
            self._stream_time(step, marks, self._before.stream_time, read_ms)
        self._before, self._read_ms = step, read_ms

    def _partition(self, number: int, cut: int, mark: PartitionMark) -> None:
        clock = self._clocks[number]
        clock.advance(cut)
        if (mark.newest, mark.rose) != (clock.newest, clock.rose):
            self._fail(f"clock of {number} at {cut}: {mark.newest} {mark.rose}, not {clock.newest} {clock.rose}")
        unread_ms = clock.first_unread_ms()
        if mark.seen is not None and unread_ms is not None and unread_ms < mark.seen:
            self._fail(f"partition {number} was read up to {mark.seen}, but a record of {unread_ms} was not")

    def _stream_time(
        self, step: StepRecord, marks: Sequence[PartitionMark], before: int | None, read_ms: int | None
    ) -> None:
        known = [mark for mark in marks if mark.newest is not None]
        waiting = [mark for mark in known if (mark.seen or 0) - (mark.rose or 0) < self._idle_ms]
        if any(_unread(step.cut[name], mark) for name, mark in step.partitions.items()):
            oldest = min((int(minute) * 60_000 for minutes in step.deltas.values() for minute in minutes), default=None)
            expected = oldest if before is None else before
        elif not known:
            expected = before
        elif waiting:
            expected = max(min(mark.newest or 0 for mark in waiting), before or 0)
        else:
            last = max(mark.rose or 0 for mark in known)
            newest = min(mark.newest or 0 for mark in known if mark.rose == last)
            expected = max(newest + max(0, (read_ms or 0) - last - self._idle_ms), before or 0)
        if step.stream_time != expected:
            self._fail(f"stream time of step {step.step} is {step.stream_time}, not {expected}")


def _unread(cut: int, mark: PartitionMark) -> bool:
    """Whether nothing was read of a partition that holds something."""
    return mark.seen is None and mark.end is not None and mark.end > max(cut, mark.began)
