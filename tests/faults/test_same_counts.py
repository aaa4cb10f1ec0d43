"""The same file through 1, 2 and 3 workers gives the same counts: promise 4 as far as counts go."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.feed import simulated
from tests.faults.job import Job
from tests.faults.shown import shown_by

pytestmark = [pytest.mark.faults, pytest.mark.nemesis, pytest.mark.timeout(300)]


def test_fault_same_counts_however_many_workers(make_job: Callable[..., Job], seed: int) -> None:
    """One feed through 1, 2 and 3 workers: totals, buckets, windows, journal and dead letters are the same."""
    rows = simulated(seed, 8_000)
    found: list[dict[str, Any]] = []
    for workers in (1, 2, 3):
        job = make_job()
        job.crew.start(workers)
        job.until(lambda job=job: job.crew.said('"partition_claimed"') >= 8, 40, "partitions are claimed")
        job.feed(0, 4_000.0, rows)
        job.check()
        found.append(shown_by(job.redis, job.prefix, job.journal))
        job.crew.stop()
    assert found[0] == found[1] == found[2]
    assert found[0]["totals.accepted"] > 7_000
