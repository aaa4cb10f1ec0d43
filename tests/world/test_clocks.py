"""Stream time under clocks, loads and outages as they are: seconds, not whole minutes."""

import asyncio
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from marketpulse.contract.topics import topic_name
from streams.contract.journal import StepRecord
from streams.dev.embedded.servers import EmbeddedStack
from streams.kafka.log_reader import LogReader
from streams.recovery.journal import step_of
from streams.settings import load_settings
from tests.support.clients import Sent, event
from tests.support.job import Job
from tests.world.conftest import World

pytestmark = pytest.mark.timeout(120)

IDLE_S = 4.0
BEHIND_S = 6.0  # a busy machine takes seconds for a step


@pytest.fixture
def quick(stack: EmbeddedStack, prefix: str, tmp_path: Path) -> Iterator[World]:
    """A job in which a partition is idle after four seconds of log without anything newer."""
    given = load_settings(prefix=prefix, model="stub", step_seconds=0.3, idle_partition_seconds=IDLE_S)
    job = Job(stack, prefix, tmp_path, given)
    yield World(job)
    job.supervisor.stop()
    job.reader.close()


@contextmanager
def poisson(world: World, rate: float, partition: int, value: bytes = b"") -> Iterator[None]:
    """Records at random moments, so many a second on average, while the block runs; events where no value is given."""
    stopped, rng = threading.Event(), random.Random(partition)

    def send() -> None:
        number = 0
        while not stopped.wait(rng.expovariate(rate)):
            number += 1
            world.send(Sent(value or event(f"p{partition}-{number}-{time.monotonic_ns()}"), partition=partition))

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        stopped.set()
        sender.join()


def behind_s(world: World) -> float:
    """How far stream time is behind this machine's clock."""
    at_ms = world.job.reader.snapshot().status.stream_time
    return float("inf") if not at_ms else time.time() - at_ms / 1_000


def steps(world: World) -> list[StepRecord]:
    """The journal so far."""

    async def read() -> list[StepRecord]:
        settings = world.job.settings
        async with LogReader(settings.kafka_servers, topic_name(settings.prefix, "market.steps")) as reader:
            records = [one async for one in reader.records(*reader.offsets[0])]
        return [step_of(one.value, one.offset) for one in records if (one.key or b"").isdigit()]

    return asyncio.run(read())


def test_a_partition_of_broken_records_alone_does_not_hold_stream_time(quick: World) -> None:
    """One producer with a broken schema and a fixed key, beside others that speak."""
    quick.job.workers(1)
    quick.send(Sent(event("first"), partition=1))
    with poisson(quick, 4.0, 0), poisson(quick, 2.0, 1, b"{"):
        time.sleep(2 * IDLE_S)
        quick.job.until(lambda: behind_s(quick) < BEHIND_S)
        time.sleep(IDLE_S)
        assert behind_s(quick) < BEHIND_S


def test_an_outage_of_all_workers_does_not_push_stream_time_on(quick: World) -> None:
    """What came meanwhile is counted in its own time: nothing of it is late, and no step runs ahead of it."""
    quick.job.workers(1)
    with poisson(quick, 4.0, 0), poisson(quick, 4.0, 1):
        quick.job.until(lambda: behind_s(quick) < BEHIND_S)
        quick.job.supervisor.stop()
        known = steps(quick)[-1]
        time.sleep(2 * IDLE_S)
        quick.job.workers(1)
        quick.job.until(lambda: behind_s(quick) < BEHIND_S)
    for step in steps(quick):
        if step.step > known.step and any((one.end or 0) > step.cut[name] for name, one in step.partitions.items()):
            newest = max(one.newest or 0 for one in step.partitions.values())
            assert (step.stream_time or 0) <= max(newest, known.stream_time or 0)


def test_wrong_clocks_of_some_do_not_move_it(quick: World) -> None:
    """One event in fifty is minutes ahead, as phones are, and one an hour behind."""
    quick.job.workers(1)
    with poisson(quick, 20.0, 0):
        quick.job.until(lambda: behind_s(quick) < BEHIND_S)
        for number in range(4):
            now_ms = time.time_ns() // 1_000_000
            quick.send(
                Sent(event(f"ahead-{number}", occurred_at=now_ms + 290_000)),
                Sent(event(f"late-{number}", occurred_at=now_ms - 3_600_000)),
            )
            time.sleep(1.0)
            assert -1.0 < behind_s(quick) < BEHIND_S
