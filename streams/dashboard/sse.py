"""One client's stream of a view: it resumes by the id of the last change it saw, or is told that it cannot."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractContextManager

import msgspec
from sse_starlette import EventSourceResponse
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from marketpulse.client.snapshot import Change
from streams.dashboard.feed import MOST_CLIENTS, Feed
from streams.dashboard.parts import ViewKey
from streams.dashboard.security import session_of
from streams.dashboard.sessions import Sessions
from streams.serving.access import Proxies, address_of, client_of

PING_S = 10.0
STREAM_S = 900.0
"""Age at which a stream ends; its client comes back, and its session is looked at again."""
MAX_OF_CLIENT = 100
SEND_TIMEOUT_S = 60.0
"""A client that has not taken one message for so long is dropped, and resumes when it comes back; see `listen_on`."""


class Streams:
    """The streams that are open: how many, how many of each client, and until when.

    Args:
        feed: what is sent.
        sessions: whose end closes a stream.
        proxies: addresses that speak for many clients; no limit of one client holds for them.
    """

    def __init__(self, feed: Feed, sessions: Sessions, proxies: Proxies) -> None:
        self._feed = feed
        self._sessions = sessions
        self._proxies = proxies
        self._of_client: Counter[str] = Counter()

    def open(self, request: Request, key: ViewKey) -> Response:
        """The stream: `resumed` or `reset` where the client names a last change, then `view` messages.

        It ends after about a quarter of an hour, and with its session; a browser comes back by itself.
        """
        address = address_of(request)
        client = client_of(address)
        limited = address not in self._proxies
        if self._feed.clients >= MOST_CLIENTS:
            return _full(503, "too_many_clients", "too many pages are open")
        if limited and self._of_client[client] >= MAX_OF_CLIENT:
            return _full(429, "too_many_streams", f"{MAX_OF_CLIENT} pages are open from this address")
        last = request.headers.get("last-event-id") or request.query_params.get("after")
        return _Stream(messages(self._feed, key, last), lambda stop: self._held(request, client, stop))

    @contextlib.contextmanager
    def _held(self, request: Request, client: str, limit: asyncio.Timeout) -> Iterator[None]:
        session = session_of(request)
        age_s = STREAM_S * random.uniform(0.8, 1.0)  # so that pages do not all come back at once
        now = asyncio.get_running_loop().time
        limit.reschedule(now() + (age_s if session is None else min(age_s, self._sessions.left_s(session))))

        def end() -> None:
            if not limit.expired():
                limit.reschedule(now())

        self._of_client[client] += 1
        try:
            if session is None:
                yield
            else:
                with self._sessions.watched(session, end):
                    yield
        finally:
            self._of_client[client] -= 1
            if not self._of_client[client]:
                del self._of_client[client]


class _Stream(EventSourceResponse):
    """Messages until they end, the client goes, or its time is over; then the answer ends as it should."""

    def __init__(
        self, found: AsyncGenerator[bytes], held: Callable[[asyncio.Timeout], AbstractContextManager[None]]
    ) -> None:
        super().__init__(found, ping=PING_S, send_timeout=SEND_TIMEOUT_S)
        self._found = found
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        limit = asyncio.timeout(None)
        try:
            async with limit:
                with self._held(limit):
                    await super().__call__(scope, receive, send)
        except TimeoutError:
            if not limit.expired():  # a client that takes nothing
                raise
            last = send({"type": "http.response.body", "body": b"", "more_body": False})
            await asyncio.wait_for(last, SEND_TIMEOUT_S)
        finally:
            await self._found.aclose()


def _full(status: int, code: str, message: str) -> Response:
    return JSONResponse({"code": code, "error": message}, status, headers={"Retry-After": "30"})


async def messages(feed: Feed, key: ViewKey, last: str | None) -> AsyncGenerator[bytes]:
    """What one client is sent.

    Args:
        feed: what was read.
        key: which view.
        last: id of the last change that the client has seen; None = it is new.
    """
    if last is not None and feed.seen is not None:
        missed = feed.since(last)
        if missed is None:
            yield event("reset", {"after": last, "why": "that change is no longer kept; read a snapshot"})
        else:
            yield event("resumed", {"after": last, "missed": [_plain(one) for one in missed[-100:]], "of": len(missed)})
    async with contextlib.aclosing(feed.messages(key)) as found:  # so that a client that goes is forgotten at once
        async for message in found:
            yield message


def event(kind: str, data: dict[str, object]) -> bytes:
    """One message without an id."""
    return b"event: " + kind.encode() + b"\r\ndata: " + msgspec.json.encode(data) + b"\r\n\r\n"


def _plain(change: Change) -> dict[str, object]:
    return {"id": change.id, "step": change.step, "markets": list(change.markets), "alerts": change.alerts,
            "allocation": change.allocation}  # fmt: skip
