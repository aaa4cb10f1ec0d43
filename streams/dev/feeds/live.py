"""A simulated feed of now: history first, then events as time goes by, with scripted incidents."""

import asyncio
import random
from collections.abc import Callable, Iterator

from marketpulse.contract.topics import topic_name
from marketpulse.contract.units import HOUR_MS
from marketpulse.contract.words import count_of
from streams.clock import epoch_ms
from streams.dev.feeds.simulate import MARKETS, FeedPlan, Incident, active, event, generate
from streams.errors import BadInput
from streams.kafka.publish import Record, publish
from streams.settings import Settings

KINDS: dict[str, Incident] = {
    "outage": Incident("", 0, 0, share=0.8, volume=3.0, topic="app"),
    "price_anger": Incident("", 0, 0, share=0.7, volume=2.0, topic="price"),
    "launch_success": Incident("", 0, 0, share=0.85, volume=3.0, topic=None, label="positive", newcomers=True),
    "silence": Incident("", 0, 0, volume=0.0),
}
"""Kind of incident -> what it does."""

SCRIPT = ("outage:BR:60:300", "price_anger:DE:360:600", "launch_success:IN:420:900", "silence:RU:600:2400")


def parse_incident(text: str) -> tuple[str, Incident]:
    """Kind and incident of `kind:MARKET:from:to`, in seconds after the feed went live. Raises BadInput."""
    try:
        kind, market, begin, end = text.split(":")
        chosen, first, last = KINDS[kind], float(begin), float(end)
        if market not in MARKETS or not 0 <= first < last:
            raise ValueError(market)
    except (ValueError, KeyError) as error:
        raise BadInput(
            f"{text!r} is no incident. Operator action: give kind:MARKET:from:to with a kind of {', '.join(KINDS)}, "
            f"a market of {', '.join(MARKETS)} and seconds, `outage:BR:60:300` say."
        ) from error
    fields = {name: getattr(chosen, name) for name in ("share", "volume", "topic", "label", "newcomers")}
    return kind, Incident(market, first, last, **fields)


def live_records(plan: FeedPlan, incidents: tuple[Incident, ...], ended: Callable[[float], bool]) -> Iterator[Record]:
    """Events of the moment they are asked for, until `ended`, which is given the seconds since the first one."""
    rng = random.Random(plan.seed)
    began_ms = epoch_ms()
    number = 0
    while not ended(at := (epoch_ms() - began_ms) / 1000):
        now_ms = began_ms + int(at * 1000)
        number += 1
        line = event(plan, rng, f"live-{began_ms}-{number}", now_ms, active(incidents, at))
        yield Record(line.user.encode(), line.value)


def simulate_live(
    settings: Settings,
    incidents: list[tuple[str, Incident]],
    rate: float,
    history_hours: float,
    seconds: float | None,
    seed: int,
    say: Callable[[str], object],
    on_progress: Callable[[int, int], object] = lambda done, total: None,
) -> int:
    """Publish history at once, then live events at `rate` per second; the number published.

    Args:
        settings: where Kafka is.
        incidents: kinds and incidents, in seconds after the feed went live.
        rate: events per second, live; the history has a hundredth of it per simulated second, at most 50,000 events.
        history_hours: hours before now that are published first; 0 = none.
        seconds: how long to go on; None = until interrupted.
        seed: of the random numbers.
        say: told what begins and ends.
        on_progress: told how many of how many history events are out.
    """
    topic = topic_name(settings.prefix, "feedback")
    now_ms = epoch_ms()
    events = max(10, min(50_000, int(history_hours * 3_600 * rate / 100)))
    span_ms = max(1, int(history_hours * HOUR_MS))
    plan = FeedPlan(seed=seed, events=events, span_ms=span_ms, end_ms=now_ms, incidents=(), duplicates=0.0, broken=0.0)
    done = 0
    if history_hours > 0:
        say(f"publishing {count_of(events, 'event')} of the last {history_hours:g} h")
        # Ids of another run must not be those of this one: the ledger would take them for duplicates.
        history = [
            Record(line.user.encode(), line.value.replace(b'"id":"s', f'"id":"{now_ms}-'.encode(), 1))
            for line in generate(plan)
        ]
        done = asyncio.run(publish(settings.kafka_servers, topic, history, None, lambda n: on_progress(n, events)))
    told = sorted(
        moment
        for kind, one in incidents
        for moment in ((one.begin, f"{kind} in {one.market} begins"), (one.end, f"{kind} in {one.market} ends"))
    )

    def ended(at: float) -> bool:
        while told and at >= told[0][0]:
            say(f"{told[0][0]:.0f} s: {told.pop(0)[1]}")
        return seconds is not None and at >= seconds

    say(f"live: {rate:g} events a second in {len(MARKETS)} markets; Ctrl-C ends it")
    going_on = tuple(one for _, one in incidents)
    return done + asyncio.run(publish(settings.kafka_servers, topic, live_records(plan, going_on, ended), rate))
