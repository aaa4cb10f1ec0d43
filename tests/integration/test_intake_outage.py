"""The intake while its broker is killed and comes back: what it acknowledged is there."""

import asyncio
import json
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from streams.dev.embedded.servers import EmbeddedKafka
from streams.kafka.admin import create_topics
from tests.support.intakes import HEADERS, Running, intake, records_of
from tests.support.waiting import until

pytestmark = [pytest.mark.long, pytest.mark.timeout(240)]

PREFIX = "outage"
CLIENTS = 12
BATCH = 5


@dataclass
class Posted:
    """What the clients were told: ids by their status, and answers by theirs in each phase of the test."""

    sent: int = 0
    told: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    answers: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    phase: str = "before"
    ended: bool = False


def test_nothing_acknowledged_is_lost_over_a_killed_broker(tmp_path: Path) -> None:
    """Twelve clients post all the time and never again what they posted: 503 meanwhile, then 200 again.

    Up to when the intake notices, requests wait, and what is over its limit is answered 429; that moment may be short.

    Every acknowledged id stands on the topic, none of them twice.
    """
    kafka = EmbeddedKafka(tmp_path / "kafka")
    kafka.start()
    try:
        asyncio.run(create_topics(kafka.bootstrap, PREFIX, 4))
        with intake(kafka.bootstrap, PREFIX, max_requests=6, ack_seconds=3) as running:
            posted = scenario(kafka, running)
            found = Counter(json.loads(one.value)["id"] for one in records_of(kafka.bootstrap, f"{PREFIX}.feedback"))
            kafka.kill()
            assert 503 == running.post(event("unheard")).status_code
            assert 0 == running.stop()  # also while Kafka is away
    finally:
        kafka.stop()
    assert posted.answers["before"][200] > 0
    assert posted.answers["after"][200] > 0
    assert posted.answers["away"][503] >= 10
    assert {200, 429, 503} >= set().union(*posted.answers.values())
    accepted = posted.told["accepted"]
    assert len(accepted) > 100
    assert set() == accepted - set(found)
    assert {1} == set(found.values())


def scenario(kafka: EmbeddedKafka, running: Running) -> Posted:
    """Post; kill the broker; go on until the answer of an outage was seen; start it; go on until it works again."""
    posted = Posted()
    with ThreadPoolExecutor(1) as beside:  # servers are started from the main thread
        clients = beside.submit(asyncio.run, crowd(f"{running.url}v1/feedback", posted))
        try:
            seen(posted, {200}, 100)
            posted.phase = "away"
            kafka.kill()
            seen(posted, {503}, 10)
            kafka.start()
            posted.phase = "after"
            seen(posted, {200}, 20)
        finally:
            posted.ended = True
            clients.result(60)
    return posted


def seen(posted: Posted, statuses: set[int], times: int) -> None:
    """Wait until each of the statuses was answered so often in this phase."""
    until(lambda: all(posted.answers[posted.phase][status] >= times for status in statuses), 60)


def event(name: str) -> dict[str, object]:
    """A good one."""
    return {"id": name, "market": "BR", "text": "bom", "occurred_at": time.time_ns() // 1_000_000}


async def crowd(url: str, posted: Posted) -> None:
    """All clients, until the end."""
    async with httpx.AsyncClient(headers=HEADERS, trust_env=False, timeout=30) as client:
        await asyncio.gather(*(post(client, url, posted) for _ in range(CLIENTS)))


async def post(client: httpx.AsyncClient, url: str, posted: Posted) -> None:
    """One client: a batch after the other."""
    while not posted.ended:
        posted.sent += BATCH
        events = [event(f"e{number}") for number in range(posted.sent - BATCH, posted.sent)]
        phase = posted.phase
        answer = await client.post(url, json=events)
        posted.answers[phase][answer.status_code] += 1
        for sent, one in zip(events, answer.json().get("results", ()), strict=False):
            posted.told[one["status"]].add(str(sent["id"]))
        if answer.status_code != 200:
            await asyncio.sleep(0.02)
