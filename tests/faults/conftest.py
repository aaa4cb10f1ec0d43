"""Fixtures of the fault tests: servers, seeds, jobs, and a row of the report for every scenario."""

import asyncio
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.job import Job
from tests.faults.report import ROWS
from tests.faults.servers import FaultStack, health, remove_topics, revive

SEEDS = 3


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One seed each, three for those marked `seeds`; SEED in the environment replays exactly one."""
    if "seed" in metafunc.fixturenames:
        given = os.environ.get("SEED")
        count = SEEDS if metafunc.definition.get_closest_marker("seeds") else 1
        metafunc.parametrize("seed", [int(given)] if given else range(1, count + 1))


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultStack]:
    """A stack of the fault tests' own: they kill, stop and restart its servers."""
    with FaultStack(tmp_path_factory.mktemp("servers")) as running:
        yield running


@pytest.fixture
def make_job(
    servers: FaultStack, tmp_path: Path, seed: int, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Job]]:
    """A factory of jobs; servers are healthy before, and what a job left behind is removed after."""
    health(servers)
    jobs: list[Job] = []
    began = time.monotonic()

    def make(**settings: Any) -> Job:
        jobs.append(Job(servers, tmp_path / f"{len(jobs)}", seed, **settings))
        return jobs[-1]

    yield make
    for server in (servers.kafka, servers.redis):
        revive(server)
    for job in jobs:
        job.stop()
    for job in jobs:
        asyncio.run(remove_topics(servers.endpoints.kafka, job.prefix))
    health(servers)
    figures = {name: value for job in jobs for name, value in job.figures.items()}
    _write_row(request, seed, figures | {"seconds": round(time.monotonic() - began, 1)})


@pytest.fixture
def job(make_job: Callable[..., Job]) -> Job:
    """A job with the usual settings."""
    return make_job()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Leave the outcome where the fixture finds it."""
    report: pytest.TestReport = yield
    if report.when == "call":
        item.stash[OUTCOME] = report.outcome
    return report


OUTCOME = pytest.StashKey[str]()


def _write_row(request: pytest.FixtureRequest, seed: int, figures: dict[str, Any]) -> None:
    function = request.function
    found = re.match(r"test_fault_(\d+[a-z]?(?:_\d+)?)_", function.__name__)
    row = {
        "scenario": found.group(1).replace("_", ", ") if found else "-",
        "test": request.node.name,
        "file": request.path.name,
        "assertion": (function.__doc__ or "").strip().splitlines()[0],
        "seed": seed,
        "outcome": request.node.stash.get(OUTCOME, "error"),
        **figures,
    }
    ROWS.parent.mkdir(parents=True, exist_ok=True)
    with ROWS.open("a", encoding="utf-8") as out:
        out.write(json.dumps(row) + "\n")
