"""One worker process for all tests of this folder, and what it counted."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.dev.embedded.servers import EmbeddedStack
from tests.support.clients import Sent, librdkafka
from tests.support.job import Job
from tests.support.waiting import until

COUNTED = ("accepted", "duplicates", "dead_letter:")


class World:
    """A job whose input comes from other programs: what it counted since the test began."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.servers = str(job.settings.kafka)
        self.topic = job.topic
        self._before = self._totals()

    def send(self, *records: Sent, **settings: object) -> None:
        """Publish to `feedback` with librdkafka."""
        librdkafka(self.servers, self.topic, records, **settings)

    def counted(self) -> dict[str, int]:
        """Accepted events, duplicates and dead letters by code, as published by the last step."""
        return dict(self._totals() - self._before)

    def counts(self, **wanted: int) -> None:
        """Wait until exactly so many are counted: `accepted`, `duplicates`, and dead letters by their code."""
        until(lambda: self.counted() == wanted, 30, self.counted, self.job.supervisor.watch)

    def _totals(self) -> Counter[str]:
        totals = self.job.reader.snapshot().status.totals
        named = {name.removeprefix("dead_letter:"): n for name, n in totals.items() if name.startswith(COUNTED)}
        return Counter(named)


@pytest.fixture(scope="session")
def working(stack: EmbeddedStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Job]:
    """A prefix with one worker."""
    job = Job(stack, "world", tmp_path_factory.mktemp("world"))
    job.workers(1)
    yield job
    job.supervisor.stop()


@pytest.fixture
def world(working: Job) -> World:
    """The same, with nothing counted yet."""
    return World(working)


@pytest.fixture
def own(stack: EmbeddedStack, prefix: str, tmp_path: Path) -> Iterator[World]:
    """A prefix of its own without a worker: the test starts one."""
    job = Job(stack, prefix, tmp_path)
    yield World(job)
    job.supervisor.stop()
