"""The dead man's switch: a heartbeat for each sink that asks for it, only while workers step and Kafka is read."""

import json
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from marketpulse.contract.canary import KIND
from streams.notify.alertmanager import AlertmanagerSink
from streams.notify.errors import Away
from streams.notify.feed import Arrivals
from streams.notify.heartbeat import Steps, heartbeat
from streams.notify.messages import Message
from streams.notify.webhook import WebhookSink
from tests.support.alerts import alert
from tests.unit.notify.fakes import HandClock, LogFeed, ScriptedSink, courier
from tests.unit.notify.test_sinks import POSTER
from tests.unit.notify.test_sinks_file import SECRET, loaded, problems

NOW_MS = 1_700_000_600_000


def test_steps_are_fresh_while_their_topic_grows() -> None:
    """What was there before the notifier began proves nothing; three minutes without a step end it."""
    steps = Steps(stale_ms=180_000)
    assert not steps.fresh(0)
    steps.seen(7, 0)
    assert not steps.fresh(0)
    steps.seen(8, 10_000)
    steps.seen(8, 60_000)
    assert [True, False] == [steps.fresh(190_000), steps.fresh(190_001)]
    steps.seen(2, 200_000)  # the topic was created again
    assert not steps.fresh(200_000)
    steps.seen(3, 210_000)
    assert steps.fresh(210_000)


async def test_a_heartbeat_comes_every_so_often() -> None:
    """As soon as alerts are read, then in the sink's rhythm; it counts as no alert, and silences do not cover it."""
    sink, clock = ScriptedSink(), HandClock()
    one = courier(LogFeed(), sink, clock, heartbeat_s=300.0)
    for _ in range(4):
        await one.turn()
        clock.at_ms += 150_000
    assert [(1_000_000, "firing"), (1_300_000, "firing")] == [
        (beat.fired_at, beat.state) for message in sink.taken for beat in message.alerts
    ]
    assert {"heartbeat"} == {beat.kind for message in sink.taken for beat in message.alerts}
    assert (0, 0) == (one.status.delivered, one.status.undelivered)


async def test_without_the_key_there_is_none() -> None:
    """Off by default."""
    sink = ScriptedSink()
    await courier(LogFeed(), sink, HandClock()).turn()
    assert [] == sink.taken


async def test_it_stops_with_the_steps_and_comes_back_with_them() -> None:
    """The worker, not only the notifier, must live; the first one afterwards does not wait for the rhythm."""
    sink, clock, alive = ScriptedSink(), HandClock(), [True]
    one = courier(LogFeed(), sink, clock, fresh=lambda _: alive[0], heartbeat_s=60.0)
    await one.turn()
    alive[0] = False
    for _ in range(5):
        clock.at_ms += 60_000
        await one.turn()
    assert 1 == len(sink.taken)
    alive[0] = True
    await one.turn()
    assert 2 == len(sink.taken)


async def test_a_notifier_that_stands_by_sends_none() -> None:
    """Another member of the group reads the alerts: it sends them."""

    class StandingBy(LogFeed):
        async def poll(self, seconds: float) -> Arrivals:
            return Arrivals()

    sink = ScriptedSink()
    await courier(StandingBy(), sink, HandClock(), heartbeat_s=60.0).turn()
    assert [] == sink.taken


async def test_one_that_is_not_taken_is_logged_and_the_next_one_tried() -> None:
    """Nothing else waits for it, and nothing is lost for the alerts behind it."""
    feed, sink, clock = LogFeed(), ScriptedSink(Away("https://hooks.example.com/token says no")), HandClock()
    one = courier(feed, sink, clock, heartbeat_s=60.0)
    with capture_logs() as logs:
        await one.turn()
    assert [("heartbeat_undelivered", "*** says no")] == [(entry["event"], entry["why"]) for entry in logs]
    assert [] == clock.pauses
    clock.at_ms += 60_000
    feed.put(alert("a"))
    await one.turn()
    assert ["a", "heartbeat-1060000"] == [name for name, _ in sink.told]


def test_alertmanager_gets_an_alert_that_always_fires() -> None:
    """As Prometheus' Watchdog: the same labels each time, over after two heartbeats that did not come."""
    sink = AlertmanagerSink(POSTER, "shop", 60, None, False, None, heartbeat_s=300)
    [first], [second] = (
        json.loads(sink.body(Message((heartbeat(now_ms),)), now_ms)) for now_ms in (NOW_MS, NOW_MS + 300_000)
    )
    assert first["labels"] == second["labels"] == {
        "alertname": "MarketpulseHeartbeat", "kind": "heartbeat", "market": "*", "severity": "none", "product": "shop",
    }  # fmt: skip
    assert "2023-11-14T22:33:20.000Z" == first["endsAt"]
    assert "2023-11-14T22:23:20.000Z" == first["startsAt"]


def test_a_webhook_gets_a_record_of_its_own_type() -> None:
    """Receivers that only know alerts can leave it aside by its type or its kind."""
    sink = WebhookSink(POSTER, "shop", [b"k" * 24], False)
    message = Message((heartbeat(NOW_MS),))
    record = json.loads(sink.body(message))
    assert ("heartbeat", "*", "firing", NOW_MS) == tuple(
        record[name] for name in ("kind", "market", "state", "fired_at")
    )
    headers = sink.headers(message, NOW_MS, sink.body(message))
    assert "marketpulse.heartbeat" == headers["ce-type"]
    assert headers["webhook-signature"].startswith("v1,")


def test_a_webhook_without_secrets_is_not_signed() -> None:
    message = Message((heartbeat(NOW_MS),))
    sink = WebhookSink(POSTER, "shop", [], False)
    assert not [name for name in sink.headers(message, NOW_MS, sink.body(message)) if name.startswith("webhook-")]


HOSTS = 'hosts = ["hc.example.com"]\n'
PING = HOSTS + '[sink.ping]\nkind = "webhook"\nurl = "${PING_URL}"\nheartbeat = "5m"\nkinds = ["heartbeat"]\n'
URL = "https://hc.example.com/ping/123"


def test_a_sink_may_be_for_heartbeats_alone(tmp_path: Path) -> None:
    """A healthcheck's URL: no alert goes there, so there is nothing to sign; a canary proves the way and does go."""
    [ping] = loaded(tmp_path, PING, PING_URL=URL).sinks
    assert (300.0, ()) == (ping.heartbeat_s, ping.secrets)
    assert [False, True] == [ping.wants(alert()), ping.wants(alert(kind=KIND))]


CHAT = 'hosts = ["hooks.slack.com"]\n[sink.chat]\nkind = "apprise"\nurl = "json://hooks.slack.com/"\n'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (CHAT + 'heartbeat = "5m"\n', "[sink.chat] heartbeat: a chat would get a message every few minutes"),
        (CHAT + 'kinds = ["heartbeat"]\n', '[sink.chat] kinds: "heartbeat" is for sinks with the key heartbeat'),
        (PING.replace('"5m"', "5"), "[sink.ping] heartbeat: must be a duration in quotes"),
        (PING.replace('"5m"', '"5s"'), '[sink.ping] heartbeat: must be a duration in quotes from "30s"'),
        (PING.replace('["heartbeat"]', '["surge"]'), "[sink.ping] secrets: is needed"),
    ],
)
def test_what_cannot_be_meant_is_named(tmp_path: Path, text: str, why: str) -> None:
    """Also without heartbeats, secrets are needed for alerts."""
    [found] = problems(tmp_path, text, PING_URL=URL, DESK_SECRET=SECRET)
    assert found.startswith(why)
