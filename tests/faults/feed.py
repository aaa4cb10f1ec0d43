"""Publishes a seeded feed in the background, at a rate, across outages."""

import asyncio
import itertools
import threading
import time
from collections.abc import Iterable
from dataclasses import replace

from marketpulse.contract.decode import key_of, parse_object
from marketpulse.errors import Unavailable
from streams.dev.feeds.simulate import FeedPlan, Incident, generate
from streams.kafka.publish import Record, publish


def simulated(seed: int, events: int, span_hours: float = 12.0, *incidents: Incident) -> list[Record]:
    """A feed that ends now: ten markets, 2 % duplicates, 3 % broken records; the usual incident in BR, or others."""
    plan = FeedPlan(seed=seed, events=events, span_ms=int(span_hours * 3_600_000), end_ms=time.time_ns() // 1_000_000)
    plan = replace(plan, incidents=incidents or plan.incidents)
    return [Record(key_of(parse_object(line.value)), line.value) for line in generate(plan)]


class Feed:
    """One publication under way. After an outage it goes on with the first record not acknowledged."""

    def __init__(self, bootstrap: str, topic: str, records: Iterable[Record], rate: float) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._records = list(records)
        self._rate = rate
        self._stopping = threading.Event()
        self.done = 0
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="feed", daemon=True)
        self._thread.start()

    async def _run(self) -> None:
        while self.done < len(self._records) and not self._stopping.is_set():
            begun = self.done
            left = itertools.takewhile(lambda _: not self._stopping.is_set(), self._records[begun:])

            def acknowledged(count: int, begun: int = begun) -> None:
                self.done = begun + count

            try:
                await publish(self._bootstrap, self._topic, left, self._rate, acknowledged)
            except Unavailable:
                await asyncio.sleep(0.3)

    @property
    def under_way(self) -> bool:
        """Whether there is something left to publish."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Publish no more and wait for what is on its way."""
        self._stopping.set()
        self._thread.join(90)
        assert not self._thread.is_alive(), "the feed does not end"
