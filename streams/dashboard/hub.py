"""One follower of the change stream for all open pages: every step is read and rendered once."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import msgspec

from streams.dashboard.view import view_of
from streams.errors import MarketpulseError
from streams.logs import get_logger
from streams.reader import AsyncReader

log = get_logger("dashboard")

LEAST_PAUSE_S = 0.25
RETRY_S = 1.0


class Hub:
    """Keeps the newest view; a slow page skips what it has missed and never makes anyone wait."""

    def __init__(self, reader: AsyncReader) -> None:
        self._reader = reader
        self._fresh = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self.view = b""
        self.number = 0
        self.error: str | None = "nothing was read yet"

    async def start(self) -> None:
        """Read a first view and follow from there."""
        self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Stop following."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def views(self) -> AsyncIterator[tuple[int, bytes]]:
        """(number, JSON) of the newest view, then of each newer one."""
        seen = -1
        while True:
            async with self._fresh:
                await self._fresh.wait_for(lambda seen=seen: self.number > seen and self.view)  # type: ignore[misc]
                seen, view = self.number, self.view
            yield seen, view

    async def _follow(self) -> None:
        after: str | None = None
        while True:
            try:
                await self._refresh()
                async for change in self._reader.changes(after, patience_s=2.0):
                    after = change.id
                    await asyncio.sleep(LEAST_PAUSE_S)
                    await self._refresh()
            except MarketpulseError as error:
                if self.error is None:
                    log.warning("page_waits", error=str(error))
                self.error = str(error)
                await asyncio.sleep(RETRY_S)

    async def _refresh(self) -> None:
        snapshot = await self._reader.snapshot()
        view = msgspec.json.encode(view_of(snapshot, time.time_ns() // 1_000_000))
        async with self._fresh:
            self.view, self.error = view, None
            self.number += 1
            self._fresh.notify_all()
