"""Processes that meet a Redis on which no ledger can work: exit code 78 and words, before Kafka is asked anything."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from marketpulse.errors import EXIT_OPERATOR
from streams.access.rights import Role, redis_rules
from streams.ledger.commit import Ledger
from tests.support.processes import marketpulse, marketpulse_process
from tests.support.redis_servers import BUNDLED, RedisOf, one_node_cluster, url_of

NOWHERE = {"MARKETPULSE_KAFKA": "127.0.0.1:1", "MARKETPULSE_MODEL": "stub", "MARKETPULSE_PREFIX": "shop"}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisOf]:
    """The bundled Redis, with a user who may not do all that a worker does."""
    server = RedisOf(tmp_path_factory.mktemp("plain"), BUNDLED)
    server.start()
    with redis.Redis.from_url(server.url) as client:
        client.execute_command("ACL", "SETUSER", "half", "on", ">pw", "~shop:*", "+@all", "-rpush", "-xadd")
        client.execute_command("ACL", "SETUSER", "repairer", "on", ">pw", "~shop*", "+@all", "-rename")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisOf]:
    """A Redis Cluster of one node."""
    with one_node_cluster(tmp_path_factory.mktemp("cluster"), BUNDLED) as server:
        yield server


def of(server: RedisOf, user: str = "") -> dict[str, str]:
    """Settings of a process that is pointed at a Redis, and at no Kafka."""
    login = {"MARKETPULSE_REDIS_USERNAME": user, "MARKETPULSE_REDIS_PASSWORD": "pw"} if user else {}
    return NOWHERE | login | {"MARKETPULSE_REDIS_URL": url_of(server.url) if user else server.url}


def last_words(environment: dict[str, str], folder: Path) -> str:
    """Why a worker ended, after checking that it ended with 78 and without a traceback."""
    ended = marketpulse_process("worker", environment=environment, cwd=folder)
    assert EXIT_OPERATOR == ended.returncode, ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
    return (ended.stdout + ended.stderr).strip().splitlines()[-1]


def test_a_worker_names_the_rights_that_are_missing(plain: RedisOf, tmp_path: Path) -> None:
    """All of them in one line, with the command that grants them."""
    said = last_words(of(plain, "half"), tmp_path)
    assert "rpush, xadd" in said
    assert "ACL SETUSER half +rpush +xadd" in said
    assert "acls show redis" in said


def test_a_worker_refuses_a_cluster(cluster: RedisOf, tmp_path: Path) -> None:
    """Before it claims anything."""
    assert "needs one primary" in last_words(of(cluster), tmp_path)


def test_no_ledger_is_made_on_a_cluster(cluster: RedisOf) -> None:
    """`ledger init` ends with 78 and writes nothing."""
    refused = marketpulse("ledger", "init", "--yes", environment=of(cluster))
    assert (EXIT_OPERATOR, True) == (refused.returncode, "needs one primary" in refused.stderr), refused.stderr
    with redis.Redis.from_url(cluster.url) as client:
        assert [] == client.keys("*")


@pytest.mark.parametrize("command", ["rebuild", "reset"])
def test_a_repair_that_could_only_be_half_done_is_not_begun(plain: RedisOf, command: str) -> None:
    """The script that puts the new ledger in place would fail after it removed the old one."""
    refused = marketpulse("ledger", command, "--yes", environment=of(plain, "repairer"))
    assert (EXIT_OPERATOR, True) == (refused.returncode, "ACL SETUSER repairer +rename" in refused.stderr)


def test_doctor_names_both(plain: RedisOf, cluster: RedisOf) -> None:
    """A finding of part `redis`, with what to do."""
    for environment, what in ((of(plain, "half"), "rpush, xadd"), (of(cluster), "needs one primary")):
        done = marketpulse("doctor", "--json", environment=environment)
        found = {one["part"]: one for one in json.loads(done.stdout)}
        assert (False, True) == (found["redis"]["fine"], what in found["redis"]["what"]), found["redis"]
        assert found["redis"]["do"]


def test_doctor_warns_of_a_version_with_known_holes(plain: RedisOf) -> None:
    """The bundled one is for demos and tests; a warning ends nothing."""
    done = marketpulse("doctor", environment=of(plain))
    [line] = [one for one in done.stdout.splitlines() if "redis version" in one]
    assert line.startswith("warn  redis version: Redis 6.2.")
    assert "6.2.23 or later" in done.stdout


@pytest.mark.parametrize(("user", "named"), [("operator", True), ("worker", False)])
async def test_a_redis_that_forgets_keys_is_named_to_an_operator(plain: RedisOf, user: Role, named: bool) -> None:
    """By INFO, which has no password in it; a worker may not ask, and goes on."""
    with redis.Redis.from_url(plain.url) as client:
        client.execute_command("ACL", "SETUSER", user, "reset", "on", ">pw", *redis_rules("shop")[user])
        client.config_set("maxmemory-policy", "allkeys-lru")
    ledger = Ledger(url_of(plain.url, user, "pw"), "shop")
    try:
        problem = await ledger.check_redis()
    finally:
        await ledger.close()
        with redis.Redis.from_url(plain.url) as client:
            client.config_set("maxmemory-policy", "noeviction")
    assert named == ("maxmemory-policy is allkeys-lru" in (problem or ""))
