"""What each kind of sink puts into its requests."""

import json
from datetime import datetime

import pytest

from marketpulse.contract.records import AlertRecord
from streams.notify.addresses import Allowed
from streams.notify.alertmanager import AlertmanagerSink
from streams.notify.apprise_target import AppriseSink, apprise_target
from streams.notify.errors import Away, Refused
from streams.notify.http import Poster
from streams.notify.messages import Message
from streams.notify.sink import scrubbed
from streams.notify.webhook import WebhookSink, message_id
from tests.support.alerts import alert
from tests.support.receiver import Receiver

NOW_MS = 1_700_000_600_000
STARTED_MS = NOW_MS - 600_000
POSTER = Poster("https://hooks.example.com/token", Allowed(frozenset({"hooks.example.com"})), 5)


def surge(**fields: object) -> AlertRecord:
    evidence = {"share": 0.5, "excerpts": ["what somebody wrote"], "words": ["somebody wrote too"]}
    return alert(started_at=STARTED_MS, topic="price", evidence=evidence, **fields)


def postable(one: AlertRecord, page: str | None = "https://page.example.com/") -> dict[str, object]:
    """The one alert of a request's body, checked against `postableAlert` of Alertmanager's v2 API."""
    body = AlertmanagerSink(POSTER, "shop", 60, page, False, None).body(Message((one,)), NOW_MS)
    [found] = json.loads(body)
    assert {*found} <= {"labels", "annotations", "startsAt", "endsAt", "generatorURL"}
    for name in ("labels", "annotations"):
        assert all(isinstance(value, str) and value for pair in found[name].items() for value in pair)
    starts, ends = (datetime.fromisoformat(found[name].replace("Z", "+00:00")) for name in ("startsAt", "endsAt"))
    assert starts <= ends
    return dict(found) | {"lasts_s": (ends - starts).total_seconds()}


def test_a_firing_alert_ends_four_reminders_from_now() -> None:
    """Labels that name it, words without excerpts, and its market's page."""
    found = postable(surge())
    assert found["labels"] == {
        "alertname": "marketpulse_surge", "kind": "surge", "market": "BR", "topic": "price",
        "severity": "warning", "product": "shop",
    }  # fmt: skip
    assert (840.0, "https://page.example.com/market/BR") == (found["lasts_s"], found["generatorURL"])
    assert "somebody wrote" not in json.dumps(found)
    assert "generatorURL" not in postable(surge(), None)


def test_a_resolved_alert_has_its_end() -> None:
    """Never before its start or after now, wherever stream time stood."""
    assert 300.0 == postable(surge(state="resolved", ended_at=STARTED_MS + 300_000))["lasts_s"]
    assert 0.0 == postable(surge(state="resolved", ended_at=STARTED_MS - 5_000))["lasts_s"]
    assert 600.0 == postable(surge(state="resolved", ended_at=NOW_MS + 5_000))["lasts_s"]


def test_a_webhooks_body_is_the_record() -> None:
    """A summary holds them all; the id is that of the states, not of the moment."""
    sink = WebhookSink(POSTER, "shop", [b"k" * 24], excerpts=True)
    one = Message((surge(),))
    assert ["what somebody wrote"] == json.loads(sink.body(one))["evidence"]["excerpts"]
    two = Message((surge(), surge(state="resolved", ended_at=NOW_MS)), summary=True)
    assert ["firing", "resolved"] == [each["state"] for each in json.loads(sink.body(two))["alerts"]]
    assert message_id(one) == message_id(Message((surge(),)))
    assert message_id(one) != message_id(two)


def test_secrets_are_scrubbed() -> None:
    """The longest first, so that no rest of one stays."""
    assert "*** and ***" == scrubbed("https://h/tokenlong and token", ["token", "https://h/tokenlong"])


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # which the library imports
async def test_thirty_alerts_reach_a_chat_that_takes_a_thousand_characters() -> None:
    """As Apprise's plugin for Rocket.Chat sends them: the largest is named, the rest counted; 400 is final, 500 not."""
    pytest.importorskip("apprise")
    alerts = tuple(
        alert(f"many-{at}", market=f"M{at % 10}", evidence={"statistic": at, "share": 0.4}) for at in range(30)
    )
    with Receiver() as chat:
        target = apprise_target(f"rocket://{'a' * 17}/{'b' * 43}@127.0.0.1:{chat.port}/#room", 5)
        sink = AppriseSink(target, Allowed(frozenset({"127.0.0.1"}), private=frozenset({"127.0.0.1"})), 5, None, True)
        chat.script = [200, 400, 500]
        await sink.send(Message(alerts), NOW_MS)
        [taken] = chat.taken
        said = json.loads(taken.body)["text"]
        assert len(said) <= 1_000
        assert "firing surge M9" in said
        assert "more: marketpulse alerts" in said
        with pytest.raises(Refused, match="HTTP 400"):
            await sink.send(Message(alerts), NOW_MS)
        with pytest.raises(Away, match="HTTP 500"):
            await sink.send(Message(alerts), NOW_MS)
        await sink.close()
