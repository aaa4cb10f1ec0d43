"""Twenty-one days of markets through a real worker: alarms where there was an incident, and hardly any other."""

import json
import random
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from streams.dev.embedded.servers import EmbeddedStack
from streams.settings import load_settings
from tests.support.job import Job
from tests.support.waiting import until

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]

MARKETS, DAYS, A_MINUTE = ("BR", "DE", "JP"), 6.9, 3.0
USUAL, INCIDENT = 0.2, 0.7  # share of negatives
INCIDENT_MARKET, INCIDENT_BEGINS_DAY, INCIDENT_HOURS = "DE", 5.0, 2.0
TEXTS = [f"text {number}" for number in range(300)]
NEGATIVE = [text for text in TEXTS if zlib.crc32(text.encode()) % 3 == 0]  # as the stub classifier answers
OTHER = [text for text in TEXTS if zlib.crc32(text.encode()) % 3 != 0]


def events(begin_ms: int) -> Iterator[dict[str, object]]:
    """A Poisson stream per market, oldest first over all of them; one market has an incident of two hours."""
    rng = random.Random(7)
    at = dict.fromkeys(MARKETS, 0.0)
    number = 0
    while True:
        market = min(at, key=lambda one: at[one])
        at[market] += rng.expovariate(A_MINUTE)  # minutes
        if at[market] > DAYS * 1_440:
            return
        day = at[market] / 1_440
        in_incident = 0 <= (day - INCIDENT_BEGINS_DAY) * 24 < INCIDENT_HOURS and market == INCIDENT_MARKET
        negative = rng.random() < (INCIDENT if in_incident else USUAL)
        number += 1
        yield {
            "id": f"e{number}",
            "market": market,
            "text": rng.choice(NEGATIVE if negative else OTHER),
            "occurred_at": begin_ms + int(at[market] * 60_000),
            "user": f"u{rng.randrange(5_000)}",
        }


def test_the_incident_is_found_and_hardly_anything_else(stack: EmbeddedStack, prefix: str, tmp_path: Path) -> None:
    """At most two other surges in 21 market-days, in a market and all its topics; the incident within half an hour."""
    begin_ms = time.time_ns() // 1_000_000 - int(DAYS * 86_400_000)
    job = Job(stack, prefix, tmp_path, load_settings(prefix=prefix, model="stub"))
    try:
        producer = Producer({"bootstrap.servers": str(job.settings.kafka), "linger.ms": 50})
        for event in events(begin_ms):
            producer.produce(job.topic, json.dumps(event).encode(), str(event["user"]).encode())
            job.published += 1
            if job.published % 10_000 == 0:
                producer.flush(30)
        assert 0 == producer.flush(60)
        job.workers(1)
        until(job.settled, 300, what=lambda: job.reader.snapshot().status, meanwhile=job.supervisor.watch)
        surges = [one for one in job.reader.snapshot().alerts if one.kind == "surge"]
        begins_ms = begin_ms + int(INCIDENT_BEGINS_DAY * 86_400_000)
        ends_ms = begins_ms + int(INCIDENT_HOURS * 3_600_000)
        due = [one for one in surges if one.market == INCIDENT_MARKET and begins_ms <= one.started_at <= ends_ms]
        assert min(one.started_at for one in due) <= begins_ms + 30 * 60_000
        others = {(one.market, one.started_at // 3_600_000) for one in surges if one not in due}
        assert len(others) <= 2, others
    finally:
        job.supervisor.stop()
        job.reader.close()
