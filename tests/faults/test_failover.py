"""How fast others go on for a worker that fell, and that readers notice nothing of it."""

import threading
import time
from collections.abc import Callable

import pytest

from marketpulse.client.reader import Reader
from marketpulse.errors import MarketpulseError
from streams.settings import Settings
from tests.faults.crew import Worker
from tests.faults.job import Job

pytestmark = [pytest.mark.faults, pytest.mark.nemesis, pytest.mark.timeout(200)]

RATE = 350.0
USUAL = Settings.model_fields["session_timeout_seconds"].default
TUNED = 2.0
SLACK = 1.6  # of a busy machine; the figures in the report are those measured


class Readers:
    """Reads everything twenty times a second: how many reads failed, the longest one, and the oldest step seen."""

    def __init__(self, url: str, prefix: str) -> None:
        self._url, self._prefix = url, prefix
        self.reads, self.slowest, self.oldest_step = 0, 0.0, 0.0
        self.failures: list[str] = []
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="readers", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with Reader(self._url, prefix=self._prefix) as reader:
            while not self._ending.wait(0.05):
                began = time.monotonic()
                try:
                    shown = reader.snapshot().status
                except MarketpulseError as error:
                    self.failures.append(str(error))
                    continue
                self.reads += 1
                self.slowest = max(self.slowest, time.monotonic() - began)
                self.oldest_step = max(self.oldest_step, time.time() - (shown.published_at or 0) / 1000)

    def stop(self) -> None:
        """End reading."""
        self._ending.set()
        self._thread.join(10)


def _holder(job: Job) -> Worker:
    """The worker that holds the roll-up lease."""
    pid = int(job.redis.hget(f"{job.prefix}:ledger", "lease_holder").decode().rpartition(":")[2])
    return next(worker for worker in job.crew.workers if worker.pid == pid)


def _fall(job: Job, worker: Worker, others: list[Worker]) -> None:
    """A worker is killed under load while readers read; others have all partitions again before it ends."""
    job.guard.forget_stalls()
    readers = Readers(job.stack.redis.url, job.prefix)
    worker.process.kill()
    job.pause(job.settings.session_timeout_seconds + 6)
    readers.stop()
    job.figures |= {
        "longest_stall_s": round(job.guard.longest_stall, 1),
        "oldest_step_s": round(readers.oldest_step, 1),
        "reads": readers.reads,
        "slowest_read_ms": round(readers.slowest * 1000),
    }
    assert [] == readers.failures
    assert readers.reads > 50
    assert all(one.alive() for one in others)


@pytest.mark.parametrize(("session_s", "promised_s"), [(USUAL, 10.0), (TUNED, 3.0)], ids=["usual", "tuned"])
def test_fault_1_a_dead_workers_partitions_go_on(
    make_job: Callable[..., Job], session_s: float, promised_s: float
) -> None:
    """SIGKILL of one of two workers: its partitions go on within 10 s by default, 3 s tuned; reads never fail."""
    job = make_job(session_timeout_seconds=session_s)
    job.crew.start(2)
    job.feed(int(RATE * (session_s + 26)), RATE)
    job.under_way(0.1)
    job.until(lambda: all(one.said('"partition_claimed"') for one in job.crew.workers), 40, "both have partitions")
    holder = _holder(job)
    fallen = next(one for one in job.crew.workers if one is not holder)
    _fall(job, fallen, [holder])
    assert job.guard.longest_stall <= promised_s * SLACK
    job.check()


def test_fault_24a_a_dead_lease_holders_steps_go_on(job: Job) -> None:
    """SIGKILL of the lease holder: another publishes the next step once the lease of 5 s ran out; reads never fail."""
    job.crew.start(2)
    job.feed(int(RATE * 34), RATE)
    job.under_way(0.1)
    holder = _holder(job)
    other = next(one for one in job.crew.workers if one is not holder)
    _fall(job, holder, [other])
    assert job.figures["oldest_step_s"] <= (job.settings.lease_seconds + 2.5 * job.settings.step_seconds) * SLACK
    job.check()
