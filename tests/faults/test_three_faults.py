"""Nothing lost, nothing counted twice: a worker killed mid-stream, 1 -> 2 -> 1 workers, Redis restarted."""

import signal

import pytest

from tests.faults.job import Job

pytestmark = [pytest.mark.faults, pytest.mark.timeout(150)]

EVENTS = 9_000
RATE = 1_500.0


def test_a_worker_is_killed_mid_stream(job: Job) -> None:
    """SIGKILL of one of two workers while it holds batches: the other and its successor count the rest, once."""
    job.crew.start(2)
    job.feed(EVENTS, RATE)
    job.under_way()
    job.crew.workers[0].send(signal.SIGKILL)
    job.check()
    assert 1 == job.crew.restarts


def test_a_second_worker_joins_and_leaves_under_load(job: Job) -> None:
    """1 -> 2 -> 1 workers: partitions move twice, every commit of an old owner is fenced."""
    job.crew.start(1)
    job.feed(EVENTS, RATE)
    job.under_way()
    second = job.crew.start(1)[0]
    job.until(lambda: second.said('"partition_claimed"'), 30, "the second worker has partitions")
    assert 0 == job.crew.retire(second)
    job.check()


def test_redis_is_killed_and_restarted(job: Job) -> None:
    """Workers wait while Redis is away and go on where the append-only file ends; the lease is taken again."""
    job.crew.start(1)
    job.feed(EVENTS, RATE)
    job.under_way()
    job.pause(1.1)  # everysec: what was acknowledged a second ago is on disk
    job.stack.redis.kill()
    job.pause(3.0)
    job.stack.redis.start()
    job.check()
