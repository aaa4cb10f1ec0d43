"""The service that drives a worker: polls the source, ticks the roll-up, follows operators' topics, answers probes."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

import faust

from streams.agents import Channel
from streams.errors import EXIT_RESTART
from streams.kafka.compacted import CompactedTopic
from streams.pipeline.ingest.source import Source
from streams.pipeline.retry import patiently
from streams.pipeline.rollup.leader import RELAY_S, Leader
from streams.serving.ending import Ending, end_process
from streams.serving.probes import HealthServer, Watchdog
from streams.settings import Settings
from streams.telemetry.logs import get_logger
from streams.telemetry.progress import LOOP, Progress
from streams.worker.deps import Deps

log = get_logger("pump")

LOOK_S = 5.0
BEAT_S = 1.0
CLOSING_S = 5.0


@dataclass(frozen=True)
class Work:
    """What the pump drives."""

    source: Source
    leader: Leader
    ticks: Channel
    followed: Sequence[CompactedTopic]
    deps: Deps


class Pump(faust.Service):  # type: ignore[misc]  # Faust ships no types
    """Lives as long as the worker; its tasks end when the worker is asked to stop."""

    def __init__(self, settings: Settings, work: Work, ending: Ending) -> None:
        super().__init__()
        self._settings = settings
        self._work = work
        self._ending = ending
        self._progress = work.deps.progress
        self._health = HealthServer(self._progress, settings, work.deps.telemetry)
        self._watchdog = Watchdog(
            self._progress, settings.stall_seconds, lambda why: end_process(EXIT_RESTART, f"stalled: {why}")
        )

    async def on_start(self) -> None:
        """Answer probes, read what operators published, join the consumer group."""
        self._watchdog.start()
        await self._ending(self._health.start)()
        await self._follow(CompactedTopic.start)
        if self._settings.portfolio is None and (example := self._work.deps.profiles.of_file):
            log.warning(
                "shipped_portfolio", markets=example, action="marketpulse profiles apply FILE with your own table"
            )
        await self._ending(self._work.source.start)()

    async def on_stop(self) -> None:
        """Finish what is in hand, hand the lease over, leave the group."""
        self._ending.stopping = True
        self._watchdog.stop()
        self._end_in_time(self._settings.drain_seconds + CLOSING_S + 2.0)
        await drain(self._progress, self._settings.drain_seconds)
        work = self._work
        senders = [work.deps.outbound.stop, work.deps.log_ends.stop]
        followed = [topic.stop for topic in work.followed]
        # At once: each may take its whole time while Kafka or Redis is away.
        await asyncio.gather(
            *map(_closed, (work.leader.release, work.source.stop, *followed, self._health.stop, *senders))
        )
        await _closed(work.deps.ledger.close)

    @staticmethod
    def _end_in_time(seconds: float) -> None:
        """End the process after so long, whatever does not close: Faust's clients wait for a Kafka that is away."""
        timer = threading.Timer(seconds, end_process, (0, "asked to stop; not everything closed in time"))
        timer.daemon = True
        timer.start()

    @faust.Service.task  # type: ignore[untyped-decorator]
    async def _read(self) -> None:
        while not self.should_stop:
            await self._ending(self._work.source.poll)()

    @faust.Service.task  # type: ignore[untyped-decorator]
    async def _look_at_ends(self) -> None:
        while not self.should_stop:
            await self._ending(self._work.source.look_at_ends)()
            await self._ending(self._work.source.look_at_ledger)()
            await self.sleep(LOOK_S)

    @faust.Service.task  # type: ignore[untyped-decorator]
    async def _beat(self) -> None:
        while not self.should_stop:
            self._progress.beat(LOOP)
            await self.sleep(BEAT_S)

    @faust.Service.task  # type: ignore[untyped-decorator]
    async def _follow_operators(self) -> None:
        while not self.should_stop:
            await self._ending(self._follow)(CompactedTopic.follow)

    @faust.Service.task  # type: ignore[untyped-decorator]
    async def _tick(self) -> None:
        while not self.should_stop:
            await self._work.ticks.put("tick")
            await self.sleep(self._settings.step_seconds)

    @faust.Service.task  # type: ignore[untyped-decorator]
    async def _relay(self) -> None:
        while not self.should_stop:
            await self._ending(self._work.leader.relay)()
            await self.sleep(RELAY_S)

    async def _follow(self, read: Callable[[CompactedTopic], Awaitable[None]]) -> None:
        for topic in self._work.followed:
            await patiently(partial(read, topic), "profiles, mutes and labels", self._progress)


async def _closed(close: Callable[[], Awaitable[object]]) -> None:
    """Close one thing, for so long at most; what does not close ends with the process."""
    try:
        await asyncio.wait_for(close(), CLOSING_S)
    except Exception as error:
        log.warning("stop_incomplete", error=str(error))


async def drain(progress: Progress, seconds: float) -> None:
    """Let the batches in hand be committed, for so long at most, and not while Kafka or Redis is away."""
    deadline = asyncio.get_running_loop().time() + seconds
    while progress.in_flight and not progress.waiting and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    log.info("drained", abandoned=progress.in_flight)
