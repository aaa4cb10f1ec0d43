"""Notifier, rebuild and reset as processes with their own logins: each does its work, and no other login can."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from marketpulse.client.reader import Reader
from marketpulse.client.snapshot import Status
from marketpulse.contract.topics import topic_name
from marketpulse.contract.wire import encode
from marketpulse.errors import EXIT_OPERATOR
from streams.access.rights import Role
from streams.dev.processes import ending, start_marketpulse
from streams.kafka.compacted import read_all, write_all
from tests.integration.test_secured import PREFIX, Job, admin_of, job, pytestmark
from tests.support.alerts import alert
from tests.support.notifiers import SECRET
from tests.support.processes import marketpulse_process
from tests.support.receiver import Receiver
from tests.support.waiting import until

__all__ = ["job", "pytestmark"]
SINKS = """
private_hosts = ["127.0.0.1"]
[sink.desk]
kind = "webhook"
url = "http://127.0.0.1:{port}/"
secrets = ["${{DESK_SECRET}}"]
"""
CANARY = "test-secured"


def command(job: Job, role: Role, folder: Path, *arguments: str) -> tuple[int, str]:
    """A command with the login of a role: its exit code, and all that it printed."""
    done = marketpulse_process(*arguments, environment=job.servers.environment(role), cwd=folder)
    return done.returncode, done.stdout + done.stderr


def status(job: Job) -> Status:
    """What a reader sees of the ledger."""
    with Reader(job.servers.settings("reader").redis, prefix=PREFIX) as reader:
        return reader.snapshot().status


@pytest.fixture
def unrefused(job: Job) -> Iterator[None]:
    """Redis refuses nothing that a test asks of it."""
    admin_of(job.servers).acl_log_reset()
    yield
    assert [] == [(one["username"], one["object"]) for one in admin_of(job.servers).acl_log()]


def notifier(job: Job, folder: Path, port: int) -> dict[str, str]:
    """The environment of a notifier: Kafka's login and a sinks file, nothing of Redis."""
    (folder / "sinks.toml").write_text(SINKS.format(port=port), "utf-8")
    own = {name: value for name, value in job.servers.environment("notifier").items() if "_REDIS_" not in name}
    return own | {"MARKETPULSE_SINKS": str(folder / "sinks.toml"), "DESK_SECRET": SECRET}


def test_the_notifier_works_with_kafka_alone(job: Job, tmp_path: Path) -> None:
    """It reads alerts and silences, keeps its place, acknowledges a canary; a second one repeats nothing."""
    now_ms = time.time_ns() // 1_000_000
    kafka = job.servers.settings("admin").kafka_servers
    canary = alert(CANARY, seq=1, kind="test", market="*", started_at=now_ms)
    log = tmp_path / "log"
    with Receiver() as receiver, log.open("wb") as out:
        environment = notifier(job, tmp_path, receiver.port)

        def carry(*names: str) -> None:
            running = start_marketpulse("notify", environment=environment, stdout=out, stderr=out, cwd=tmp_path)
            with ending(running):
                until(lambda: set(names) <= {json.loads(one.body)["id"] for one in receiver.taken}, what=log.read_text)
            assert 0 == running.returncode, log.read_text()[-3_000:]

        asyncio.run(write_all(kafka, topic_name(PREFIX, "market.alerts"), [(canary.id, encode(canary))]))
        carry(CANARY)
        before = len(receiver.taken)
        later = alert("later", seq=2, market="DE", started_at=now_ms)
        asyncio.run(write_all(kafka, topic_name(PREFIX, "market.alerts"), [(later.id, encode(later))]))
        carry("later")
        assert 1 == len(receiver.taken) - before
        ended = [(one.id, encode(replace(one, seq=3, state="resolved"))) for one in (canary, later)]
        asyncio.run(write_all(kafka, topic_name(PREFIX, "market.alerts"), ended))  # no worker knows of them
    receipts = asyncio.run(
        read_all(job.servers.settings("operator").kafka_servers, topic_name(PREFIX, "market.receipts"))
    )
    assert any(CANARY.removeprefix("test-").encode() in (one.value or b"") for one in receipts)


@pytest.mark.parametrize("role", ["worker", "producer", "reader", "page"])
def test_no_other_login_can_notify(job: Job, role: Role, tmp_path: Path) -> None:
    """It ends with exit code 78 and says what to grant."""
    others = {name: value for name, value in job.servers.environment(role).items() if "KAFKA" in name}
    environment = notifier(job, tmp_path, 9) | others
    done = marketpulse_process("notify", environment=environment, cwd=tmp_path)
    assert (EXIT_OPERATOR, True) == (done.returncode, "Operator action: grant" in done.stderr), done.stderr[-2_000:]


LEDGER = [("ledger", "rebuild", "--yes"), ("ledger", "reset", "--yes")]


@pytest.mark.parametrize("role", ["worker", "producer", "reader", "page", "notifier"])
@pytest.mark.parametrize("arguments", LEDGER, ids=" ".join)
def test_no_other_login_can_make_the_ledger_again(
    job: Job, role: Role, arguments: tuple[str, ...], tmp_path: Path
) -> None:
    """Refused before anything is changed."""
    before = status(job)
    code, said = command(job, role, tmp_path, *arguments)
    assert (EXIT_OPERATOR, True) == (code, "Operator action: " in said), said[-2_000:]
    assert before == status(job)


@pytest.mark.usefixtures("unrefused")
def test_the_operator_resets_and_rebuilds_the_ledger(job: Job, tmp_path: Path) -> None:
    """From the journal all of it is there again; a reset begins with nothing, and so does a rebuild right behind it."""
    before = status(job)
    code, said = command(job, "operator", tmp_path, "ledger", "rebuild", "--yes")
    assert 0 == code, said[-3_000:]
    after = status(job)
    assert (job.truth["accepted"], before.partitions) == (after.totals["accepted"], after.partitions)
    code, said = command(job, "operator", tmp_path, "ledger", "verify")
    assert (0, True) == (code, said.rstrip().endswith("equal")), said[-3_000:]
    for arguments in (("reset", "--from", "latest"), ("rebuild",)):
        code, said = command(job, "operator", tmp_path, "ledger", *arguments, "--yes")
        assert 0 == code, said[-3_000:]
        assert not status(job).totals.get("accepted")
