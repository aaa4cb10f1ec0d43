"""Small worlds of feedback for the roll-up alone: events in the order of their arrival, cut into steps anywhere."""

import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from marketpulse.contract.units import HOUR_MS, MICRO, MINUTE_MS
from streams.ledger.types import CutStep, PartitionCut
from streams.pipeline.count.cells import CellLayout

LAYOUT = CellLayout(("app", "price"), languages=("pt", "ja"))
START_MS = 29_880_000 * MINUTE_MS  # a full hour
GRACE_MS = 5_000
MARKETS = ("BR", "DE", "JP")


class Event(NamedTuple):
    """One event: when it arrives and when it occurred, in epoch ms; and what it adds."""

    arrived: int
    occurred: int
    market: str
    topic: str
    language: str
    negative: bool


class World(NamedTuple):
    """Events by arrival, and two ways of cutting them: at random, and once a minute; edges in epoch ms."""

    events: list[Event]
    at_random: list[int]
    by_minute: list[int]


def world(seed: int, hours: float = 6.0, markets: int = 2) -> World:
    """Markets with an incident each; one event in five is out of order within the grace, one in fifty late.

    A step cannot say in which order its events came, so what is late, and in which minute, is a matter of cuts where
    they leave it open. Here events are late only where both ways of cutting agree: the minute was judged before the
    step that brings the event, and stream time ends that step in the same minute.
    """
    rng = random.Random(seed)
    length = round(hours * HOUR_MS)
    every = sorted(event for market in MARKETS[:markets] for event in _market(rng, market, length))
    edges = [START_MS]
    while edges[-1] < START_MS + length:
        longest = rng.choice((1, 30, 90, 90))
        edges.append(edges[-1] + round(1_000 * rng.uniform(0.2, longest)))
    minutes = list(range(START_MS + rng.randrange(MINUTE_MS), START_MS + length + MINUTE_MS, MINUTE_MS))
    chosen = [rng.random() < 0.02 for _ in every]
    on_time = [one for one, late in zip(every, chosen, strict=True) if not late]
    both = [_Clock(on_time, one) for one in (edges, minutes)]
    late = [_late(rng, one, both) for one, late in zip(every, chosen, strict=True) if late]
    return World(sorted([*on_time, *filter(None, late)]), edges, minutes)


def _market(rng: random.Random, market: str, length: int) -> Iterator[Event]:
    rate = rng.uniform(4, 40)  # a minute
    begins = rng.uniform(0.3, 0.8) * length
    ends = begins + rng.uniform(5, 60) * MINUTE_MS
    mood = 0.0
    at = 0.0
    while (at := at + rng.expovariate(rate / MINUTE_MS)) < length:
        if rng.random() < 0.05:
            mood = rng.choice((0.0, 0.1, 0.3))  # clusters
        share = 0.6 if begins <= at < ends else 0.2 + mood / 2
        occurred = START_MS + int(at)
        delay = rng.randrange(GRACE_MS) if rng.random() < 0.2 else 0
        topic, language = rng.choice(("app", "app", "price")), rng.choice(("pt", "ja", "other", "unmeasured"))
        yield Event(occurred + delay, occurred, market, topic, language, rng.random() < share)


class _Clock:
    """Stream time at the edges of one way of cutting: the newest event time of what has arrived by then."""

    def __init__(self, events: Sequence[Event], edges: Sequence[int]) -> None:
        self._edges = edges
        self._times: list[int] = []
        newest, at = 0, 0
        for edge in edges:
            while at < len(events) and events[at].arrived < edge:
                newest, at = max(newest, events[at].occurred), at + 1
            self._times.append(newest)

    def around(self, arrived: int) -> tuple[int, int]:
        """Stream time before and after the step that brings what arrives then."""
        at = min(bisect_left(self._edges, arrived + 1), len(self._edges) - 1)
        return self._times[at - 1] if at else 0, self._times[at]


def _late(rng: random.Random, event: Event, clocks: Sequence[_Clock]) -> Event | None:
    """The event some minutes late, if both ways of cutting see it so; else it never comes."""
    arrived = event.arrived + rng.randrange(2 * MINUTE_MS, 30 * MINUTE_MS)
    around = [clock.around(arrived) for clock in clocks]
    running = {after // MINUTE_MS for _, after in around}
    judged = min(before for before, _ in around) - GRACE_MS >= (event.occurred // MINUTE_MS + 1) * MINUTE_MS
    return event._replace(arrived=arrived) if judged and len(running) == 1 else None


def cuts(events: Sequence[Event], edges: Sequence[int]) -> Iterator[CutStep]:
    """Steps with what arrived before each edge; the last one has the rest. Nothing arrived: no step."""
    at, number, newest = 0, 0, 0
    for edge in [*edges, events[-1].arrived + MINUTE_MS]:
        counts: Counter[str] = Counter()
        first = at
        while at < len(events) and events[at].arrived < edge:
            _count(counts, events[at])
            newest, at = max(newest, events[at].occurred), at + 1
        if at > first:
            number += 1
            yield CutStep(number, edge, dict(counts), {}, {0: PartitionCut(at, newest, rose_ms=edge, seen_ms=edge)})


def _count(counts: Counter[str], event: Event) -> None:
    label = "negative" if event.negative else "positive"
    bucket = f"{event.market}:{event.occurred // MINUTE_MS}:"
    counts[f"{bucket}{label}/{event.topic}"] += 1
    counts[f"{bucket}{label}@{event.language}"] += 1
    if event.language == "unmeasured":
        counts[f"{bucket}{label}~{event.topic}"] += 1
    if not event.negative:
        counts[f"{bucket}e/{event.topic}"] += MICRO
        counts[f"{bucket}e2"] += MICRO
