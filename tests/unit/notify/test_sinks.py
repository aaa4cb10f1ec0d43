"""What each kind of sink puts into its requests."""

import json
from datetime import datetime

from marketpulse.contract.records import AlertRecord
from streams.notify.addresses import Allowed
from streams.notify.alertmanager import AlertmanagerSink
from streams.notify.http import Poster
from streams.notify.messages import Message
from streams.notify.sink import scrubbed
from streams.notify.webhook import WebhookSink, message_id
from tests.support.alerts import alert

NOW_MS = 1_700_000_600_000
STARTED_MS = NOW_MS - 600_000
POSTER = Poster("https://hooks.example.com/token", Allowed(frozenset({"hooks.example.com"})), 5)


def surge(**fields: object) -> AlertRecord:
    evidence = {"share": 0.5, "excerpts": ["what somebody wrote"]}
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
