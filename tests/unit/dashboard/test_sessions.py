"""Sessions, cookies and streams that end; failed logins of clients and of all together."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import pytest
from starlette.types import Message

from streams.dashboard import sessions, sse
from streams.dashboard.attempts import CLIENTS, FAILURES, FAILURES_OF_ALL, Attempts
from streams.dashboard.security import COOKIE, SECURE_COOKIE
from streams.dashboard.sessions import IDLE_S, SESSION_S, Sessions
from streams.dashboard.static_files import PLOTLY_PATH
from tests.support.waiting import until_async
from tests.unit.dashboard.fakes import NOW, TOKEN, FakeReader, csrf_of, page


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
    attempts.worked("a")  # the limit of all clients together does not hold it up
    for _ in range(FAILURES):
        attempts.failed("a")
    for number in range(CLIENTS):
        attempts.failed(f"c{number}")
    assert 0.0 == attempts.wait_s("a")


def test_a_whole_ipv6_network_is_one_client() -> None:
    """Somebody with a /64 has as many tries as somebody with one IPv4 address."""
    attempts = Attempts(lambda: 0.0)
    for number in range(FAILURES):
        attempts.failed(f"2001:db8:1:2::{number:x}")
    assert (60.0, 0.0) == (attempts.wait_s("2001:db8:1:2:ffff::1"), attempts.wait_s("2001:db8:1:3::1"))
    for _ in range(FAILURES):
        attempts.failed("::ffff:192.0.2.7")
    assert 60.0 == attempts.wait_s("192.0.2.7")


def test_guesses_from_many_addresses_hold_up_who_never_logged_in() -> None:
    """Not who did."""
    attempts = Attempts(lambda: 0.0)
    attempts.worked("192.0.2.1")
    for number in range(FAILURES_OF_ALL):
        attempts.failed(f"198.51.100.{number}")
    assert (0.0, 60.0) == (attempts.wait_s("192.0.2.1"), attempts.wait_s("203.0.113.1"))


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
    assert [None] * len(forged) == [sessions.session(one) for one in forged]
    assert sessions.form_token(sessions.session(cookie)) != sessions.form_token(sessions.session(sessions.new()))
    assert sessions.session(cookie)
    now[0] += IDLE_S
    assert not sessions.session(cookie)


def test_a_session_that_is_used_is_renewed_up_to_its_end() -> None:
    """Its forms stay valid meanwhile; after 12 hours it is over."""
    now = [1_000.0]
    sessions = Sessions(TOKEN, lambda: now[0])
    cookie, renewals = sessions.new(), 0
    session = sessions.session(cookie)
    form = sessions.form_token(session)
    assert session
    assert sessions.renewed(session) is None
    while (session := sessions.session(cookie)) is not None:
        assert sessions.form_fits(session, form)
        if (renewed := sessions.renewed(session)) is not None:
            cookie, renewals = renewed, renewals + 1
        now[0] += IDLE_S / 2
    assert (1_000 + SESSION_S, True) == (now[0], renewals > 10)


async def test_a_cookie_is_worth_nothing_after_the_logout() -> None:
    """Also one that was copied; the stream of the session is closed."""
    async with page(FakeReader(NOW), page_token=TOKEN) as browser:
        await browser.post("/login", data={"token": TOKEN})
        copied = {"cookie": f"{COOKIE}={browser.cookies[COOKIE]}"}
        bearer = {"authorization": f"Bearer {TOKEN}"}
        csrf = csrf_of((await browser.get("/alerts")).text)
        stream = asyncio.create_task(browser.get("/events?view=markets", headers=copied))

        async def opened() -> bool:
            return "marketpulse_page_streams 1.0" in (await browser.get("/metrics", headers=copied)).text

        await until_async(opened)
        await browser.post("/logout", data={"csrf": csrf})
        closed = await asyncio.wait_for(stream, 10)
        assert (200, True) == (closed.status_code, b"event: view" in closed.content)
        assert "marketpulse_page_streams 0.0" in (await browser.get("/metrics", headers=bearer)).text
        assert 401 == (await browser.get("/view.json", headers=copied | {"accept": "*/*"})).status_code


async def test_a_stream_ends_with_its_age_and_a_client_may_have_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer ends as it should; one more than a client may have is 429, a proxy's are not limited."""
    monkeypatch.setattr(sse, "STREAM_S", 0.2)
    monkeypatch.setattr(sse, "MAX_OF_CLIENT", 2)
    for client, statuses in (("192.0.2.7", [200, 200, 429]), ("127.0.0.1", [200, 200, 200])):
        async with page(FakeReader(NOW), client=client) as browser:
            for _ in range(2):  # and again, once they have ended
                answers = await asyncio.gather(*(browser.get("/events?view=markets") for _ in range(3)))
                assert statuses == sorted(one.status_code for one in answers)
                assert 2 <= sum(b"event: view" in one.content for one in answers)


async def test_a_cookie_is_renewed_while_the_page_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the second half of its hour, by any answer that is not kept; the stream's too."""
    monkeypatch.setattr(sse, "STREAM_S", 0.05)
    async with page(FakeReader(NOW), page_token=TOKEN) as browser:
        await browser.post("/login", data={"token": TOKEN})
        assert "set-cookie" not in (await browser.get("/alerts")).headers
        monkeypatch.setattr(sessions, "IDLE_S", 3 * IDLE_S)
        old = {"cookie": f"{COOKIE}={browser.cookies[COOKIE]}"}
        for path, renewed in (("/alerts", True), ("/events?view=markets", True), (PLOTLY_PATH, False)):
            browser.cookies.clear()
            assert renewed == ("set-cookie" in (await browser.get(path, headers=old)).headers), path


@pytest.mark.parametrize("settings", [{"page_secure_cookie": True}, {}], ids=["setting", "proxy"])
async def test_behind_tls_the_cookie_is_of_this_host_alone(settings: dict[str, bool]) -> None:
    """`__Host-`, Secure, HSTS, whether a setting or the scheme says so; a cookie of another name is none."""
    scheme = "http" if settings else "https"
    async with page(FakeReader(NOW), page_token=TOKEN, scheme=scheme, **settings) as browser:
        login = await browser.post("/login", data={"token": TOKEN})
        cookie = login.headers["set-cookie"]
        assert cookie.startswith(f"{SECURE_COOKIE}=")
        assert {"secure", "path=/", "httponly"} <= set(cookie.lower().split("; "))
        assert "max-age" in login.headers["strict-transport-security"]
        value = cookie.partition("=")[2].partition(";")[0]
        for name, status in ((SECURE_COOKIE, 200), (COOKIE, 401)):
            browser.cookies.clear()
            answer = await browser.get("/view.json", headers={"cookie": f"{name}={value}", "accept": "*/*"})
            assert status == answer.status_code


async def test_a_stream_that_fails_is_not_ended_as_if_it_were_whole() -> None:
    """A client that takes nothing: the error goes on, so that the server closes the connection."""
    sent: list[Message] = []

    async def broken() -> AsyncGenerator[bytes]:
        raise TimeoutError
        yield b""

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        await asyncio.sleep(20)
        return {"type": "http.disconnect"}

    stream = sse._Stream(broken(), lambda _: contextlib.nullcontext())
    with pytest.raises((TimeoutError, ExceptionGroup)):
        await stream({"type": "http", "method": "GET"}, receive, send)
    assert [] == [one for one in sent if one.get("more_body") is False]
