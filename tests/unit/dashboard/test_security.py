"""Who gets in: headers, token, sessions, forms of other sites, failures in a row."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest
from starlette.datastructures import URL
from starlette.requests import HTTPConnection

from marketpulse.contract.operators import MuteRecord
from streams.dashboard import forms
from streams.dashboard.app import create_page
from streams.dashboard.attempts import FAILURES
from streams.dashboard.routes import Views
from streams.dashboard.security import COOKIE
from streams.errors import SettingsError
from streams.serving.listening import Limits, server_config
from streams.settings import load_settings
from tests.unit.dashboard.fakes import NOW, TOKEN, FakeReader, Written, csrf_of, page


@pytest.mark.parametrize("path", ["/", "/market/BR", "/login", "/static/page.js", "/healthz", "/nowhere", "/view.json"])
async def test_every_answer_carries_the_safe_headers(path: str) -> None:
    """No inline script or style, nothing from elsewhere, no frame, no sniffing, no referrer."""
    async with page(FakeReader(NOW)) as browser:
        headers = (await browser.get(path)).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert ("'none'", "'self'", "'self'", "'none'") == tuple(
        policy[name] for name in ("default-src", "script-src", "style-src", "frame-ancestors")
    )
    assert "unsafe" not in headers["content-security-policy"]
    assert ("nosniff", "no-referrer") == (headers["x-content-type-options"], headers["referrer-policy"])
    assert "cache-control" in headers


async def test_without_the_token_nothing_is_seen_and_with_it_all_is() -> None:
    """Browsers are sent to the form, machines get 401; the form's cookie is HttpOnly and SameSite=Strict."""
    async with page(FakeReader(NOW), page_token=TOKEN, host="page.example") as browser:
        sent = await browser.get("/alerts?market=BR")
        assert (303, "/login?next=%2Falerts%3Fmarket%3DBR") == (sent.status_code, sent.headers["location"])
        for path in ("/view.json", "/events?view=markets", "/alerts/mute"):
            refused = await browser.get(path, headers={"accept": "*/*"})
            assert (401, "not_logged_in") == (refused.status_code, refused.json()["code"])
        wrong = await browser.post("/login", data={"token": "not it", "next": "/alerts"})
        assert (401, True) == (wrong.status_code, "That is not the token" in wrong.text)
        right = await browser.post("/login", data={"token": TOKEN, "next": "/alerts?market=BR"})
        assert (303, "/alerts?market=BR") == (right.status_code, right.headers["location"])
        assert {"httponly", "samesite=strict"} <= set(right.headers["set-cookie"].lower().split("; "))
        inside = await browser.get("/alerts")
        assert 200 == inside.status_code
        out = await browser.post("/logout", data={"csrf": csrf_of(inside.text)})
        assert "/login" == out.headers["location"]
        assert 303 == (await browser.get("/alerts")).status_code


async def test_machines_come_in_with_a_bearer_token() -> None:
    """The right one, a wrong one."""
    async with page(FakeReader(NOW), page_token=TOKEN) as browser:
        right = await browser.get("/view.json", headers={"authorization": f"Bearer {TOKEN}"})
        wrong = await browser.get("/view.json", headers={"authorization": "Bearer x"})
    assert (200, 401, "wrong_token") == (right.status_code, wrong.status_code, wrong.json()["code"])


@pytest.mark.parametrize("wanted", ["//evil.example/", "https://evil.example/", "/\\evil.example", "x", "/a\nb"])
async def test_the_login_leads_nowhere_else(wanted: str) -> None:
    """Whatever `next` says, the answer stays on this page."""
    async with page(FakeReader(NOW), page_token=TOKEN) as browser:
        answer = await browser.post("/login", data={"token": TOKEN, "next": wanted})
    assert (303, "/") == (answer.status_code, answer.headers["location"])


async def test_failures_in_a_row_have_to_wait_in_the_form_even_with_the_right_token() -> None:
    """429 with Retry-After after five."""
    async with page(FakeReader(NOW), page_token=TOKEN) as browser:
        guesses = [await browser.post("/login", data={"token": "guess"}) for _ in range(FAILURES)]
        assert [401] * FAILURES == [one.status_code for one in guesses]
        held = await browser.post("/login", data={"token": TOKEN})
        assert (429, True) == (held.status_code, int(held.headers["retry-after"]) > 0)


async def test_who_has_the_token_or_a_session_is_never_held_up_by_others_guesses() -> None:
    """Behind one address: wrong bearers get 429, the right one and the session go on."""
    async with page(FakeReader(NOW), page_token=TOKEN) as browser:
        await browser.post("/login", data={"token": TOKEN})
        wrong = [
            (await browser.get("/view.json", headers={"authorization": "Bearer guess"})).status_code
            for _ in range(FAILURES + 1)
        ]
        assert [*[401] * FAILURES, 429] == wrong
        right = await browser.get("/view.json", headers={"authorization": f"Bearer {TOKEN}"})
        assert (200, 200) == (right.status_code, (await browser.get("/view.json")).status_code)


@pytest.mark.parametrize(
    ("trusted", "other"), [("10.0.0.0/24", 303), ("192.0.2.0/24", 429)], ids=["behind the proxy", "of no proxy"]
)
async def test_a_forged_forwarded_address_is_no_other_client(trusted: str, other: int) -> None:
    """The right-most address that is no proxy's is the client's, whatever it writes before that."""
    settings = load_settings(page_token=TOKEN, forwarded_allow=trusted)
    config = server_config(create_page(settings, FakeReader(NOW)), settings, Limits(9, 9, 9))  # type: ignore[arg-type]
    config.load()
    transport = httpx.ASGITransport(config.loaded_app, client=("10.0.0.9", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://page.example") as browser:
        answers = [
            await browser.post(
                "/login", data={"token": "guess"}, headers={"X-Forwarded-For": f"198.51.100.{number}, 203.0.113.7"}
            )
            for number in range(FAILURES + 1)
        ]
        assert [*[401] * FAILURES, 429] == [one.status_code for one in answers]
        answer = await browser.post("/login", data={"token": TOKEN}, headers={"X-Forwarded-For": "203.0.113.8"})
    assert other == answer.status_code


@pytest.mark.parametrize("wrong", ["*", "0.0.0.0/0", "::/0", "ingress"])
def test_a_proxy_is_named_by_its_address(wrong: str) -> None:
    """Trust in everybody would make the limits void: whoever writes the header chooses the address."""
    with pytest.raises(SettingsError, match=r"MARKETPULSE_FORWARDED_ALLOW: .* would believe every client"):
        load_settings(forwarded_allow=wrong)


@pytest.mark.parametrize("host", ["page.example/static/?", "page.example/login?", "page.example/static/#", "x@/login"])
async def test_a_host_header_opens_nothing(host: str) -> None:
    """What is asked for is the request's own path, whatever `Host` holds."""
    async with page(FakeReader(NOW), page_token=TOKEN, host="page.example") as browser:
        answer = await browser.get("/view.json", headers={"accept": "*/*", "host": host})
    assert 401 == answer.status_code


async def test_the_guard_never_asks_for_a_path_made_of_the_host_header(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Starlette before 1.0.1 made it."""
    monkeypatch.setattr(HTTPConnection, "url", property(lambda _: URL("http://page.example/static/?/view.json")))
    async with page(FakeReader(NOW), page_token=TOKEN, host="page.example") as browser:
        assert 401 == (await browser.get("/view.json", headers={"accept": "*/*"})).status_code


async def test_an_error_of_ours_has_the_safe_headers_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """500 comes from outside of the guard."""

    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Views, "machine", broken)
    async with page(FakeReader(NOW), raises=False) as browser:
        answer = await browser.get("/view.json")
    assert (500, "internal_error") == (answer.status_code, answer.json()["code"])
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert "ZeroDivision" not in answer.text


async def test_strangers_are_told_no_address() -> None:
    """The probe says that Redis is away, not where it is; metrics need the token."""
    reader = FakeReader(NOW)
    reader.away = True
    async with page(reader, page_token=TOKEN) as browser:
        probe = await browser.get("/healthz")
        assert (503, {"ready": False, "error": "Redis cannot be read"}) == (probe.status_code, probe.json())
        assert 401 == (await browser.get("/metrics", headers={"accept": "*/*"})).status_code
        metrics_ = await browser.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})
    assert "marketpulse_page_ready 0.0" in metrics_.text


async def test_a_page_without_a_token_answers_only_to_names_of_this_machine() -> None:
    """A name that somebody else's DNS leads here is refused."""
    async with page(FakeReader(NOW)) as browser:
        answers = [(await browser.get("/", headers={"host": host})).status_code for host in
                   ("127.0.0.1:8080", "localhost", "[::1]:8080", "evil.example", "evil.example:8080", "")]  # fmt: skip
    assert [200, 200, 200, 400, 400, 400] == answers


@pytest.mark.parametrize("token", [None, TOKEN])
async def test_a_mute_is_written_as_the_command_writes_it_and_ended_again(token: str | None) -> None:
    """The record of `market.mutes`, a tombstone; the answer leads back to the alerts."""
    written = Written()
    async with page(FakeReader(NOW), written, page_token=token) as browser:
        await browser.post("/login", data={"token": token or ""})
        csrf = csrf_of((await browser.get("/alerts")).text)
        fields = {"csrf": csrf, "kind": "surge", "market": "UK", "topic": "", "hours": "2", "comment": "known"}
        fields["author"] = "Ada"
        sent = await browser.post("/alerts/mute", data=fields)
        assert 303 == sent.status_code
        [(name, content)] = written.records
        mute = msgspec.json.decode(content or b"", type=MuteRecord)
        assert (name, "surge", "GB", None, 7_200_000, "known", "Ada") == (
            mute.id, mute.kind, mute.market, mute.topic, mute.until - mute.created_at, mute.comment, mute.author
        )  # fmt: skip
        assert f"Silence {name} was written" in (await browser.get(sent.headers["location"])).text
        assert 303 == (await browser.post("/alerts/unmute", data={"csrf": csrf, "id": name})).status_code
    assert (name, None) == written.records[1]


async def test_forms_of_other_sites_and_bad_ones_write_nothing() -> None:
    """No form token, another session's, no form, too large a form, a wrong market, no hours, no name."""
    written = Written()
    async with page(FakeReader(NOW), written) as browser:
        csrf = csrf_of((await browser.get("/alerts")).text)
        good = {"csrf": csrf, "hours": "2", "author": "Ada"}
        answers = [
            await browser.post("/alerts/mute", data={"hours": "2"}),
            await browser.post("/alerts/mute", data=good | {"csrf": csrf[::-1]}),
            await browser.post("/alerts/mute", json=good),
            await browser.post("/alerts/mute", data=good | {"comment": "x" * 9_000}),
            await browser.post("/alerts/mute", data=good | {"market": "XX"}),
            await browser.post("/alerts/mute", data=good | {"hours": "nan"}),
            await browser.post("/alerts/mute", data=good | {"author": " "}),
            await browser.get("/alerts/mute"),
        ]
    assert [403, 403, 403, 403, 400, 400, 400, 405] == [one.status_code for one in answers]
    assert [] == written.records


async def test_a_form_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a form: an answer in time, and nothing written."""
    monkeypatch.setattr(forms, "WITHIN_S", 0.05)

    async def half() -> AsyncIterator[bytes]:
        yield b"hours=2"
        await asyncio.sleep(20)

    written = Written()
    async with page(FakeReader(NOW), written) as browser:
        kind = {"content-type": "application/x-www-form-urlencoded"}
        answer = await browser.post("/alerts/mute", content=half(), headers=kind)
    assert (403, True, []) == (answer.status_code, "did not arrive" in answer.text, written.records)


async def test_a_page_without_kafka_says_so_instead_of_a_form() -> None:
    """No form; a post all the same is refused."""
    async with page(FakeReader(NOW), kafka="") as browser:
        text = (await browser.get("/alerts")).text
        answer = await browser.post("/alerts/mute", data={"hours": "2"})
    assert ("was given no Kafka" in text, 'action="/alerts/mute"' in text, 403) == (True, False, answer.status_code)


async def test_a_cookie_of_this_page_is_needed_not_just_any() -> None:
    """A forged cookie is no session."""
    async with page(FakeReader(NOW), page_token=TOKEN) as browser:
        answer = await browser.get("/", headers={"cookie": f"{COOKIE}=99999999999.x.y"})
    assert 303 == answer.status_code
