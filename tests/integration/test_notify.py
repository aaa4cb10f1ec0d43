"""`marketpulse notify` on a real Kafka: nothing is lost, whatever a receiver does; restarts hardly repeat."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from marketpulse.contract.records import AlertRecord
from streams.dev.embedded.child import die_with_parent
from streams.dev.embedded.servers import EmbeddedStack, free_port
from streams.dev.processes import start_marketpulse
from tests.support.alerts import alert
from tests.support.notifiers import HOOK, SECRET, Shop
from tests.support.probes import status
from tests.support.receiver import Receiver
from tests.support.waiting import until

CHAT = """
[sink.chat]
kind = "apprise"
url = "${{CHAT_URL}}"
per_minute = 600
burst = 100
"""
ALERTMANAGER = """
[sink.operations]
kind = "alertmanager"
url = "http://127.0.0.1:{port}"
resend = "1s"
"""


def recent(name: str, seq: int, **fields: object) -> AlertRecord:
    """An alert that began five seconds ago, and ends now if it is resolved."""
    now_ms = time.time_ns() // 1_000_000
    ended = now_ms if fields.get("state") == "resolved" else None
    return alert(name, seq=seq, started_at=now_ms - 5_000, ended_at=ended, **fields)


@pytest.fixture
def shop(stack: EmbeddedStack, prefix: str, tmp_path: Path) -> Iterator[Shop]:
    """Notifiers that still run are killed at the end."""
    one = Shop(stack, prefix, tmp_path)
    yield one
    one.end()


def states(receiver: Receiver) -> list[tuple[str, str]]:
    """(id, state) of what a webhook's receiver has taken, in order."""
    found = []
    for one in receiver.taken:
        content = json.loads(one.body)
        found += [(each["id"], each["state"]) for each in content.get("alerts", [content])]
    return found


def lines(receiver: Receiver) -> list[str]:
    """One line for each alert that a chat has taken, in order: several that come together are one message there."""
    messages = [json.loads(one.body)["message"] for one in receiver.taken]
    return [line for one in messages for line in one.splitlines() if line.startswith(("firing ", "resolved "))]


@pytest.mark.long
def test_a_failing_receiver_loses_nothing_and_holds_nobody_up(shop: Shop) -> None:
    """500, 429, silence, no listener, a killed notifier: each state is taken, in order, and one at most twice."""
    with Receiver() as hook, Receiver() as chat:
        shop.write(
            HOOK.format(port=hook.port), CHAT.format(), CHAT_URL=f"json://127.0.0.1:{chat.port}/chat-token?rto=2&cto=2"
        )
        shop.publish(recent("before", 1), recent("before", 2, state="resolved"), recent("fires", 3))
        first = shop.start()
        until(lambda: states(hook) == [("fires", "firing")], what=lambda: (hook.got, shop.log.read_text()))
        hook.script = [500, (429, {"Retry-After": "1"}), None, (302, {"Location": "/elsewhere"})]
        shop.publish(recent("a", 10), recent("b", 11, market="DE"), recent("p", 12, state="pending"))
        until(lambda: len(lines(chat)) >= 3, what=lambda: chat.got)
        until(lambda: ("b", "firing") in states(hook), what=lambda: (hook.got, shop.log.read_text()))
        assert 4 <= shop.metric("marketpulse_notify_retries_total", "desk")
        assert 0 == shop.metric("marketpulse_notify_failing_seconds", "desk")
        hook.close()
        shop.publish(recent("a", 20, state="resolved"), recent("c", 21, market="FR"))
        until(lambda: len(lines(chat)) >= 5, what=lambda: chat.got)
        until(lambda: shop.metric("marketpulse_notify_failing_seconds", "desk") > 0)
        assert shop.metric("marketpulse_notify_queue_alerts", "desk") >= 1
        first.kill()
        first.wait()
        hook.open()
        second = shop.start()
        until(lambda: ("c", "firing") in states(hook), what=lambda: (hook.got, shop.log.read_text()))
        assert 0 == shop.stop(second)
        told = states(hook)
    assert [("fires", "firing"), ("a", "firing"), ("b", "firing"), ("a", "resolved"), ("c", "firing")] == list(
        dict.fromkeys(told)
    )
    assert len(told) <= 6
    assert 5 <= len(lines(chat)) <= 7, lines(chat)  # the last message may have been on its way at the kill
    log = shop.log.read_text()
    assert not [secret for secret in (SECRET, "token-of-the-path", "chat-token") if secret in log]
    assert not [one for one in hook.got if one.path != "/token-of-the-path"]


@pytest.mark.long
def test_a_heartbeat_needs_a_step(shop: Shop) -> None:
    """A notifier alone sends none, whatever earlier steps have left; the next step brings the first one."""
    with Receiver() as hook:
        shop.write(HOOK.format(port=hook.port), 'heartbeat = "30s"\n')
        shop.step(1)
        shop.start()
        shop.publish(recent("a", 1))
        until(lambda: states(hook) == [("a", "firing")], what=lambda: (hook.got, shop.log.read_text()))
        time.sleep(12)  # longer than the notifier waits between two looks at the topic
        assert 1 == len(hook.taken)
        shop.step(2)
        until(lambda: len(hook.taken) > 1, what=lambda: (hook.got, shop.log.read_text()))
        assert "heartbeat" == json.loads(hook.taken[1].body)["kind"]


def test_a_second_notifier_stands_by_and_takes_over(shop: Shop) -> None:
    """Both are ready; when the first one ends, the second tells what comes, and nothing again."""
    with Receiver() as hook:
        shop.write(HOOK.format(port=hook.port))
        first = shop.start()
        shop.publish(recent("a", 1))
        until(lambda: states(hook) == [("a", "firing")], what=shop.log.read_text)
        shop.health = free_port()
        shop.environment["MARKETPULSE_HEALTH_PORT"] = str(shop.health)
        shop.start()
        assert 0 == shop.stop(first)
        shop.publish(recent("a", 2, state="resolved"))
        until(lambda: ("a", "resolved") in states(hook), what=shop.log.read_text)
    assert [("a", "firing"), ("a", "resolved")] == states(hook)


def test_a_webhook_can_be_verified_and_told_from_its_repetition(shop: Shop) -> None:
    """Signature over id, time and body; the same id for a repetition; a CloudEvent in its headers."""
    with Receiver() as hook:
        hook.script = [503]
        shop.write(HOOK.format(port=hook.port))
        shop.publish(recent("a", 1))
        shop.start()
        until(lambda: len(hook.got) == 2, what=shop.log.read_text)
    failed, taken = hook.got
    assert failed.headers["webhook-id"] == taken.headers["webhook-id"] == taken.headers["ce-id"]
    assert ("1.0", "marketpulse.alert.firing") == (taken.headers["ce-specversion"], taken.headers["ce-type"])
    assert failed.body == taken.body
    assert {"id": "a", "seq": 1, "market": "BR"}.items() <= json.loads(taken.body).items()


def test_silences_are_honoured(shop: Shop) -> None:
    """What fires under one is told when it ends."""
    with Receiver() as hook:
        shop.write(HOOK.format(port=hook.port))
        mute = json.loads(shop("mute", "add", "--market", "BR", "--hours", "1", "--json").stdout)["id"]
        shop.start()
        shop.publish(recent("silenced", 1), recent("heard", 2, market="DE"))
        until(lambda: states(hook) == [("heard", "firing")], what=shop.log.read_text)
        assert 0 == shop("mute", "rm", mute).returncode
        until(lambda: states(hook) == [("heard", "firing"), ("silenced", "firing")], what=shop.log.read_text)


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[str]:
    """A real Alertmanager on loopback; its URL."""
    program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if program is None:
        pytest.skip("needs the Debian package prometheus-alertmanager")
    (tmp_path / "alertmanager.yml").write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    port = free_port()
    command = [
        program, f"--config.file={tmp_path / 'alertmanager.yml'}", f"--storage.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
    ]  # fmt: skip
    with (tmp_path / "alertmanager.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=die_with_parent())
    try:
        ready = f"http://127.0.0.1:{port}/-/ready"
        until(lambda: 200 == status(ready), what=(tmp_path / "alertmanager.log").read_text)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def test_alertmanager_has_what_fires_until_it_ends(shop: Shop, alertmanager: str) -> None:
    """The real one takes the alert, has its end moved by reminders, and drops it when it is resolved."""
    shop.write(ALERTMANAGER.format(port=alertmanager.rpartition(":")[2]))
    shop.start()
    shop.publish(recent("a", 1), recent("b", 2, market="DE"))

    def known() -> dict[str, str]:
        found = httpx.get(f"{alertmanager}/api/v2/alerts", trust_env=False).json()
        return {one["labels"]["market"]: one["endsAt"] for one in found}

    until(lambda: {"BR", "DE"} == set(known()), what=shop.log.read_text)
    [br] = httpx.get(f"{alertmanager}/api/v2/alerts", params={"filter": "market=BR"}, trust_env=False).json()
    assert {"alertname": "marketpulse_surge", "severity": "critical", "kind": "surge"}.items() <= br["labels"].items()
    assert "surge firing in BR" in br["annotations"]["summary"]
    ends = known()["BR"]
    until(lambda: known()["BR"] > ends)
    shop.publish(recent("a", 3, state="resolved"))
    until(lambda: {"DE"} == set(known()), what=lambda: (known(), shop.log.read_text()))


def test_a_test_alert_says_what_every_sink_did(shop: Shop) -> None:
    """One takes it, one refuses, one is away: exit code 1, each with its reason; a dry run sends nothing."""
    with Receiver() as hook, Receiver() as busy:
        busy.script = [400]
        away = ALERTMANAGER.format(port=free_port())
        broken = HOOK.format(port=busy.port).replace("desk", "refuses")
        shop.write(HOOK.format(port=hook.port), CHAT.format(), broken, away, CHAT_URL=f"json://127.0.0.1:{hook.port}/t")
        dry = shop("notify", "test", "--dry-run")
        assert (0, []) == (dry.returncode, hook.got)
        assert "Marketpulse: test firing in all markets" in dry.stdout
        done = shop("notify", "test", "--json")
        found = {one["sink"]: one for one in map(json.loads, done.stdout.splitlines())}
        assert (1, 2) == (done.returncode, len(hook.taken)), done.stderr
        assert {"desk": True, "chat": True, "refuses": False, "operations": False} == {
            name: one["delivered"] for name, one in found.items()
        }
        assert ("HTTP 400", True) == (found["refuses"]["why"], "cannot connect" in found["operations"]["why"])
        only = shop("notify", "test", "--sink", "desk")
        assert (0, True) == (only.returncode, only.stdout.startswith("desk (webhook): delivered"))
        assert 2 == shop("notify", "test", "--sink", "nobody").returncode
    assert "token" not in done.stdout + done.stderr


def test_a_dry_run_tells_what_fires_and_remembers_nothing(shop: Shop) -> None:
    """The sinks get nothing, and a real start afterwards tells all."""
    with Receiver() as hook:
        shop.write(HOOK.format(port=hook.port))
        shop.publish(recent("a", 1))
        dry = start_marketpulse(
            "notify", "--dry-run", "--json", environment=shop.environment, stderr=subprocess.DEVNULL
        )
        shop.running.append(dry)
        assert dry.stdout is not None
        said = json.loads(dry.stdout.readline())
        assert ("desk", "a") == (said["sink"], json.loads(said["message"])["id"])
        dry.terminate()
        assert 0 == dry.wait(20)
        dry.stdout.close()
        assert [] == hook.got
        shop.start()
        until(lambda: states(hook) == [("a", "firing")], what=shop.log.read_text)
