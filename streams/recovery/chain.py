"""Which of the journal's records are history: repeated ones and those that a rewind undid are left out."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from streams.contract.journal import CheckpointRecord


@dataclass(frozen=True, slots=True)
class Place:
    """Where a step's record stands in the journal, and its value's checksum."""

    step: int
    offset: int
    checksum: int


@dataclass(frozen=True, slots=True)
class Mark:
    """A complete checkpoint: its last record, and the offsets of its parts."""

    end: CheckpointRecord
    offsets: tuple[int, ...]

    @property
    def step(self) -> int:
        """The step that left the ledger so."""
        return self.end.step

    @property
    def fresh(self) -> bool:
        """Whether the ledger began anew from here."""
        return self.end.cause != "hourly"


@dataclass(frozen=True, slots=True)
class Stretch:
    """Steps that follow on one another, from a checkpoint on, or from an empty ledger (None)."""

    begins: Mark | None
    places: tuple[Place, ...]


@dataclass
class Chain:
    """The history that the records taken so far make.

    The journal is written at least once, and a Redis that went back in time writes steps anew: a record that was there
    before changes nothing, another one of the same step takes the place of that step and of all later ones.
    """

    steps: dict[int, Place] = field(default_factory=dict)
    marks: dict[int, Mark] = field(default_factory=dict)
    _parts: dict[str, dict[int, int]] = field(default_factory=dict)

    @property
    def last(self) -> int:
        """The newest step that is history; 0 before any."""
        return max(next(reversed(self.steps), 0), max(self.marks, default=0))

    def take_step(self, step: int, offset: int, checksum: int) -> None:
        """Take one step's record. One that does not follow on what is known begins a new history."""
        known = self.steps.get(step)
        if known is not None and known.checksum == checksum:
            return
        if step <= self.last:
            self._forget(step)
        if step != self.last + 1:
            self.steps.clear()
            self.marks.clear()
        self.steps[step] = Place(step, offset, checksum)

    def take_checkpoint(self, record: CheckpointRecord, offset: int) -> None:
        """Take one piece of a checkpoint; without all its pieces it does not count."""
        if record.part < record.parts:
            self._parts.setdefault(record.id, {})[record.part] = offset
            return
        parts = self._parts.pop(record.id, {})
        if sorted(parts) != list(range(record.parts)):
            return
        mark = Mark(record, tuple(parts[part] for part in range(record.parts)))
        if mark.fresh:
            self._forget(record.step + 1)
        elif record.step > self.last and (self.steps or self.marks):
            return  # its step was undone, or is not history
        elif record.step in self.marks and self.marks[record.step].fresh:
            return  # of the ledger that was replaced at this step, by one that was late
        self.marks[record.step] = mark

    def _forget(self, first: int) -> None:
        for step in [step for step in self.steps if step >= first]:
            del self.steps[step]
        for step in [step for step in self.marks if step >= first]:
            del self.marks[step]

    def newest_stretch(self) -> Stretch | None:
        """From the newest checkpoint to the end; None without a checkpoint."""
        if not self.marks:
            return None
        mark = self.marks[max(self.marks)]
        return Stretch(mark, self.places(mark.step, self.last))

    def stretches(self) -> list[Stretch]:
        """All of history: one stretch, or several where the ledger was rebuilt or reset in between.

        It begins with step 1 where that is still there, else with the oldest checkpoint.
        """
        first: list[Mark | None] = [None] if 1 in self.steps else []
        fresh = [self.marks[step] for step in sorted(self.marks) if self.marks[step].fresh]
        if not first and (not fresh or min(self.marks) < fresh[0].step):
            first = [self.marks[min(self.marks)]] if self.marks else []
        begins: Sequence[Mark | None] = [*first, *(one for one in fresh if one not in first)]
        ends = [*(one.step for one in begins[1:] if one is not None), self.last]
        return [
            Stretch(begin, self.places(0 if begin is None else begin.step, end))
            for begin, end in zip(begins, ends, strict=False)
        ]

    def places(self, after: int, last: int) -> tuple[Place, ...]:
        """Steps in (after, last], in order."""
        return tuple(self.steps[step] for step in sorted(self.steps) if after < step <= last)
