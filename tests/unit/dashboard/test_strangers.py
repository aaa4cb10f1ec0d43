"""Strangers: whose connections give way first, and what other sites may ask of a page without a token."""

import httpx
import pytest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from streams.dashboard.attempts import Attempts
from streams.dashboard.security import COOKIE, Guard
from streams.dashboard.sessions import Sessions
from tests.unit.dashboard.fakes import NOW, TOKEN, FakeReader, page


@pytest.mark.parametrize(
    ("path", "bearer", "cookie", "known"),
    [
        ("/login", "", False, False),
        ("/static/page.js", "", False, False),
        ("/static/page.js", TOKEN, False, False),
        ("/view.json", "guess", False, False),
        ("/view.json", TOKEN, False, True),
        ("/static/page.js", "", True, True),
    ],
)
async def test_connections_of_strangers_are_told_apart(path: str, bearer: str, cookie: bool, known: bool) -> None:
    """By session or bearer; one that is not tried, since the path is open to all, says nothing."""
    sessions = Sessions(TOKEN)
    headers = {"authorization": f"Bearer {bearer}"} if bearer else {}
    found = await known_of(sessions, path, headers | ({"cookie": f"{COOKIE}={sessions.new()}"} if cookie else {}))
    assert known == found


async def test_without_a_token_nobody_is_a_stranger() -> None:
    """The page is for this machine alone."""
    assert await known_of(Sessions(None), "/view.json", {})


async def known_of(sessions: Sessions, path: str, headers: dict[str, str]) -> bool:
    """What the guard tells the server of who asks."""
    guard, state = Guard(Response(), sessions, Attempts(), secure=False), dict[str, bool]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = state
        await guard(scope, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        await client.get(path, headers=headers)
    return state["known"]


@pytest.mark.parametrize(
    ("site", "use", "token", "status"),
    [
        ("cross-site", "image", None, 403),
        ("cross-site", "iframe", None, 403),
        ("cross-site", "empty", None, 403),
        ("cross-site", "document", None, 200),
        ("same-origin", "empty", None, 200),
        ("none", "document", None, 200),
        ("cross-site", "image", TOKEN, 303),
    ],
)
async def test_without_a_token_other_sites_cannot_make_the_page_work(
    site: str, use: str, token: str | None, status: int
) -> None:
    """A browser says what a request is for: a link leads here; a picture, a frame or a script does not."""
    async with page(FakeReader(NOW), page_token=token) as browser:
        answer = await browser.get("/health", headers={"Sec-Fetch-Site": site, "Sec-Fetch-Dest": use})
    assert status == answer.status_code
