"""Where a rebuilt ledger goes on in each source partition, and which event ids count as seen there."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from marketpulse.contract.canary import canary_of
from marketpulse.contract.decode import Rejected, decode
from streams.clock import epoch_ms
from streams.contract.journal import CheckpointRecord, PartitionMark, StepRecord
from streams.errors import RetentionPassed, TopicRecreated
from streams.kafka.log_reader import LogReader
from streams.kafka.tolerant import UNKNOWN_TIME
from streams.ledger.types import checksum
from streams.pipeline.ingest.claims import PASSED, RECREATED
from streams.pipeline.ingest.decoding import judged_ms
from streams.pipeline.ingest.dedupe import SeenIds
from streams.settings import Settings

CHUNK_RECORDS = 500


class PartitionStart(msgspec.Struct, frozen=True):
    """Where a source partition goes on, what is known of the records before, and their ids as the ledger keeps them."""

    next: int
    mark: PartitionMark
    chunks: Sequence[bytes] = ()


class SourceStarts:
    """Finds them in an open LogReader of `feedback`. `lost`: records per partition that retention took; `anew`:
    partitions whose topic was recreated."""

    def __init__(
        self, feedback: LogReader, settings: Settings, skip_lost: bool, say: Callable[[str, int, int | None], object]
    ) -> None:
        self._feedback = feedback
        self._skip_lost = skip_lost
        self._say = say
        horizon_ms, capacity = settings.dedupe_ms, settings.dedupe_capacity
        self._ids = {number: KnownIds(feedback, number, horizon_ms, capacity) for number in feedback.offsets}
        self.lost: dict[int, int] = {}
        self.anew: set[int] = set()

    async def after(self, stands: StepRecord | CheckpointRecord) -> dict[int, PartitionStart]:
        """Where each partition goes on: at the last cut, with the ids that were seen before it.

        Raises:
            Unavailable: Kafka does not answer.
            TopicRecreated, RetentionPassed: it cannot go on there, and nobody said to skip what is lost.
        """
        starts, numbers = {}, sorted(self._feedback.offsets)
        for done, number in enumerate(numbers):
            self._say("reading event ids", done, len(numbers))
            cut, mark = stands.cut.get(str(number)), stands.partitions.get(str(number), PartitionMark())
            ids = self._ids[number]
            next_offset = await self._where(number, cut)
            await ids.read_to(next_offset)
            if next_offset == cut and ids.differs(mark):
                next_offset = self._anew_from(number, f"holds another record at offset {next_offset - 1}")
            if cut is None:
                mark = PartitionMark(began=next_offset)
            elif number in self.anew or number in self.lost:
                mark = msgspec.structs.replace(
                    mark, last_offset=None, last_timestamp=None, last_checksum=None, began=-1
                )
            starts[number] = PartitionStart(next_offset, mark, [] if number in self.anew else list(ids.chunks))
        return starts

    async def _where(self, number: int, cut: int | None) -> int:
        """The offset of the cut, if the topic reaches from before it to it."""
        first, end = self._feedback.offsets[number][0], await self._feedback.end(number)
        if cut is None or number in self.anew:
            return first
        if cut > end:
            return self._anew_from(number, f"ends at {end}")
        if cut < first:
            if not self._skip_lost:
                raise RetentionPassed(
                    f"{self._feedback.topic}[{number}] begins at {first}, but the journal counted up to {cut}: "
                    f"retention took {first - cut} records that were never counted. {PASSED}"
                )
            self.lost[number] = first - cut
        return max(cut, first)

    def _anew_from(self, number: int, why: str) -> int:
        if not self._skip_lost:
            raise TopicRecreated(
                f"{self._feedback.topic}[{number}] {why}, which is not what the journal counted: the topic was "
                f"recreated or truncated. {RECREATED}"
            )
        self.anew.add(number)
        return self._feedback.offsets[number][0]


class KnownIds:
    """Reads forward through one partition; `chunks` are what the ledger keeps of it, the oldest first.

    Reading begins two horizons back, so that an id is known since its first record and not since a repetition.
    """

    def __init__(self, reader: LogReader, partition: int, horizon_ms: int, capacity: int) -> None:
        self._reader = reader
        self._partition = partition
        self._horizon_ms = horizon_ms
        self._seen = SeenIds(horizon_ms, capacity)
        self._at: int | None = None
        self._read_ms = 0
        self.chunks: deque[bytes] = deque()
        self.last: tuple[int, int] | None = None  # timestamp and checksum of the last record read

    def differs(self, mark: PartitionMark) -> bool:
        """Whether the last record read is another than the one that was counted last, as far as both are known."""
        if self.last is None or mark.last_timestamp is None or mark.last_checksum is None:
            return False
        time_ms, found = self.last
        return found != mark.last_checksum or time_ms not in (UNKNOWN_TIME, mark.last_timestamp)

    async def read_to(self, offset: int) -> None:
        """Take every record before an offset. Raises Unavailable."""
        if self._at is None:
            self._at = await self._begin(offset)
        pending: list[Any] = []
        async for record in self._reader.records(self._at, offset, self._partition):
            pending.append(record)
            if len(pending) == CHUNK_RECORDS:
                self._take(pending)
                pending = []
        if pending:
            self._take(pending)
        self._at = max(self._at, offset)

    async def _begin(self, offset: int) -> int:
        first, back = self._reader.offsets[self._partition][0], 1
        while True:  # what stands right before may be a control record, which nobody sees
            at = max(first, offset - back)
            async for record in self._reader.records(at, offset, self._partition):
                early = await self._reader.offset_at(record.timestamp - 2 * self._horizon_ms, self._partition)
                return min(early, int(record.offset))
            if at == first:
                return offset
            back *= 4

    def _take(self, records: list[Any]) -> None:
        digests, now_ms = [], epoch_ms()
        for record in records:
            if canary_of(record.headers):
                continue
            try:
                event = decode(record.value, judged_ms(record, now_ms), record.headers)
            except Rejected:
                continue
            digest = self._seen.first_seen(event.id)
            if digest is not None:
                digests.append(digest)
        last = records[-1]
        self.last = (last.timestamp, checksum(last.value))
        known = [judged_ms(found, now_ms) for found in records if found.timestamp != UNKNOWN_TIME]
        self._read_ms = max([self._read_ms, *known])
        chunk, forgotten = self._seen.close_chunk(digests, self._read_ms)
        if chunk:
            self.chunks.append(chunk)
        for _ in range(forgotten):
            self.chunks.popleft()
