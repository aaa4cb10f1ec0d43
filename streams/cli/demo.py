"""The demonstration: the last 50 simulated hours in half a minute, with an incident, then live."""

import asyncio
import math
import tempfile
import threading
import time
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path

from rich.console import Console
from rich.live import Live

from marketpulse.client.reader import Reader
from marketpulse.contract.topics import topic_name
from marketpulse.contract.units import HOUR_MS
from streams.cli.views.status import render
from streams.clock import epoch_ms
from streams.dev.embedded.supervisor import Supervisor
from streams.dev.feeds.live import live_records
from streams.dev.feeds.simulate import FeedPlan, Incident, generate
from streams.dev.run import servers, worker_environment
from streams.kafka.publish import Record, publish
from streams.recovery.first_start import set_up
from streams.settings import Settings

HOURS = 50
EVENTS = 16_000
REPLAY_SECONDS = 28.0
LIVE_RATE = 4.0


def demo(settings: Settings, console: Console, seconds: float | None, say: Callable[[str], object]) -> bool:
    """Run until Ctrl-C, or for `seconds`; whether an alert fired and an allocation moved money."""
    say("starting a real Kafka and a real Redis on loopback ports")
    with servers(settings, embedded=True, data_folder=None) as endpoints, tempfile.TemporaryDirectory() as logs:
        asyncio.run(set_up(endpoints, settings.prefix, partitions=4))
        supervisor = Supervisor(1, worker_environment(settings, endpoints), Path(logs), lambda _: None)
        supervisor.start()
        stop = threading.Event()
        feed = threading.Thread(target=_feed, args=(endpoints.kafka, settings.prefix, stop), daemon=True)
        feed.start()
        try:
            with Reader(endpoints.redis, prefix=settings.prefix) as reader:
                _show(reader, supervisor, console, seconds, say)
                moved = any(one.cause == "shift" and one.adopted for one in reader.allocations())
                fired = bool(reader.snapshot().alerts)
        finally:
            stop.set()
            feed.join(10)
            supervisor.stop()
    return moved and fired


def _feed(kafka: str, prefix: str, stop: threading.Event) -> None:
    """Publish the replay, then live events, until told to stop."""
    now_ms = epoch_ms()
    plan = FeedPlan(
        seed=now_ms % 1_000,
        events=EVENTS,
        span_ms=HOURS * HOUR_MS,
        end_ms=now_ms,
        incidents=(Incident("BR", 0.965, 1.0, share=0.8, volume=3.0),),
    )
    topic = topic_name(prefix, "feedback")
    history = [Record(line.user.encode() or None, line.value) for line in generate(plan)]
    asyncio.run(publish(kafka, topic, takewhile(lambda _: not stop.is_set(), history), rate=EVENTS / REPLAY_SECONDS))
    going_on = (Incident("BR", 0.0, math.inf, share=0.8, volume=3.0),)
    asyncio.run(publish(kafka, topic, live_records(plan, going_on, lambda _: stop.is_set()), LIVE_RATE))


def _show(
    reader: Reader, supervisor: Supervisor, console: Console, seconds: float | None, say: Callable[[str], object]
) -> None:
    """Redraw once a second on a terminal; elsewhere say what is new and print the table at the end."""
    started = time.monotonic()
    said: set[str] = set()
    title = "Marketpulse demo: 50 hours of a simulated feed, then live. Ctrl-C ends it"
    try:
        with Live(console=console, auto_refresh=False, screen=console.is_terminal) as view:
            while seconds is None or time.monotonic() - started < seconds:
                supervisor.watch()
                if console.is_terminal:
                    view.update(render(reader.snapshot(), title), refresh=True)
                else:
                    _say_news(reader, said, say)
                time.sleep(1)
    except KeyboardInterrupt:
        say("stopping")
    console.print(render(reader.snapshot(), title))


def _say_news(reader: Reader, said: set[str], say: Callable[[str], object]) -> None:
    for alert in reader.snapshot().alerts:
        news = f"alert {alert.id} {alert.state}"
        if news not in said:
            say(news)
            said.add(news)
    for one in reader.allocations():
        if one.id not in said:
            say(f"{one.id}: {one.status}, {one.why}")
            said.add(one.id)
