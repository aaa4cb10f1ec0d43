"""`privacy erase` with TLS, logins and ACLs on: an operator's rights are enough, a reader's are not."""

import asyncio
import json
import shutil
import time
from pathlib import Path

import pytest

from marketpulse.client.reader import Reader
from marketpulse.client.redis_server import connect
from marketpulse.contract.topics import topic_name
from marketpulse.errors import EXIT_OPERATOR
from streams.access.kafka_acls import create_acls
from streams.dev.embedded.programs import server_version
from streams.dev.embedded.servers import Endpoints
from streams.dev.processes import ending, start_marketpulse
from streams.kafka.publish import Record, publish
from streams.recovery.first_start import set_up
from tests.support.processes import marketpulse_process
from tests.support.secured import DEBIAN_REDIS, Secured
from tests.support.waiting import until

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(
        not shutil.which(DEBIAN_REDIS) or server_version(DEBIAN_REDIS) < (7, 0),
        reason="needs a Redis 7 with TLS: the Debian package redis-server",
    ),
]
PREFIX, USER, OTHER = "shop", "anna-7", "bert-8"
KEY = {"MARKETPULSE_USER_HASH_KEY": "a key of at least 16 bytes"}


def event(number: int, user: str, text: str) -> Record:
    """A record as a producer sends it."""
    content = {
        "id": f"p-{number}", "market": "BR", "text": text, "user": user, "occurred_at": time.time_ns() // 1_000_000,
    }  # fmt: skip
    return Record(user.encode(), json.dumps(content).encode())


def test_an_operator_erases_and_a_reader_may_not(tmp_path: Path) -> None:
    """Excerpts go by a rebuild, hashed records by a cut; Redis and Kafka refuse the operator nothing."""
    with Secured(tmp_path, PREFIX) as servers, (tmp_path / "log").open("wb") as log:
        asyncio.run(create_acls(servers.settings("admin").kafka_servers, PREFIX, servers.principals))
        operator = servers.settings("operator")
        assert asyncio.run(set_up(Endpoints(operator.kafka_servers, operator.redis), PREFIX, 1))
        feed = [event(1, USER, "meu segredo"), event(2, OTHER, "outra coisa")]
        feedback = topic_name(PREFIX, "feedback")
        asyncio.run(publish(servers.settings("producer").kafka_servers, feedback, feed))
        environment = servers.environment("worker") | KEY | {"MARKETPULSE_MODEL": "stub"}
        worker = start_marketpulse("worker", environment=environment, stdout=log, stderr=log, cwd=tmp_path)
        with Reader(servers.settings("reader").redis, prefix=PREFIX) as reader:

            def quoted() -> set[str]:
                return {one.text for one in reader.excerpts("BR")}

            def complete() -> bool:
                status = reader.snapshot().status
                return len(quoted()) == 2 and not status.open_cells and not status.outbox and status.shifts_answered

            with ending(worker):
                until(complete, 60, what=(tmp_path / "log").read_text)
            admin = connect(servers.settings("admin").redis)
            admin.acl_log_reset()
            erase = ("privacy", "erase", "--user", USER, "--yes", "--cut", "--json")
            done = marketpulse_process(*erase, environment=servers.environment("operator") | KEY, cwd=tmp_path)
            assert 0 == done.returncode, done.stderr
            places = {place["where"]: place for place in json.loads(done.stdout)["places"]}
            found = {where: (place["found"], place["erased"]) for where, place in places.items()}
            assert ((1, 1), (2, 2)) == (found["feedback.classified"], found["Redis, excerpts"])
            assert [] == admin.acl_log()
            assert {"outra coisa"} == quoted()
            refused = marketpulse_process(*erase, environment=servers.environment("reader") | KEY, cwd=tmp_path)
            assert EXIT_OPERATOR == refused.returncode, refused.stderr
