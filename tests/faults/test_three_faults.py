"""Nothing lost, nothing counted twice: a worker killed mid-stream, 1 -> 2 workers, Redis restarted."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streams.embedded import EmbeddedStack
from streams.feed_files import Record, key_of, parse_object
from streams.publish import publish
from streams.reader import Reader
from streams.run import set_up, worker_environment
from streams.settings import load_settings
from streams.simulate import FeedPlan, generate
from streams.supervisor import Supervisor
from streams.topics import topic_name
from tests.faults.oracle import classified, count

pytestmark = [pytest.mark.faults, pytest.mark.timeout(150)]

EVENTS = 9_000
RATE = 1_500.0


class Job:
    """A stack of its own, workers with the stub classifier, a feed published at a steady rate."""

    def __init__(self, stack: EmbeddedStack, logs: Path, workers: int) -> None:
        self.settings = load_settings(
            prefix="faults", model="stub", session_timeout_seconds=6.0, batch_records=100, dedupe_minutes=60.0
        )
        self.stack = stack
        self.logs = logs
        self.topic = topic_name(self.settings.prefix, "feedback")
        asyncio.run(set_up(stack.endpoints, self.settings.prefix, 8))
        self.reader = Reader(stack.endpoints.redis, self.settings.prefix)
        self.events: list[dict[str, object]] = []
        self.supervisor = self.more_workers(workers)

    def more_workers(self, count: int) -> Supervisor:
        environment = worker_environment(self.settings, self.stack.endpoints)
        supervisor = Supervisor(count, environment, self.logs / f"{time.monotonic_ns()}", self.events.append)
        supervisor.start()
        return supervisor

    def publish_with(self, fault: Callable[[], None], before: Callable[[], None] = lambda: None) -> None:
        """Publish half of the feed, do `before`, then the fault while the other half is under way."""
        plan = FeedPlan(seed=5, events=EVENTS, end_ms=time.time_ns() // 1_000_000)
        records = [Record(key_of(parse_object(line.value)), line.value) for line in generate(plan)]
        half = len(records) // 2
        asyncio.run(publish(self.stack.endpoints.kafka, self.topic, records[:half], RATE))
        self.until(lambda: self.reader.committed() > half // 4)
        before()
        asyncio.run(publish(self.stack.endpoints.kafka, self.topic, records[half:]))
        fault()

    def until(self, reached: Callable[[], bool], seconds: float = 90.0) -> None:
        deadline = time.monotonic() + seconds
        while not reached():
            self.supervisor.watch()
            assert time.monotonic() < deadline, f"not reached in {seconds} s; {self.events}"
            time.sleep(0.1)

    def converged(self) -> bool:
        """The ledger stands at the log's end, the last step is published, the outbox is empty."""
        status = self.reader.snapshot().status
        return self.reader.committed() == EVENTS and not status.open_cells and not status.outbox

    def check(self) -> None:
        """Every count equals the oracle's; distinct users within 3 %."""
        self.until(self.converged)
        truth = asyncio.run(count(self.stack.endpoints.kafka, self.topic))
        snapshot = self.reader.snapshot()
        totals = snapshot.status.totals
        dead = sum(n for name, n in totals.items() if name.startswith("dead_letter:"))
        counted = (totals["accepted"], totals.get("duplicates", 0), dead)
        assert (truth.accepted, truth.duplicates, truth.dead_letters) == counted
        assert {market: dict(labels) for market, labels in truth.labels.items()} == {
            market: dict(one.windows["24h"].labels) for market, one in snapshot.metrics.items()
        }
        said = asyncio.run(classified(self.stack.endpoints.kafka, f"{self.topic}.classified"))
        assert {market: dict(labels) for market, labels in truth.labels.items()} == dict(said)
        for market, users in truth.users.items():
            assert snapshot.metrics[market].windows["24h"].users == pytest.approx(len(users), rel=0.03, abs=2)


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Callable[[int], Job]]:
    """A factory of one job; everything it started is stopped by process id."""
    with EmbeddedStack(tmp_path / "data") as stack:
        jobs: list[Job] = []

        def make(workers: int) -> Job:
            jobs.append(Job(stack, tmp_path / "logs", workers))
            return jobs[0]

        yield make
        for one in jobs:
            one.supervisor.stop()
            one.reader.close()


def test_a_worker_is_killed_mid_stream(job: Callable[[int], Job]) -> None:
    """SIGKILL of one of two workers while it holds batches: the other and its successor count the rest, once."""
    running = job(2)
    running.publish_with(running.supervisor.workers[0].kill)
    running.check()
    assert 1 == running.supervisor.restarts


def test_a_second_worker_joins_and_leaves_under_load(job: Callable[[int], Job]) -> None:
    """1 -> 2 -> 1 workers: partitions move twice, every commit of an old owner is fenced."""
    running = job(1)
    second: list[Supervisor] = []

    def join() -> None:
        second.append(running.more_workers(1))
        running.until(lambda: any("partition_claimed" in log.read_text() for log in second[0].logs()))

    def leave() -> None:
        second[0].stop()

    running.publish_with(fault=leave, before=join)
    running.check()
    assert [0] == [worker.returncode for worker in second[0].workers]


def test_redis_is_killed_and_restarted(job: Callable[[int], Job]) -> None:
    """Workers wait while Redis is away and go on where the append-only file ends; the lease is taken again."""
    running = job(1)

    def restart() -> None:
        time.sleep(1.1)  # everysec: what was acknowledged a second ago is on disk
        running.stack.redis.kill()
        time.sleep(3.0)
        running.stack.redis.start()

    running.publish_with(restart)
    running.check()
