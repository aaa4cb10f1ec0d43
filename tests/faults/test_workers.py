"""Workers that are killed, stopped, ended and joined: scenarios 1 to 5, 24 and 24a."""

import asyncio
import signal
import time

import pytest

from streams.kafka.publish import Record
from tests.faults.crew import Worker
from tests.faults.feed import simulated
from tests.faults.job import BATCH, PARTITIONS, SESSION_S, Job
from tests.faults.nemesis import KILL_WORKER, Nemesis, schedule
from tests.faults.shown import copies

RELAYED = ["market.steps", "market.metrics", "market.shifts", "market.alerts", "market.allocations"]
pytestmark = [pytest.mark.faults, pytest.mark.nemesis, pytest.mark.timeout(300)]


@pytest.mark.seeds
def test_fault_1_workers_are_killed_again_and_again(job: Job, seed: int) -> None:
    """SIGKILL of a random one of three workers, again and again: exact; at most one batch per partition redone."""
    job.crew.start(3, failpoint="scored:*:0.08")  # most of the time a batch is in hand
    job.feed(15_000, 1_000.0)
    job.under_way(0.1)
    Nemesis(schedule(seed, 12.0, [KILL_WORKER])).play(job)
    job.check()
    assert job.crew.restarts >= 2
    assert max(job.again.values(), default=0) <= job.crew.restarts * BATCH


@pytest.mark.seeds
@pytest.mark.parametrize("place", ["scored", "committed"])
def test_fault_2_a_worker_is_killed_around_the_commit(job: Job, place: str) -> None:
    """SIGKILL between inference and ledger commit, and between ledger and Kafka offset commit: exact."""
    job.crew.start(2, failpoint=f"{place}:{job.rng.randrange(3, 25)}:kill")
    job.feed(6_000, 1_500.0)
    job.check()
    assert 2 == job.crew.restarts


@pytest.mark.parametrize("away", ["nothing", "redis", "kafka"])
def test_fault_3_a_worker_is_ended_at_work(job: Job, away: str) -> None:
    """SIGTERM during slow inference, a Redis outage or a Kafka outage: exit 0 within 25 s, and the rest is exact."""
    worker = job.crew.start(1, seconds_per_text="0.02")[0]
    job.feed(3_000, 1_500.0)
    job.under_way(0.02)
    server = {"redis": job.stack.redis, "kafka": job.stack.kafka}.get(away)
    if server is not None:
        server.kill()
        job.pause(1.5)
    asked = time.monotonic()
    code = job.crew.retire(worker, 25.0)
    job.figures["seconds_to_end"] = round(time.monotonic() - asked, 1)
    if server is not None:
        server.start()
    job.crew.start(2)
    job.check()
    assert 0 == code


@pytest.mark.seeds
def test_fault_4_a_zombie_wakes_up_with_a_batch(job: Job) -> None:
    """SIGSTOP with a batch in hand for longer than the session: others go on, its commit is FENCED, it rejoins."""
    zombie = job.crew.start(1, failpoint=f"committing:{job.rng.randrange(4, 20)}:stop")[0]
    other = job.crew.start(1)[0]
    job.feed(12_000, 600.0)
    job.until(zombie.stopped, 40, "the worker has stopped itself")
    before = other.said('"partition_claimed"')
    job.until(lambda: other.said('"partition_claimed"') - before >= PARTITIONS, 40, "the other one has all partitions")
    counted = job.offsets()
    job.until(lambda: all(now > then for now, then in zip(job.offsets(), counted, strict=True)), 20, "all go on")
    claims = zombie.said('"partition_claimed"')
    zombie.send(signal.SIGCONT)
    job.until(lambda: zombie.said('"commit_refused"'), 20, "its commit is refused")
    job.until(lambda: zombie.said('"partition_claimed"') > claims, 40, "it has partitions again")
    job.check()
    assert job.total("fenced_commits") >= 1
    assert zombie in job.crew.workers


def test_fault_5_one_three_one_workers_under_load(job: Job) -> None:
    """1 -> 3 -> 1 workers: exact, and no partition stands still for longer than twice the session time-out."""
    job.crew.start(1)
    job.feed(18_000, 800.0)
    job.under_way()
    job.guard.forget_stalls()
    added = job.crew.start(2)
    job.until(lambda: all(one.said('"partition_claimed"') for one in added), 30, "both have partitions")
    job.pause(3)
    codes = [job.crew.retire(worker) for worker in added]
    job.pause(3)
    stall = job.guard.longest_stall
    job.figures["longest_stall_s"] = round(stall, 1)
    job.check()
    assert [0, 0] == codes
    assert stall <= 2 * SESSION_S


def test_fault_5_a_rolling_restart(job: Job) -> None:
    """Three workers are ended and replaced one after the other: exact, no partition idle for two session time-outs."""
    job.crew.start(3)
    job.feed(24_000, 800.0)
    job.under_way()
    job.guard.forget_stalls()
    codes = []
    for worker in list(job.crew.workers):
        codes.append(job.crew.retire(worker))
        fresh = job.crew.start(1)[0]
        job.until(lambda one=fresh: one.said('"partition_claimed"'), 30, "the new one has partitions")
    stall = job.guard.longest_stall
    job.figures["longest_stall_s"] = round(stall, 1)
    job.check()
    assert [0, 0, 0] == codes
    assert stall <= 2 * SESSION_S


def test_fault_24_one_hot_partition(job: Job) -> None:
    """Nine tenths of the load in one partition: the others' records are counted within seconds; all is exact."""
    job.crew.start(2)
    rows = simulated(job.seed, 20_000)
    hot = [Record(b"hot", row.value) if number % 10 else row for number, row in enumerate(rows)]
    job.feed(0, 2_000.0, hot)
    job.under_way()
    job.guard.forget_stalls()
    job.until(lambda: not job.feeds[0].under_way, 60)
    job.figures["longest_stall_s"] = round(job.guard.longest_stall, 1)
    assert job.guard.longest_stall < SESSION_S
    job.check()


def test_fault_24_a_partition_without_an_owner(job: Job) -> None:
    """A worker is stopped: its partitions stand still until the session ends, the others' go on; then all is exact."""
    job.crew.start(2)
    job.feed(14_000, 700.0)
    job.under_way(0.2)
    stopped, _ = job.shared()
    job.guard.forget_stalls()
    stopped.send(signal.SIGSTOP)
    counted = job.offsets()
    job.until(lambda: sum(now > then for now, then in zip(job.offsets(), counted, strict=True)) >= 4, 5, "others go on")
    job.pause(SESSION_S + 4)
    stopped.send(signal.SIGCONT)
    job.figures["longest_stall_s"] = round(job.guard.longest_stall, 1)
    job.check()


def _holder(job: Job) -> Worker:
    """The worker that holds the roll-up lease."""
    pid = int(job.redis.hget(f"{job.prefix}:ledger", "lease_holder").decode().rpartition(":")[2])
    return next(worker for worker in job.crew.workers if worker.pid == pid)


def zombie(worker: Worker) -> int:
    """How often a worker learned that another one holds the lease."""
    return worker.said('"step_refused"') + worker.said('"lease_lost_in_a_step"')


@pytest.mark.parametrize("deed", ["kill", "stop"])
def test_fault_24a_the_lease_holder_falls_between_cut_and_publish(job: Job, deed: str) -> None:
    """Killed or stopped after the cut: the step is repeated once with the same data; the zombie is refused."""
    first = job.crew.start(1, failpoint=f"cut:{job.rng.randrange(3, 6)}:{deed}")[0]
    job.feed(10_000, 700.0)
    job.until(lambda: job.redis.hget(f"{job.prefix}:ledger", "lease_holder"), 30, "the lease is taken")
    job.crew.start(1)
    refused = 0
    if deed == "kill":
        job.until(lambda: job.crew.restarts == 1, 40, "it has killed itself")
    else:
        job.until(first.stopped, 40, "it has stopped itself")
        job.until(lambda: _holder(job) is not first, 20, "another holds the lease")
        step = int(job.redis.hget(f"{job.prefix}:ledger", "published"))
        job.until(lambda: int(job.redis.hget(f"{job.prefix}:ledger", "published")) > step, 20, "steps go on")
        first.send(signal.SIGCONT)
        job.until(lambda: zombie(first), 20, "the zombie is refused, or sees that it is one")
        refused = zombie(first)
    job.check()
    assert 0 == job.journal.forks
    job.figures["refused_steps"] = refused


@pytest.mark.parametrize("place", ["published", "relayed"])
def test_fault_24a_relayed_records_keep_their_order(job: Job, place: str) -> None:
    """The lease holder is killed before the relay and between relay and trim: what is repeated is the same.

    What was relayed may be the answer to a shift alone: copies are counted in every topic of the outbox.
    """
    job.crew.start(2, failpoint=f"{place}:{job.rng.randrange(2, 5)}:kill")
    job.feed(8_000, 800.0)
    job.until(lambda: job.crew.restarts >= 1, 40, "the holder has killed itself")
    job.check()
    assert 0 == job.journal.forks
    found = asyncio.run(copies(job.stack.endpoints.kafka, map(job.name, RELAYED)))
    assert place == "published" or found >= 1
    job.figures["repeated_records"] = found
