"""The read client for asyncio: `Reader` in threads.

async with AsyncReader("redis://127.0.0.1:6379/0", prefix="marketpulse") as reader:
    await reader.u.get("BR", "24h")
    snapshot = await reader.snapshot()
    async for change in reader.changes():
        ...
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Self

from marketpulse.client.reader import Reader
from marketpulse.client.snapshot import Change, Snapshot
from marketpulse.client.tables import AsyncTable
from marketpulse.contract.portfolio import Portfolio
from marketpulse.contract.records import AllocationRecord, Excerpt, MetricsRecord


class AsyncReader:
    """`Reader` for asyncio: every read runs in a thread, so the event loop never waits for Redis.

    Arguments and errors as of `Reader`.
    """

    def __init__(self, url: str, *, prefix: str = "marketpulse", timeout_s: float = 10.0) -> None:
        self._reader = Reader(url, prefix=prefix, timeout_s=timeout_s)
        self.u, self.r, self.s, self.t = (AsyncTable(getattr(self._reader, name)) for name in "urst")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection."""
        await asyncio.to_thread(self._reader.close)

    async def markets(self) -> list[str]:
        """Codes of all markets ever seen."""
        return await asyncio.to_thread(self._reader.markets)

    async def metrics(self, market: str) -> MetricsRecord | None:
        """One market's newest record; None for a market never seen."""
        return await asyncio.to_thread(self._reader.metrics, market)

    async def excerpts(self, market: str) -> list[Excerpt]:
        """What some of a market's users wrote last, redacted; `occurred_at` is the begin of its hour, newest last."""
        return await asyncio.to_thread(self._reader.excerpts, market)

    async def portfolio(self) -> Portfolio | None:
        """Markets and plan in force; None before the first step."""
        return await asyncio.to_thread(self._reader.portfolio)

    async def allocations(self) -> list[AllocationRecord]:
        """The last 500 answers of the allocator, oldest first."""
        return await asyncio.to_thread(self._reader.allocations)

    async def recent_changes(self, most: int = 1_000) -> list[Change]:
        """The newest changes that are kept, oldest first."""
        return await asyncio.to_thread(self._reader.recent_changes, most)

    async def committed(self) -> int:
        """Records counted so far: the sum of all partitions' offsets in the ledger."""
        return await asyncio.to_thread(self._reader.committed)

    async def snapshot(self) -> Snapshot:
        """Everything of one step, as `Reader.snapshot`."""
        return await asyncio.to_thread(self._reader.snapshot)

    async def changes(
        self, after: str | None = None, block_s: float = 0.5, patience_s: float | None = None
    ) -> AsyncIterator[Change]:
        """Steps and allocations as they come, until `close`; as `Reader.changes`."""
        found = self._reader.changes(after, block_s, patience_s)
        while (change := await asyncio.to_thread(next, found, None)) is not None:
            yield change
