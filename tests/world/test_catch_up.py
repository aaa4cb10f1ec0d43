"""A backlog of every market, counted by several workers with the settings that users have."""

import json
import random
import time
from collections import Counter
from pathlib import Path

import pytest
from confluent_kafka import Producer

from marketpulse.contract.markets import MARKETS
from streams.dev.embedded.servers import EmbeddedStack
from streams.settings import load_settings
from tests.support.job import Job
from tests.support.waiting import until

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]

EVENTS, HOURS, USERS = 200_000, 12, 200_000
TEXTS = ("good", "bad", "slow delivery", "price", "app crash", "ok")


def publish_backlog(servers: str, topic: str) -> None:
    """Events of twelve hours in every market, oldest first, keyed by user as librdkafka partitions them."""
    rng, now_ms, markets = random.Random(1), time.time_ns() // 1_000_000, sorted(MARKETS)
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 50, "compression.type": "lz4"})
    for number in range(EVENTS):
        user = f"u{rng.randrange(USERS)}"
        event = {
            "id": f"e{number}",
            "market": rng.choice(markets),
            "text": f"{rng.choice(TEXTS)} {number % 50}",
            "occurred_at": now_ms - int(HOURS * 3_600_000 * (1 - number / EVENTS)),
            "user": user,
        }
        producer.produce(topic, json.dumps(event).encode(), user.encode())
        if number % 10_000 == 0:
            producer.poll(0)
            producer.flush(30)
    assert 0 == producer.flush(60)


def refused_steps(job: Job) -> Counter[int]:
    """Step -> how often its publication was refused to a worker."""
    lines = [line for log in job.supervisor.logs() for line in log.read_text().splitlines()]
    return Counter(json.loads(line)["step"] for line in lines if '"step_refused"' in line)


@pytest.mark.parametrize("workers", [2, 4])
def test_every_event_is_counted_and_published_and_no_step_is_refused_again(
    stack: EmbeddedStack, prefix: str, tmp_path: Path, workers: int
) -> None:
    """A step may take longer than its lease: it is renewed meanwhile, so no other worker does the same step again."""
    job = Job(stack, prefix, tmp_path, load_settings(prefix=prefix, model="stub"))
    try:
        publish_backlog(str(job.settings.kafka), job.topic)
        job.published = EVENTS
        job.workers(workers)
        until(job.settled, 300, what=lambda: job.reader.snapshot().status, meanwhile=job.supervisor.watch)
        snapshot = job.reader.snapshot()
        assert (EVENTS, len(MARKETS)) == (snapshot.status.totals["accepted"], len(snapshot.metrics))
        assert 0 == job.supervisor.restarts
        assert [] == [step for step, times in refused_steps(job).items() if times > 1]
        assert 0 == job.cli("ledger", "verify").returncode
    finally:
        job.supervisor.stop()
        job.reader.close()
