"""How long Redis keeps what is of users, on a real Kafka and Redis: no repair begins a life again."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from marketpulse.client.redis_server import connect
from streams.dev.embedded.servers import EmbeddedStack
from streams.kafka.publish import Record
from tests.support.job import Job

pytestmark = [pytest.mark.long, pytest.mark.timeout(200)]

HOUR_S, DAY_S = 3_600, 86_400
NEAR_S = 300
"""Stream time is behind the clock by as much as the test takes."""
LATE_S = 6 * DAY_S
MARKET = "IS"


def event(name: str, market: str, age_s: int = 0) -> Record:
    """A record as a producer sends it; the id is also the user's."""
    occurred_at = 1_000 * (time.time_ns() // 1_000_000_000 - age_s)
    content = {"id": name, "market": market, "text": "gamalt", "user": name, "occurred_at": occurred_at}
    return Record(name.encode(), json.dumps(content).encode())


@pytest.fixture
def job(stack: EmbeddedStack, prefix: str, tmp_path: Path) -> Iterator[Job]:
    """A worker that counted events of now, and of six days ago from a market that says nothing more."""
    one = Job(stack, prefix, tmp_path)
    one.workers(1)
    try:
        one.publish([event(f"now-{at}", "BR") for at in range(40)])
        one.until(one.settled)
        one.publish([event("late", MARKET, LATE_S)])
        one.until(lambda: one.settled() and bool(one.reader.excerpts(MARKET)))
        yield one
    finally:
        one.supervisor.stop()
        one.reader.close()


def lives(job: Job) -> dict[str, float]:
    """Key with something of users -> when it goes by itself, epoch s."""
    with connect(job.settings.redis) as client:
        space = f"{job.settings.prefix}:"
        keys = [key for pattern in ("users:*", "excerpts:*") for key in client.keys(space + pattern)]
        return {key.decode().removeprefix(space): time.time() + client.ttl(key) for key in keys}


def ends_of(name: str) -> float:
    """When a key of users should go."""
    _, unit, _, number = name.split(":")
    return int(number) * HOUR_S + 60 * HOUR_S if unit == "hour" else int(number) * DAY_S + 17 * DAY_S


def test_what_comes_late_ends_with_its_day(job: Job) -> None:
    """Users and an excerpt of six days ago; their hour is over for every window, so it is not counted."""
    found = lives(job)
    assert 2 == len([name for name in found if f":{MARKET}" in name]), found
    assert found[f"excerpts:{MARKET}"] == pytest.approx(time.time() + 2 * DAY_S, abs=HOUR_S + NEAR_S)
    users = {name: at for name, at in found.items() if name.startswith("users:")}
    assert {name: ends_of(name) for name in users} == pytest.approx(users, abs=NEAR_S)


def test_no_repair_begins_lives_again(job: Job) -> None:
    """Of a ledger that is there, and of one that was lost: all goes when it would have gone."""
    before = lives(job)
    for lost in (False, True):
        job.supervisor.stop()
        if lost:
            asyncio.run(job.empty_redis())
        job.done("ledger", "rebuild")
        assert before == pytest.approx(lives(job), abs=NEAR_S)
        job.workers(1)
        job.until(job.settled)
        assert before == pytest.approx(lives(job), abs=NEAR_S)
    assert 0 == job.cli("ledger", "verify").returncode
