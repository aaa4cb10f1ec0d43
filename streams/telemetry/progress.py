"""What a worker is doing: how far each partition is, what is waited for; read by probes, watchdog and heartbeat."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from marketpulse.errors import KafkaUnavailable, Unavailable
from streams.batches import Position

ROLL_UP = "roll-up"
LOOP = "event loop"


@dataclass(slots=True)
class PartitionProgress:
    """One claimed partition: next offset to read and to count, the log's end as Kafka last told it, when it moved.

    `known_ids` and `horizon_ms`: how many event ids are remembered, and over how much record time. `in_transaction`:
    offsets behind the end that are in transactions which are still open, and so belong to nobody yet.
    """

    position: int
    counted: int
    moved_at: float
    end: int = 0
    newest_record_ms: int | None = None
    known_ids: int = 0
    horizon_ms: int = 0
    in_transaction: int = 0

    @property
    def lag(self) -> int:
        """Records in the log that are not counted yet, as far as known."""
        return max(self.end, self.position) - self.counted


@dataclass
class Progress:
    """All that is known of one worker's progress.

    `clock` counts seconds while this process runs: whoever watches advances it by small steps, so that a process that
    was stopped for minutes and goes on is not taken for one that stalled.
    """

    clock: float = 0.0
    partitions: dict[int, PartitionProgress] = field(default_factory=dict)
    assigned: frozenset[int] = frozenset()
    joined: bool = False
    in_flight: int = 0
    failures: dict[str, int] = field(default_factory=lambda: {one.server: 0 for one in (KafkaUnavailable, Unavailable)})
    _waiting: dict[str, float] = field(default_factory=dict)
    _beats: dict[str, float] = field(default_factory=dict)

    # --- what the worker tells ----------------------------------------------------------------------------------

    def beat(self, part: str) -> None:
        """Record a heartbeat of a component."""
        self._beats[part] = self.clock

    def claimed(self, partition: int, position: int) -> None:
        """A partition was claimed and is read from `position`."""
        self.partitions[partition] = PartitionProgress(position, position, self.clock)

    def lost(self, partition: int) -> None:
        """A partition is not this worker's any more, or is about to be claimed anew."""
        self.partitions.pop(partition, None)

    def delivered(self, position: Position, newest_record_ms: int) -> None:
        """A batch was read and is on its way to the model."""
        self.in_flight += 1
        if one := self.partitions.get(position.partition):
            one.position, one.newest_record_ms, one.moved_at = position.end, newest_record_ms, self.clock

    def remembers(self, partition: int, ids: int, horizon_ms: int) -> None:
        """So many event ids of a partition are remembered, over so much record time."""
        if one := self.partitions.get(partition):
            one.known_ids, one.horizon_ms = ids, horizon_ms

    def finished(self) -> None:
        """A batch in hand was committed or dropped."""
        self.in_flight -= 1

    def counted(self, position: Position) -> None:
        """The ledger has counted a batch."""
        if one := self.partitions.get(position.partition):
            one.counted, one.moved_at = max(one.counted, position.end), self.clock

    def ends(self, ends: Mapping[int, int]) -> None:
        """Where Kafka says that the partitions end."""
        for number, end in ends.items():
            if one := self.partitions.get(number):
                if one.lag == 0:
                    one.moved_at = self.clock  # nothing was there to be done until now
                one.end = end

    def open_transactions(self, partition: int, offsets: int) -> None:
        """How many offsets of a partition are in transactions that are not ended."""
        if one := self.partitions.get(partition):
            one.in_transaction = offsets

    def waits(self, what: str) -> None:
        """Mark the worker as blocked on an external dependency; that is not a stall."""
        self._waiting.setdefault(what, self.clock)

    def failed(self, server: str) -> None:
        """A try failed because a server was away; it is tried again."""
        self.failures[server] += 1

    def goes_on(self, what: str) -> None:
        """What was waited for is there."""
        self._waiting.pop(what, None)

    # --- what others ask ----------------------------------------------------------------------------------------

    @property
    def waiting(self) -> dict[str, float]:
        """What is waited for, and for how many seconds already."""
        return {what: self.clock - since for what, since in sorted(self._waiting.items())}

    def stalled(self, seconds: float) -> list[str]:
        """What should have moved within so many seconds and did not, although nothing outside is waited for."""
        late = [f"{part}: silent" for part, at in sorted(self._beats.items()) if self.clock - at > seconds]
        if self._waiting:
            return [one for one in late if one.startswith(LOOP)]
        return late + [
            f"partition {number}: {one.lag} records wait, none moved"
            for number, one in sorted(self.partitions.items())
            if one.lag and self.clock - one.moved_at > seconds
        ]

    def not_ready(self) -> list[str]:
        """Why this worker does not work at present; empty = it does. A worker without partitions is a ready spare."""
        found = [] if self.joined else ["not in the consumer group yet"]
        found += [f"partition {number}: not claimed yet" for number in sorted(self.assigned - self.partitions.keys())]
        return found + [f"waits for {what} since {seconds:.0f} s" for what, seconds in self.waiting.items()]
