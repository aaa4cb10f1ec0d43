"""The notifier as a process: a courier for each sink, silences followed beside them, probes; ended by a signal."""

import asyncio
import contextlib
import math
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from marketpulse.contract.canary import ReceiptRecord
from marketpulse.contract.records import AlertRecord
from marketpulse.contract.topics import topic_name
from marketpulse.contract.wire import encode
from marketpulse.errors import Unavailable
from streams.clock import epoch_ms
from streams.errors import EXIT_RESTART, BadInput
from streams.kafka.admin import kafka_answers, topic_offsets
from streams.kafka.compacted import CompactedTopic, write_all
from streams.notify.alertmanager import AlertmanagerSink
from streams.notify.apprise_target import AppriseSink, apprise_target
from streams.notify.collector import NotifyTelemetry
from streams.notify.courier import KAFKA, Clock, Courier
from streams.notify.errors import Refused, Undelivered
from streams.notify.feed import KafkaAlertFeed
from streams.notify.heartbeat import Steps
from streams.notify.http import Poster
from streams.notify.messages import Message
from streams.notify.signature import key_of
from streams.notify.sink import Sink, scrubbed, send
from streams.notify.sinks_file import SinksFile, SinkSpec, load_sinks
from streams.notify.webhook import WebhookSink
from streams.pipeline.operators.mutes import Mutes
from streams.serving.ending import Ending, end_process
from streams.serving.probes import HealthServer, Watchdog
from streams.settings import Settings
from streams.telemetry.logs import configure_logs, get_logger
from streams.telemetry.progress import LOOP, Progress

log = get_logger("notify")
LEAST_STALL_S = 120.0
KAFKA_EVERY_S = 10.0
STALE_S = 180
"""Without a step of the worker for so long, heartbeats stop."""
Say = Callable[[dict[str, object]], object]


def make_sink(spec: SinkSpec, file: SinksFile, product: str) -> Sink:
    """The sink that a table of the file describes; nothing is connected yet.

    Raises:
        BadInput: Apprise knows no such URL. OperatorNeeded: Apprise is not installed.
    """
    if spec.kind == "apprise":
        try:
            target = apprise_target(spec.url, spec.timeout_s)
        except Refused as error:
            raise BadInput(f"[sink.{spec.name}] url: {error}. Operator action: see Apprise's list of URLs.") from error
        return AppriseSink(target, file.allowed, spec.timeout_s, file.page, spec.excerpts)
    if spec.kind == "webhook":
        poster = Poster(spec.url, file.allowed, spec.timeout_s)
        return WebhookSink(poster, product, [key_of(secret) for secret in spec.secrets], spec.excerpts)
    poster = Poster(spec.url.rstrip("/") + "/api/v2/alerts", file.allowed, spec.timeout_s)
    return AlertmanagerSink(
        poster, product, spec.resend_s, file.page, spec.excerpts, spec.token, heartbeat_s=spec.heartbeat_s
    )


class DrySink:
    """Stands in for a sink: says what would be sent."""

    def __init__(self, name: str, sink: Sink, say: Say) -> None:
        self.resend_s: float | None = None
        self.divided = sink.divided
        self.shown = sink.shown
        self.close = sink.close
        self._name = name
        self._say = say

    async def send(self, message: Message, now_ms: int) -> None:
        """Only say it."""
        self._say(
            {"sink": self._name, "alerts": len(message.alerts), "summary": message.summary,
             "message": self.shown(message, now_ms)}
        )  # fmt: skip


class Tried(NamedTuple):
    """What became of a test alert at one sink."""

    sink: str
    kind: str
    delivered: bool
    seconds: float
    why: str = ""


async def try_sinks(settings: Settings, file: SinksFile, only: str | None, dry: Say | None) -> list[Tried]:
    """Send a test alert to every sink, or to one, once; Kafka is not needed. Raises BadInput, OperatorNeeded."""
    specs = [spec for spec in file.sinks if only in (None, spec.name)]
    if not specs:
        known = ", ".join(spec.name for spec in file.sinks)
        raise BadInput(f"there is no sink {only}. Operator action: give one of {known}.")
    sinks = [make_sink(spec, file, settings.prefix) for spec in specs]
    return list(await asyncio.gather(*(_test(spec, sink, dry) for spec, sink in zip(specs, sinks, strict=True))))


def _test_alerts(now_ms: int) -> list[AlertRecord]:
    """One that fires; its kind is no real one, and Alertmanager ends it by itself."""
    evidence = {"what": "a test of this sink, nothing has happened"}
    return [AlertRecord(f"test-{now_ms}", 0, "test", "*", "firing", now_ms, now_ms, None, None, evidence)]


async def _test(spec: SinkSpec, sink: Sink, dry: Say | None) -> Tried:
    began, now_ms = time.monotonic(), epoch_ms()
    acting = sink if dry is None else DrySink(spec.name, sink, dry)
    try:
        for message in acting.divided(_test_alerts(now_ms)):
            await send(acting, message, now_ms)
    except Undelivered as error:
        return Tried(spec.name, spec.kind, False, time.monotonic() - began, scrubbed(str(error), spec.hidden))
    finally:
        await sink.close()
    return Tried(spec.name, spec.kind, dry is None, time.monotonic() - began, "" if dry is None else "dry run")


class Notifier:
    """All couriers of one process and what they share."""

    def __init__(self, settings: Settings, file: SinksFile, dry: Say | None) -> None:
        self._settings = settings
        self._mutes = Mutes(
            lambda code, offset, why: log.warning("mute_refused", code=code, offset=offset, why=why), epoch_ms
        )
        self._stopping = asyncio.Event()
        self._ending = Ending()
        self._progress = Progress()
        self._dry = dry
        self._steps = Steps(1_000 * max(STALE_S, math.ceil(3 * settings.idle_step_seconds)))
        self._beats = any(spec.heartbeat_s is not None for spec in file.sinks)
        clock = Clock(epoch_ms, self._stopping)
        self._couriers = [self._courier(spec, file, clock) for spec in file.sinks]
        telemetry = NotifyTelemetry({one.spec.name: one.status for one in self._couriers}, epoch_ms)
        self._health = HealthServer(self._progress, settings, telemetry)
        self._silences = CompactedTopic(
            settings.kafka_servers, topic_name(settings.prefix, "market.mutes"), self._mutes.take
        )

    def _courier(self, spec: SinkSpec, file: SinksFile, clock: Clock) -> Courier:
        sink = make_sink(spec, file, self._settings.prefix)
        group = f"{self._settings.prefix}.notify.{spec.name}" if self._dry is None else None
        feed = KafkaAlertFeed(self._settings.kafka_servers, topic_name(self._settings.prefix, "market.alerts"), group)
        acting = sink if self._dry is None else DrySink(spec.name, sink, self._dry)
        return Courier(
            spec, acting, feed, self._mutes.active, clock, self._progress, self._acknowledge, self._steps.fresh
        )

    async def _acknowledge(self, receipt: ReceiptRecord) -> None:
        """Write a receipt, unless nothing is sent. Raises Unavailable."""
        if self._dry is None:
            topic = topic_name(self._settings.prefix, "market.receipts")
            await write_all(self._settings.kafka_servers, topic, [(receipt.sink, encode(receipt))])

    async def run(self) -> None:
        """Until SIGTERM or SIGINT; then what is on its way is finished, for `drain_seconds` at most."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        stall_s = max(self._settings.stall_seconds, LEAST_STALL_S)
        watchdog = Watchdog(self._progress, stall_s, lambda why: end_process(EXIT_RESTART, why, "stalled"))
        await self._health.start()
        watchdog.start()
        watches = (self._beat, self._watch_kafka, *([self._watch_steps] if self._beats else []))
        background = [self._task(work) for work in watches]
        try:
            if await self._silences_read():
                background.append(self._task(self._follow))
                await self._carry()
        finally:
            self._ending.stopping = True
            watchdog.stop()
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            await self._silences.stop()
            await self._health.stop()

    def _task(self, work: Callable[[], Awaitable[None]]) -> asyncio.Future[None]:
        """Work beside others; an error that it does not handle ends the process."""
        return asyncio.ensure_future(self._ending(work)())

    async def _carry(self) -> None:
        couriers = [self._task(one.run) for one in self._couriers]
        await self._stopping.wait()
        _, late = await asyncio.wait(couriers, timeout=self._settings.drain_seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*couriers, return_exceptions=True)
        log.info("notifier_stopped", abandoned=len(late))

    async def _silences_read(self) -> bool:
        """Whether all silences are known: without them nothing is told. False = the process ends."""
        while not self._stopping.is_set():
            try:
                await self._silences.start(patience=1)
            except Unavailable as error:
                self._progress.waits("mutes")
                log.warning("waiting", what="mutes", error=str(error))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), 2.0)
            else:
                self._progress.goes_on("mutes")
                return True
        return False

    async def _follow(self) -> None:
        while True:
            try:
                await self._silences.follow()
                self._progress.goes_on("mutes")
            except Unavailable:
                self._progress.waits("mutes")
                await asyncio.sleep(1.0)

    async def _beat(self) -> None:
        while True:
            self._progress.beat(LOOP)
            self._progress.joined = all(one.status.joined for one in self._couriers)
            await asyncio.sleep(0.5)

    async def _watch_kafka(self) -> None:
        """Whether Kafka answers: a consumer that waits for a broker does not say so."""
        while True:
            try:
                await kafka_answers(self._settings.kafka_servers)
                self._progress.goes_on(KAFKA)
            except Unavailable:
                self._progress.waits(KAFKA)
            await asyncio.sleep(KAFKA_EVERY_S)

    async def _watch_steps(self) -> None:
        """How far `market.steps` has grown; while that is not known, heartbeats stop."""
        topic = topic_name(self._settings.prefix, "market.steps")
        while True:
            try:
                offsets = await topic_offsets(self._settings.kafka_servers, topic)
                self._steps.seen(offsets[0][1], epoch_ms())
            except Unavailable as error:
                log.warning("waiting", what="market.steps", error=str(error))
            await asyncio.sleep(KAFKA_EVERY_S)


def run_notifier(settings: Settings, path: Path | None, dry: Say | None) -> None:
    """Run until a signal. Raises BadInput: the sinks file; OperatorNeeded: the probes' port, Apprise is missing."""
    configure_logs(settings)
    file = load_sinks(path, os.environ)

    async def run() -> None:
        await Notifier(settings, file, dry).run()

    log.info("notifier_started", pid=os.getpid(), sinks=[spec.name for spec in file.sinks], dry_run=dry is not None)
    asyncio.run(run())
