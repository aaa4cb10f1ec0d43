"""The event ids of a partition that count as seen at an offset, found again by reading the records before it."""

from collections import deque
from typing import Any

from streams.decode import Rejected, decode
from streams.dedupe import SeenIds
from streams.ledger import checksum
from streams.log_reader import LogReader

CHUNK_RECORDS = 500


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
        self.chunks: deque[bytes] = deque()
        self.last: tuple[int, int] | None = None  # timestamp and checksum of the last record read

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
        before = max(0, offset - 1)
        async for record in self._reader.records(before, offset, self._partition):
            back = await self._reader.offset_at(record.timestamp - 2 * self._horizon_ms, self._partition)
            return min(back, before)
        return before

    def _take(self, records: list[Any]) -> None:
        digests = []
        for record in records:
            try:
                event = decode(record.value, record.timestamp, record.headers)
            except Rejected:
                continue
            digest = self._seen.first_seen(event.id)
            if digest is not None:
                digests.append(digest)
        last = records[-1]
        self.last = (last.timestamp, checksum(last.value))
        chunk, forgotten = self._seen.close_chunk(digests, last.timestamp)
        if chunk:
            self.chunks.append(chunk)
        for _ in range(forgotten):
            self.chunks.popleft()
