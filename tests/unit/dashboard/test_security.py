"""Who gets in: headers, token, sessions, forms of other sites, failures in a row."""

import re

import httpx
import msgspec
import pytest

from marketpulse.contract.operators import MuteRecord
from streams.dashboard.security import COOKIE, FAILURES, SESSION_S, Attempts, Sessions
from tests.unit.dashboard.fakes import TOKEN, FakeReader, Written, metrics, page, snapshot

NOW = snapshot(BR=metrics())


def csrf_of(text: str) -> str:
    return re.findall(r'name="csrf" value="(\w+)"', text)[0]


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


@pytest.mark.parametrize("way", ["form", "bearer"])
async def test_failures_in_a_row_have_to_wait_even_with_the_right_token(way: str) -> None:
    """429 with Retry-After after five; another address is not held up."""

    async def attempt(browser: httpx.AsyncClient, token: str) -> httpx.Response:
        if way == "form":
            return await browser.post("/login", data={"token": token})
        return await browser.get("/view.json", headers={"authorization": f"Bearer {token}"})

    async with page(FakeReader(NOW), page_token=TOKEN) as browser:
        assert [401] * FAILURES == [(await attempt(browser, "guess")).status_code for _ in range(FAILURES)]
        held = await attempt(browser, TOKEN)
        assert (429, True) == (held.status_code, int(held.headers["retry-after"]) > 0)


def test_an_address_may_try_again_after_a_minute_and_the_list_stays_short() -> None:
    """Time passes; many addresses push the oldest out."""
    now = [0.0]
    attempts = Attempts(lambda: now[0])
    for _ in range(FAILURES):
        attempts.failed("a")
    assert (60.0, 0.0) == (attempts.wait_s("a"), attempts.wait_s("b"))
    now[0] = 61.0
    assert 0.0 == attempts.wait_s("a")
    now[0] = 0.0
    for number in range(2_000):
        attempts.failed(f"c{number}")
    assert 0.0 == attempts.wait_s("a")


def test_a_session_ends_and_cannot_be_forged_or_lengthened() -> None:
    """Another token's cookie, a changed end, nonsense, a time that is over: none is valid."""
    now = [1_000.0]
    sessions = Sessions(TOKEN, lambda: now[0])
    cookie = sessions.new()
    until, rest = cookie.split(".", 1)
    forged = [
        Sessions("another token, as long", lambda: 1_000.0).new(),
        f"{int(until) + 1}.{rest}",
        "",
        ".",
        "é.é.é",
        "x",
    ]
    assert [True, *[False] * len(forged)] == [sessions.valid(one) for one in (cookie, *forged)]
    assert sessions.form_token(cookie) != sessions.form_token(sessions.new())
    now[0] += SESSION_S + 1
    assert not sessions.valid(cookie)


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
        sent = await browser.post("/alerts/mute", data=fields)
        assert 303 == sent.status_code
        [(name, content)] = written.records
        mute = msgspec.json.decode(content or b"", type=MuteRecord)
        assert (name, "surge", "GB", None, 7_200_000, "known") == (
            mute.id, mute.kind, mute.market, mute.topic, mute.until - mute.created_at, mute.comment
        )  # fmt: skip
        assert f"Silence {name} was written" in (await browser.get(sent.headers["location"])).text
        assert 303 == (await browser.post("/alerts/unmute", data={"csrf": csrf, "id": name})).status_code
    assert (name, None) == written.records[1]


async def test_forms_of_other_sites_and_bad_ones_write_nothing() -> None:
    """No form token, another session's, no form, too large a form, a wrong market, no hours."""
    written = Written()
    async with page(FakeReader(NOW), written) as browser:
        csrf = csrf_of((await browser.get("/alerts")).text)
        good = {"csrf": csrf, "hours": "2"}
        answers = [
            await browser.post("/alerts/mute", data={"hours": "2"}),
            await browser.post("/alerts/mute", data=good | {"csrf": csrf[::-1]}),
            await browser.post("/alerts/mute", json=good),
            await browser.post("/alerts/mute", data=good | {"comment": "x" * 9_000}),
            await browser.post("/alerts/mute", data=good | {"market": "XX"}),
            await browser.post("/alerts/mute", data=good | {"hours": "nan"}),
            await browser.get("/alerts/mute"),
        ]
    assert [403, 403, 403, 403, 400, 400, 405] == [one.status_code for one in answers]
    assert [] == written.records


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
