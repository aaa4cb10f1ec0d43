"""One follower of the change stream for all open pages: each step is read once, each view rendered once."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field, replace

from marketpulse.client.snapshot import Change, Snapshot
from marketpulse.contract.metrics import Estimate
from marketpulse.contract.records import AllocationRecord
from marketpulse.errors import MarketpulseError
from streams.clock import epoch_ms
from streams.dashboard.history import Moment, PageReader
from streams.dashboard.parts import Rendered, ViewKey
from streams.telemetry.logs import get_logger

log = get_logger("dashboard")

LEAST_PAUSE_S = 0.25
MOST_PAUSE_S = 5.0
RETRY_S = 1.0
HOURS_SHOWN = 48
HOURS_EVERY_S = 20.0
CHANGES_KEPT = 2_000
STEPS_KEPT = 300
ANSWERS_KEPT = 50
MOST_CLIENTS = 5_000


@dataclass(frozen=True)
class Running:
    """u over the running 5 minutes as one step published it."""

    at: int
    u: Estimate


@dataclass(frozen=True)
class Seen:
    """What was read last. `at` in epoch ms; `change` is the id of the newest change that it holds.

    `hours` are each market's last 48 hour buckets, `rate` events counted per second over the last minute, `error` why
    nothing newer could be read.
    """

    snapshot: Snapshot
    at: int
    change: str
    hours: dict[str, list[Moment]] = field(default_factory=dict)
    answers: list[AllocationRecord] = field(default_factory=list)
    running: dict[str, deque[Running]] = field(default_factory=dict)
    rate: float | None = None
    error: str | None = None


Render = Callable[[ViewKey, Seen], Awaitable[Rendered]]


class View:
    """One view as its clients have it: the newest rendering and its version; gone when the last client is."""

    def __init__(self) -> None:
        self.clients = 0
        self.rendered: Rendered | None = None
        self.version = 0
        self.whole = b""
        self.difference = b""
        self.rendering = asyncio.Lock()
        self.shown: Seen | None = None

    def take(self, rendered: Rendered, change: str) -> None:
        """Put a newer rendering in place."""
        difference = rendered.whole() if self.rendered is None else rendered.since(self.rendered)
        self.rendered = rendered
        self.version += 1
        self.whole = rendered.message(rendered.whole(), change)
        self.difference = rendered.message(difference, change)

    def since(self, version: int) -> bytes:
        """What a client at that version needs: the difference if it missed nothing, else everything."""
        return self.difference if 0 < version == self.version - 1 else self.whole


class Feed:
    """Keeps what was read last and the views that somebody looks at.

    A client holds a version number and nothing else, so a slow one skips what it has missed and makes nobody wait.
    """

    def __init__(self, reader: PageReader, render: Render) -> None:
        self._reader = reader
        self._render = render
        self._fresh = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []
        self._views: dict[ViewKey, View] = {}
        self._changes: deque[Change] = deque(maxlen=CHANGES_KEPT)
        self._counted: deque[tuple[float, int]] = deque(maxlen=240)
        self._running: dict[str, deque[Running]] = {}
        self._hours: dict[str, list[Moment]] = {}
        self._hours_at = float("-inf")
        self._answers: list[AllocationRecord] = []
        self._refreshed_at = float("-inf")
        self._reading = asyncio.Lock()
        self.seen: Seen | None = None
        self.number = 0
        """How often something newer was shown."""
        self.error: str | None = "nothing was read yet"

    @property
    def clients(self) -> int:
        """Streams that are open now."""
        return sum(view.clients for view in self._views.values())

    async def start(self) -> None:
        """Begin to read and follow."""
        self._tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self._tick())]

    async def stop(self) -> None:
        """Stop following."""
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def since(self, change: str) -> list[Change] | None:
        """Changes after one, oldest first; None where that one is not known any more."""
        known = list(self._changes)
        for at, one in enumerate(known):
            if one.id == change:
                return known[at + 1 :]
        return None

    async def messages(self, key: ViewKey) -> AsyncGenerator[bytes]:
        """The whole view, then what changes of it, each as one message of an event stream, for ever."""
        view = self._views.setdefault(key, View())
        view.clients += 1
        try:
            if view.rendered is None:
                await self._renew(key, view)
            version = 0
            while True:
                async with self._fresh:
                    await self._fresh.wait_for(lambda seen=version: view.version > seen)  # type: ignore[misc]
                message, version = view.since(version), view.version
                yield message
        finally:
            view.clients -= 1
            if not view.clients:
                self._views.pop(key, None)

    async def _renew(self, key: ViewKey, view: View) -> None:
        """Render a view as of what was seen last; one rendering at a time, so that none overtakes a newer one."""
        async with view.rendering:
            if (seen := self.seen) is None or view.shown is seen:
                return
            try:
                rendered = await self._render(key, seen)
            except MarketpulseError:
                return  # it stays as it is; the follower finds out too and says so
            view.shown = seen
            if rendered != view.rendered:
                view.take(rendered, seen.change)

    async def _follow(self) -> None:
        after: str | None = None
        while True:
            try:
                if after is None:
                    recent = await self._reader.recent_changes(CHANGES_KEPT)
                    self._changes.extend(recent)
                    after = recent[-1].id if recent else "0-0"
                await self._refresh()
                async for change in self._reader.changes(after, patience_s=2.0):
                    after = change.id
                    if change.missed:
                        self._changes.clear()  # what lies between is not known: nobody can resume from before
                    self._changes.append(change)
                    await asyncio.sleep(LEAST_PAUSE_S)
                    await self._refresh()
            except MarketpulseError as error:
                await self._lost(error)
                await asyncio.sleep(RETRY_S)

    async def _tick(self) -> None:
        """Read anew where nothing changed for a while: lag and workers go on without steps."""
        while True:
            await asyncio.sleep(1.0)
            if self.seen is not None and time.monotonic() - self._refreshed_at > MOST_PAUSE_S and self.error is None:
                with contextlib.suppress(MarketpulseError):  # the follower says so
                    await self._refresh()

    async def _lost(self, error: MarketpulseError) -> None:
        if str(error) != self.error:
            log.warning("page_waits", error=str(error))
        self.error = str(error)
        if self.seen is not None and self.seen.error is None:
            await self._show(replace(self.seen, error=self.error))

    async def _refresh(self) -> None:
        async with self._reading:
            snapshot = await self._reader.snapshot()
            await self._read_slow(snapshot)
            now = time.monotonic()
            self._count(snapshot, now)
            self._refreshed_at, self.error = now, None
            newest = self._changes[-1].id if self._changes else "0-0"
            at = epoch_ms()
            seen = Seen(snapshot, at, newest, self._hours, self._answers, self._running, self._rate())
            await self._show(seen)

    async def _read_slow(self, snapshot: Snapshot) -> None:
        """What changes seldom: hours once a minute, answers of the allocator when there is a new one."""
        now = time.monotonic()
        markets = sorted(snapshot.metrics)
        if now - self._hours_at > HOURS_EVERY_S or len(markets) != len(self._hours):
            self._hours = await self._reader.history(markets, "hour", HOURS_SHOWN)
            self._hours_at = now
        known = {one.id for one in self._answers}
        told = {one.allocation for one in list(self._changes)[-5:]} - {None}
        if not known or told - known:
            self._answers = (await self._reader.allocations())[-ANSWERS_KEPT:]

    def _count(self, snapshot: Snapshot, now: float) -> None:
        self._counted.append((now, snapshot.status.totals.get("accepted", 0)))
        at = snapshot.status.published_at or 0
        for code, one in snapshot.metrics.items():
            kept = self._running.setdefault(code, deque(maxlen=STEPS_KEPT))
            if not kept or kept[-1].at < at:
                kept.append(Running(at, one.windows["5m"].u))

    def _rate(self) -> float | None:
        last, total = self._counted[-1]
        first, before = next(((at, n) for at, n in self._counted if last - at <= 60), self._counted[-1])
        return (total - before) / (last - first) if last - first > 0.5 and total >= before else None

    async def _show(self, seen: Seen) -> None:
        """Give everybody the news: each view that somebody looks at is rendered once."""
        self.seen = seen
        self.number += 1
        for key, view in list(self._views.items()):
            await self._renew(key, view)
        async with self._fresh:
            self._fresh.notify_all()
