"""Minutes at twice the capacity: nothing lost, no rebalance loop, flat memory, lag in sight, then recovery (23)."""

import json
import os
import time
from collections.abc import Callable

import pytest

from tests.faults.feed import simulated
from tests.faults.job import Job
from tests.faults.trend import Trend

pytestmark = [pytest.mark.faults, pytest.mark.nemesis]

SECONDS = float(os.environ.get("SECONDS", "60"))
SECONDS_PER_TEXT = 0.004  # of the stub: two workers classify at most 500 texts a second
WORKERS = 2
MEASURED_S = 10.0
MOST_GROWTH = 30 * 2**20


@pytest.mark.timeout(int(SECONDS * 4 + 240))
def test_fault_23_twice_the_capacity(make_job: Callable[..., Job]) -> None:
    """Twice what was measured as capacity: exact, partitions stay where they are, memory flat, lag told, then gone."""
    job = make_job(batch_target_seconds=0.25)
    job.crew.start(WORKERS, seconds_per_text=str(SECONDS_PER_TEXT))
    job.until(lambda: _lag(job) is not None, 40, "workers tell their lag")
    first = job.feed(0, 2_000.0, simulated(job.seed + 50, int(WORKERS / SECONDS_PER_TEXT * (MEASURED_S + 8))))
    job.until(lambda: not first.under_way, 60)
    began, counted = time.monotonic(), job.committed()
    job.pause(MEASURED_S)
    capacity = (job.committed() - counted) / (time.monotonic() - began)
    job.until(lambda: job.backlog() == 0, 60, "the first feed is counted")

    claims = job.crew.said('"partition_claimed"')
    job.feed(0, 2 * capacity, simulated(job.seed, int(2 * capacity * SECONDS)))
    trend, most_lag, lag_said = Trend(5.0), 0, 0
    while job.feeds[1].under_way:
        job.pause(1.0)
        trend.look(job.crew.workers)
        most_lag, lag_said = max(most_lag, job.backlog()), max(lag_said, _lag(job) or 0)
    published = time.monotonic()
    job.until(lambda: job.backlog() == 0, SECONDS * 2 + 60, "the lag is worked off")
    job.figures |= {
        "capacity_per_s": round(capacity),
        "most_lag": most_lag,
        "lag_told": lag_said,
        "seconds_to_recover": round(time.monotonic() - published, 1),
        "memory_growth_mib": round(trend.memory_growth() / 2**20, 1),
        "most_memory_mib": trend.most_memory() >> 20,
        "claims_during": job.crew.said('"partition_claimed"') - claims,
    }
    job.check()
    assert most_lag > 0.5 * capacity * SECONDS, "there was no overload"
    assert lag_said > 0.5 * most_lag
    assert 0 == job.figures["claims_during"]
    assert (0, []) == (job.crew.restarts, job.crew.codes())
    assert trend.memory_growth() < MOST_GROWTH


def _lag(job: Job) -> int | None:
    """Records not counted yet, as the workers say it; None before any says so."""
    words = [json.loads(word) for word in job.redis.hvals(f"{job.prefix}:workers")]
    said = [part["lag"] for word in words for part in word["partitions"].values()]
    return sum(said) if len(said) == 8 else None
