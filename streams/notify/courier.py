"""One sink's loop: read, decide what is due, send with retries, commit; a slow or dead sink holds nobody else up."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

import msgspec
import tenacity

from marketpulse.contract.canary import KIND, ReceiptRecord
from marketpulse.contract.operators import MuteRecord
from marketpulse.contract.records import AlertRecord
from marketpulse.contract.wire import CONTRACT_VERSION, UNREADABLE
from marketpulse.errors import Unavailable
from streams.notify.board import Board
from streams.notify.errors import Undelivered
from streams.notify.feed import AlertFeed, Arrivals
from streams.notify.heartbeat import heartbeat
from streams.notify.limit import Limit
from streams.notify.messages import Message, within
from streams.notify.sink import Sink, divided, scrubbed, send
from streams.notify.sinks_file import SinkSpec
from streams.telemetry.logs import get_logger
from streams.telemetry.progress import Progress

log = get_logger("notify")
Acknowledge = Callable[[ReceiptRecord], Awaitable[None]]

POLL_S = 0.5
MOST_WAITING = 1_000
"""Alerts that wait for the limit; at so many the topic is not read on, Kafka keeps the rest."""
LONGEST_PAUSE_S = 60.0
KAFKA = "Kafka"


class Stopped(Exception):
    """The process ends: what is not told yet is told by the next one."""


@dataclass
class SinkStatus:
    """What became of a sink's alerts since the process began; times are epoch ms."""

    delivered: int = 0
    undelivered: int = 0
    retries: int = 0
    summaries: int = 0
    queue: int = 0
    joined: bool = False
    last_success_ms: int | None = None
    failing_since_ms: int | None = None


class Clock:
    """Time and pauses of a courier; tests turn it by hand."""

    def __init__(self, now_ms: Callable[[], int], stopping: asyncio.Event) -> None:
        self.now_ms = now_ms
        self._stopping = stopping

    @property
    def stopping(self) -> bool:
        """Whether the process ends."""
        return self._stopping.is_set()

    async def pause(self, seconds: float) -> None:
        """Wait. Raises Stopped."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
        if self.stopping:
            raise Stopped


class Courier:
    """Carries alerts to one sink, at least once, in order; the offset is committed behind what the sink has."""

    def __init__(
        self,
        spec: SinkSpec,
        sink: Sink,
        feed: AlertFeed,
        mutes: Callable[[int], Iterable[MuteRecord]],
        clock: Clock,
        progress: Progress,
        acknowledge: Acknowledge,
        fresh: Callable[[int], bool],
    ) -> None:
        self.spec = spec
        self.status = SinkStatus()
        self._sink = sink
        self._feed = feed
        self._mutes = mutes
        self._clock = clock
        self._progress = progress
        self._acknowledge = acknowledge
        self._fresh = fresh
        self._board = Board(spec.wants)
        self._limit = Limit(spec.per_minute, spec.burst)
        self._caught_up = False
        self._committed = -1
        self._reminded_ms = 0
        self._beat_ms = 0
        self._behind = 0

    async def run(self) -> None:
        """Until the process ends."""
        try:
            while not self._clock.stopping:
                self._progress.beat(self._part)
                try:
                    await self.turn()
                    self._progress.goes_on(f"{KAFKA} for {self._part}")
                except Unavailable as error:
                    self._progress.waits(f"{KAFKA} for {self._part}")
                    log.warning("waiting", sink=self.spec.name, error=str(error))
                    await self._clock.pause(1.0)
        except Stopped:
            pass
        finally:
            await self._sink.close()
            await self._feed.close()

    async def turn(self) -> None:
        """Read what has come, tell what is due. Raises Unavailable, Stopped."""
        if len(self._due()) < MOST_WAITING:
            self._take(await self._feed.poll(POLL_S))
        else:
            await self._clock.pause(POLL_S)
        if not self._caught_up:
            return
        await self._tell()
        await self._remind()
        await self._beat()
        await self._commit()

    @property
    def _part(self) -> str:
        return f"sink {self.spec.name}"

    def _take(self, arrivals: Arrivals) -> None:
        if arrivals.begins:
            self._board = Board(self.spec.wants)
            self._committed = -1
        self.status.joined = arrivals.joined
        silences = self._silences()
        for one in arrivals.records:
            alert = _alert_of(one.value, one.offset, self.spec.name)
            if alert is None:
                self._board.next_offset = max(self._board.next_offset, one.offset + 1)
            elif one.told is None:
                self._board.take(one.offset, alert)
            else:
                self._board.restore(one.offset, alert, one.record_ms, silences, one.told)
        self._caught_up = arrivals.caught_up
        self._behind = arrivals.behind
        self.status.queue = self._behind + len(self._due())

    def _silences(self) -> list[MuteRecord]:
        return list(self._mutes(self._clock.now_ms()))

    def _due(self) -> list[AlertRecord]:
        return [one.alert for one in self._board.due(self._silences(), self._clock.now_ms())]

    async def _tell(self) -> None:
        """Send what is due and the limit allows; what waits is told in fewer messages later."""
        messages = divided(self._sink, self._due())
        for message in within(messages, self._limit.available(self._clock.now_ms() / 1_000)):
            self._limit.take()
            await self._deliver(message)
            self._board.done(message.alerts)
            self.status.summaries += message.summary
            self.status.queue = self._behind + len(self._due())
            await self._commit()

    async def _deliver(self, message: Message) -> None:
        """Send one message until it is taken, refused, or was tried for long enough: then it is on record as lost."""
        began_ms = self._clock.now_ms()
        left_s = self.spec.retry_for_s
        pauses = tenacity.wait_exponential_jitter(multiplier=0.5, max=LONGEST_PAUSE_S, jitter=1.0)

        def left() -> float:
            return left_s - (self._clock.now_ms() - began_ms) / 1_000

        def pause(state: tenacity.RetryCallState) -> float:
            asked = getattr(state.outcome and state.outcome.exception(), "wait_s", None)
            return max(min(max(pauses(state), asked or 0.0), left()), 0.0)

        retrying = tenacity.AsyncRetrying(
            sleep=self._pause,
            wait=pause,
            stop=lambda _: left() <= 0,
            retry=tenacity.retry_if_exception(lambda error: isinstance(error, Undelivered) and error.retriable),
            before_sleep=self._say_again,
            reraise=True,
        )
        try:
            async for attempt in retrying:
                with attempt:
                    await self._send(message)
        except Undelivered as error:
            self.status.undelivered += len(message.alerts)
            for alert in message.alerts:
                log.error(
                    "alert_undelivered",
                    sink=self.spec.name, id=alert.id, seq=alert.seq, state=alert.state, why=self._scrubbed(error),
                )  # fmt: skip
            await self._receipts(message, self._scrubbed(error))
            return
        await self._receipts(message)
        self.status.delivered += len(message.alerts)
        log.info(
            "alerts_delivered", sink=self.spec.name, alerts=len(message.alerts), summary=message.summary,
            states=sorted({one.state for one in message.alerts}), seconds=(self._clock.now_ms() - began_ms) / 1_000,
        )  # fmt: skip

    async def _receipts(self, message: Message, why: str = "") -> None:
        """Tell who sent a canary that this sink has it, or why not; whether that arrives is not waited for."""
        for alert in message.alerts:
            if alert.kind == KIND and alert.state == "firing":
                name = alert.id.removeprefix(f"{KIND}-")
                receipt = ReceiptRecord(name, self.spec.name, self._clock.now_ms(), not why, why)
                try:
                    await self._acknowledge(receipt)
                except Unavailable as error:
                    log.warning("receipt_lost", sink=self.spec.name, canary=name, error=str(error))

    async def _send(self, message: Message) -> None:
        self._progress.beat(self._part)
        now_ms = self._clock.now_ms()
        try:
            await send(self._sink, message, now_ms)
        except Undelivered:
            self.status.failing_since_ms = self.status.failing_since_ms or now_ms
            raise
        self.status.failing_since_ms = None
        self.status.last_success_ms = self._clock.now_ms()

    def _say_again(self, state: tenacity.RetryCallState) -> None:
        self.status.retries += 1
        error = state.outcome.exception() if state.outcome else None
        if state.attempt_number in (1, 5) or state.attempt_number % 30 == 0:
            log.warning("sink_away", sink=self.spec.name, attempt=state.attempt_number, why=self._scrubbed(error))

    def _scrubbed(self, error: BaseException | None) -> str:
        return scrubbed(str(error), self.spec.hidden)

    async def _pause(self, seconds: float) -> None:
        """A pause in steps: it may be long, and the watchdog wants to hear that the loop lives."""
        until_ms = self._clock.now_ms() + seconds * 1_000
        while (left_s := (until_ms - self._clock.now_ms()) / 1_000) > 0:
            self._progress.beat(self._part)
            await self._clock.pause(min(left_s, 5.0))

    async def _remind(self) -> None:
        """Tell the sink again what fires, where it forgets otherwise; the next reminder makes up for a failed one."""
        now_ms = self._clock.now_ms()
        if self._sink.resend_s is None or now_ms - self._reminded_ms < self._sink.resend_s * 1_000:
            return
        self._reminded_ms = now_ms
        firing = self._board.firing(self._silences(), now_ms)
        if not firing:
            return
        try:
            await self._send(Message(tuple(firing)))
        except Undelivered as error:
            log.warning("sink_away", sink=self.spec.name, reminder=len(firing), why=self._scrubbed(error))

    async def _beat(self) -> None:
        """Send a heartbeat if it is due and workers step; it is not tried again, the next one makes up for it."""
        now_ms = self._clock.now_ms()
        every_s = self.spec.heartbeat_s
        if every_s is None or now_ms - self._beat_ms < every_s * 1_000 or not self._fresh(now_ms):
            return
        self._beat_ms = now_ms
        try:
            await self._send(Message((heartbeat(now_ms),)))
        except Undelivered as error:
            log.warning("heartbeat_undelivered", sink=self.spec.name, why=self._scrubbed(error))

    async def _commit(self) -> None:
        offset = self._board.settled(self._silences(), self._clock.now_ms())
        if offset > self._committed:
            await self._feed.commit(offset)
            self._committed = offset


def _alert_of(value: bytes, offset: int, sink: str) -> AlertRecord | None:
    """The record, or None where it breaks the contract."""
    try:
        alert = msgspec.json.decode(value, type=AlertRecord)
    except UNREADABLE:
        log.error("alert_unreadable", sink=sink, offset=offset)
        return None
    return alert if alert.v == CONTRACT_VERSION else None
