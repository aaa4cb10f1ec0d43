"""What each kind of sink puts into its requests."""

import asyncio
import contextlib
import json
import logging
import socket
import threading
from collections.abc import Iterator
from datetime import datetime
from types import SimpleNamespace

import pytest

from marketpulse.contract.records import AlertRecord
from streams.notify.addresses import Allowed
from streams.notify.alertmanager import AlertmanagerSink
from streams.notify.apprise_target import AppriseSink, apprise_target
from streams.notify.errors import Away, Refused
from streams.notify.http import MAX_WAIT_S, Poster, wait_of
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


@pytest.mark.parametrize("private", [True, False])
async def test_an_address_that_is_none_is_refused(private: bool) -> None:
    """As any other host; no error of another kind leaves the sink."""
    hosts = frozenset({"127.1"})
    poster = Poster("https://127.1:9/", Allowed(hosts, private=hosts if private else frozenset()), 5)
    with pytest.raises((Refused, Away)):
        await poster.post(b"{}", {})
    await poster.close()


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
async def test_no_log_has_the_token_of_a_chat(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """At level debug too, where libraries say each URL, and where a line of an answer is no header."""
    pytest.importorskip("apprise")
    token, here = "abcdefghijklmnopqrstuvwxyz", frozenset({"127.0.0.1"})
    caplog.set_level(logging.DEBUG)
    with Receiver() as chat:
        chat.script = [200, (503, {"x-one": "1\r\nthis line is no header"})]
        sink = AppriseSink(
            apprise_target(f"mmost://127.0.0.1:{chat.port}/{token}", 5), Allowed(here, private=here), 5, None, False
        )
        await sink.send(Message((alert(),)), NOW_MS)
        with pytest.raises(Away, match="HTTP 503"):
            await sink.send(Message((alert(),)), NOW_MS)
        await sink.close()
        assert [f"/hooks/{token}"] * 2 == [taken.path for taken in chat.got]
    assert token not in "".join([caplog.text, *capfd.readouterr()])


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
@pytest.mark.parametrize(
    "url", ["syslog://", "mqtt://hooks.example/t", "MQTTS://hooks.example/t", "xmpps://u:p@hooks.example"]
)
def test_targets_that_no_guard_holds_are_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They reach this machine, or their libraries connect from threads of their own, which outlive the sink."""
    apprise = pytest.importorskip("apprise")
    monkeypatch.setattr(apprise.Apprise, "instantiate", lambda *_, **__: SimpleNamespace())  # all libraries are there
    with pytest.raises(Refused, match="a host from the sink's own thread"):
        apprise_target(url, 5)
    assert apprise_target("json://hooks.example/", 5)


TELEGRAM = "tgram://123456789:abcdefg_hijklmnop/12315544/"


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
@pytest.mark.parametrize(
    ("url", "arrives"),
    [
        (TELEGRAM, "&lt;a href=evil.example/login&gt;x&lt;/a&gt; [y](evil.example)"),
        (TELEGRAM + "?format=markdown", r"\[y\](evil"),
        ("ntfy://127.0.0.1:{port}/topic?format=markdown", r"\[y\]\(evil"),
        ("mmost://127.0.0.1:{port}/" + "a" * 26, "<\u200ba href=evil.example/login>x<\u200b/a> [y]\u200b(evil"),
        (f"rocket://{'a' * 17}/{'b' * 43}@127.0.0.1:{{port}}/#room", r"\[y\]\(evil"),
    ],
)
async def test_what_users_wrote_never_becomes_a_link(url: str, arrives: str) -> None:
    """HTML and Markdown in an excerpt arrive as they are read, through the library's own plugins."""
    pytest.importorskip("apprise")
    written = "<a href=evil.example/login>x</a> [y](evil.example)"
    with Receiver() as chat:
        chat.script = [200]
        target = apprise_target(url.format(port=chat.port), 5)
        target.notify_url = f"http://127.0.0.1:{chat.port}/bot"  # Telegram's
        here = frozenset({"127.0.0.1"})
        sink = AppriseSink(target, Allowed(here, private=here), 5, None, True)
        with contextlib.suppress(Away):  # what else the plugin expects of the answer
            await sink.send(Message((alert(evidence={"excerpts": [written]}),)), NOW_MS)
        await sink.close()
    content = json.loads(chat.got[0].body)
    assert arrives in str(content.get("text") or content.get("message"))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0), (" 7 ", 7.0), ("²", None), ("٧", None), ("-1", None), ("", None), (None, None), ("soon", None),
        ("9" * 400, MAX_WAIT_S), ("Wed, 15 Nov 2023 00:00:00 GMT", MAX_WAIT_S), ("Tue, 14 Nov 2023 22:14:20 GMT", 60.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("Fri, 31 Dec 9999 23:59:59 -2359", MAX_WAIT_S),
        ("Fri, 31 Dec 0001 23:59:59 +2359", 0.0), ("Mon, 99 Foo 2020", None),
    ],
)  # fmt: skip
def test_a_receiver_may_ask_for_a_pause(header: str | None, seconds: float | None) -> None:
    """By a number or a date, of an hour at most; what cannot be read asks for nothing."""
    assert seconds == wait_of(header, 1_700_000_000.0)


def endless() -> Iterator[bytes]:
    """An answer of HTTP whose body has no end."""
    yield b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"
    while True:
        yield b"x" * 65_536


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
async def test_an_answer_without_end_is_cut_off() -> None:
    """Of both kinds of connections: 64 KiB are read, then the connection is closed."""
    pytest.importorskip("apprise")
    sent: list[int] = []

    def serve(listening: socket.socket) -> None:
        for _ in range(2):
            connection, _ = listening.accept()
            connection.recv(65_536)
            with contextlib.suppress(OSError):
                for part in endless():
                    sent.append(connection.send(part))
            connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        url, here = f"127.0.0.1:{listening.getsockname()[1]}", frozenset({"127.0.0.1"})
        allowed = Allowed(here, private=here)
        sink = AppriseSink(apprise_target(f"json://{url}/", 5), allowed, 5, None, True)
        await sink.send(Message((alert(),)), NOW_MS)
        poster = Poster(f"http://{url}/", allowed, 5)
        await poster.post(b"{}", {})
        await poster.close()
        await sink.close()
        await asyncio.to_thread(thread.join, 10)
    assert sum(sent) < 64 * 1_048_576
