"""Worker processes as an orchestrator sees them: probes, SIGTERM, supervised restarts."""

import asyncio
import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import msgspec
import pytest
import redis

from marketpulse.errors import OperatorNeeded
from streams.contract.journal import UserKey
from streams.dev.embedded.servers import EmbeddedStack, free_port
from streams.dev.embedded.supervisor import Supervisor
from streams.dev.run import worker_environment
from streams.pipeline.rollup.state import CommonState
from streams.privacy.user_hashes import key_id, quick_key_id
from streams.recovery.first_start import set_up
from streams.settings import load_settings
from tests.support.job import Job
from tests.support.probes import status
from tests.support.waiting import until

pytestmark = [pytest.mark.long, pytest.mark.timeout(90)]

NOWHERE = {"MARKETPULSE_KAFKA": "127.0.0.1:1", "MARKETPULSE_MODEL": "stub"}


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Callable[[dict[str, str]], Supervisor]]:
    """A factory of one supervised worker each; they end with the test."""
    made: list[Supervisor] = []

    def make(environment: dict[str, str]) -> Supervisor:
        made.append(Supervisor(1, environment, tmp_path / str(len(made)), lambda _: None))
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        one.stop()


def probe(port: int, path: str) -> int:
    """Status of a probe; 0 where nobody listens yet."""
    return status(f"http://127.0.0.1:{port}{path}")


@pytest.mark.parametrize("server", ["Kafka", "Redis"])
def test_a_worker_without_a_server_waits_and_names_it(
    server: str, stack: EmbeddedStack, supervised: Callable[[dict[str, str]], Supervisor]
) -> None:
    """Alive, neither started nor ready; SIGTERM ends it with 0."""
    port = free_port()
    redis = stack.endpoints.redis if server == "Kafka" else "redis://127.0.0.1:1/0"
    here = NOWHERE | {"MARKETPULSE_REDIS_URL": redis, "MARKETPULSE_HEALTH_PORT": str(port)}
    worker = supervised(here).workers[0]
    until(lambda: probe(port, "/livez") == 200)
    until(lambda: [server] == list(httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).json()["waiting"]))
    assert (503, 503) == (probe(port, "/startupz"), probe(port, "/readyz"))
    worker.send_signal(signal.SIGTERM)
    assert 0 == worker.wait(20)


def test_probes_follow_redis(
    stack: EmbeddedStack, prefix: str, supervised: Callable[[dict[str, str]], Supervisor]
) -> None:
    """Ready once all partitions are claimed; not while Redis does not answer; ready again after."""
    port = free_port()
    settings = load_settings(prefix=prefix, model="stub", health_port=port, step_seconds=0.2, idle_step_seconds=0.2)
    asyncio.run(set_up(stack.endpoints, prefix, 2))
    supervised(worker_environment(settings, stack.endpoints))
    until(lambda: probe(port, "/readyz") == 200, 40)
    stack.redis.send(signal.SIGSTOP)
    try:
        until(lambda: probe(port, "/readyz") == 503, 30)
        assert (200, 200) == (probe(port, "/livez"), probe(port, "/startupz"))
    finally:
        stack.redis.send(signal.SIGCONT)
    until(lambda: probe(port, "/readyz") == 200, 30)


def test_a_killed_worker_is_started_again(supervised: Callable[[dict[str, str]], Supervisor]) -> None:
    """After a pause that grows while its lives are short."""
    supervisor = supervised(NOWHERE)
    pauses = []
    for life in range(1, 3):
        supervisor.workers[0].kill()
        supervisor.workers[0].wait()
        pauses.append(until(lambda life=life: supervisor.restarts == life, meanwhile=supervisor.watch))
    assert 1.0 <= pauses[0] < pauses[1]
    assert pauses[1] >= 2.0


def test_a_worker_that_needs_an_operator_is_not_started_again(
    supervised: Callable[[dict[str, str]], Supervisor],
) -> None:
    """A setting that cannot be: the end of the log is in the message."""
    supervisor = supervised(NOWHERE | {"MARKETPULSE_BATCH_RECORDS": "-1"})
    supervisor.workers[0].wait(30)
    with pytest.raises(OperatorNeeded, match="MARKETPULSE_BATCH_RECORDS"):
        supervisor.watch()


@pytest.mark.timeout(120)
def test_a_named_worker_keeps_its_partitions_over_a_restart(
    stack: EmbeddedStack, prefix: str, supervised: Callable[[dict[str, str]], Supervisor]
) -> None:
    """Static membership: it claims the same ones again, and the other worker's are left alone."""
    settings = load_settings(prefix=prefix, model="stub", session_timeout_seconds=30)
    asyncio.run(set_up(stack.endpoints, prefix, 4))
    environment = worker_environment(settings, stack.endpoints)
    first = supervised(environment | {"MARKETPULSE_INSTANCE": "first"})
    second = supervised(environment | {"MARKETPULSE_INSTANCE": "second"})
    until(lambda: [2, 2] == [len(claimed(one)[-2:]) for one in (first, second)] and shared(first, second), 60)
    others: list[int] = []
    while others != claimed(second):  # the first to come had all four, and claims its two once more
        others = claimed(second)
        time.sleep(2.0)
    kept = sorted(claimed(first)[-2:])
    first.workers[0].terminate()
    assert 0 == first.workers[0].wait(30)
    until(
        lambda: first.restarts == 1 and len(first.logs()) == 2 and kept == sorted(claimed(first)),
        40,
        meanwhile=first.watch,
    )
    assert others == claimed(second)


def claimed(supervisor: Supervisor) -> list[int]:
    """Partitions that a worker's present life has claimed, in order."""
    lines = supervisor.logs()[-1].read_text().splitlines()
    return [json.loads(line)["partition"] for line in lines if '"partition_claimed"' in line]


def shared(first: Supervisor, second: Supervisor) -> bool:
    """Whether each has two of the four partitions."""
    return {0, 1, 2, 3} == {*claimed(first)[-2:], *claimed(second)[-2:]}


def test_a_key_that_a_ledger_knows_by_an_older_id_keeps_it(stack: EmbeddedStack, prefix: str, tmp_path: Path) -> None:
    """So an update is no change of the key: counts of users go on. A new ledger gets the id of today."""
    job = Job(stack, prefix, tmp_path)
    key, state = job.settings.user_hash_key.get_secret_value().encode(), f"{prefix}:state"
    try:
        with redis.Redis.from_url(stack.endpoints.redis) as client:
            job.workers(1)
            job.publish(job.feed[:200])
            job.until(job.settled)
            job.supervisor.stop()
            common = msgspec.msgpack.decode(client.hget(state, "common"), type=CommonState)
            assert UserKey(key_id(key)) == common.user_key
            common.user_key = UserKey(quick_key_id(key))
            client.hset(state, "common", msgspec.msgpack.encode(common))
            client.delete(f"{prefix}:workers")  # the one before seems to live, with another id
            job.workers(1)
            job.publish(job.feed[200:400])
            job.until(job.settled)
            common = msgspec.msgpack.decode(client.hget(state, "common"), type=CommonState)
            assert (UserKey(quick_key_id(key)), []) == (common.user_key, common.users_mixed)
    finally:
        job.supervisor.stop()
        job.reader.close()
