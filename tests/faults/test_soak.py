"""A random schedule of all deeds at half of the capacity: exact, memory, descriptors and Redis keys flat (25)."""

import os
from collections.abc import Callable

import pytest

from tests.faults.feed import simulated
from tests.faults.job import Job
from tests.faults.nemesis import (
    END_WORKER,
    KILL_BROKER,
    KILL_REDIS,
    KILL_WORKER,
    STOP_BROKER,
    STOP_REDIS,
    STOP_WORKER,
    Nemesis,
    schedule,
)
from tests.faults.trend import Trend

pytestmark = [pytest.mark.faults, pytest.mark.nemesis]

SECONDS = float(os.environ.get("SECONDS", "90"))
SECONDS_PER_TEXT = 0.004  # three workers classify at most 750 texts a second
RATE = 375.0
MOST_GROWTH = 40 * 2**20
MOST_KEYS = 1_500  # ten markets, some keys for each and one for each of their hours
KINDS = (KILL_WORKER, END_WORKER, STOP_WORKER, KILL_BROKER, STOP_BROKER, KILL_REDIS, STOP_REDIS)


@pytest.mark.timeout(int(SECONDS * 2 + 400))
def test_fault_25_soak(make_job: Callable[..., Job], seed: int) -> None:
    """Kills, stops and ends of workers, broker and Redis at random: exact; memory, descriptors, keys flat."""
    job = make_job(dedupe_minutes=2.0)
    job.crew.start(3, seconds_per_text=str(SECONDS_PER_TEXT))
    job.feed(0, RATE, simulated(seed, int(RATE * SECONDS)))
    job.under_way(0.02)
    trend = Trend()
    deeds = schedule(seed, SECONDS, KINDS, (6.0, 16.0))
    Nemesis(deeds).play(job, lambda: trend.look(job.crew.workers))
    while job.feeds[0].under_way:
        job.pause(1)
        trend.look(job.crew.workers)
    job.check(120)
    job.figures |= {
        "deeds": len(deeds),
        "memory_growth_mib": round(trend.memory_growth() / 2**20, 1),
        "descriptor_growth": round(trend.descriptor_growth(), 1),
        "most_memory_mib": trend.most_memory() >> 20,
        "longest_watched_s": round(trend.longest_watched()),
        "redis_keys": job.redis.dbsize(),
    }
    assert job.figures["redis_keys"] < MOST_KEYS
    assert trend.memory_growth() < MOST_GROWTH
    assert trend.descriptor_growth() < 12
