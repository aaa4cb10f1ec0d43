"""One client's stream of a view: it resumes by the id of the last change it saw, or is told that it cannot."""

import contextlib
from collections.abc import AsyncGenerator

import msgspec
from sse_starlette import EventSourceResponse
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from marketpulse.client.snapshot import Change
from streams.dashboard.feed import MOST_CLIENTS, Feed
from streams.dashboard.parts import ViewKey

PING_S = 10.0
SEND_TIMEOUT_S = 60.0
"""A client that has not taken one message for so long is dropped, and resumes when it comes back; see `listen_on`."""


def stream_of(request: Request, feed: Feed, key: ViewKey) -> Response:
    """The stream: `resumed` or `reset` where the client names a last change, then `view` messages for ever."""
    if feed.clients >= MOST_CLIENTS:
        answer = JSONResponse({"code": "too_many_clients", "error": "too many pages are open"}, status_code=503)
        answer.headers["Retry-After"] = "30"
        return answer
    last = request.headers.get("last-event-id") or request.query_params.get("after")
    return EventSourceResponse(messages(feed, key, last), ping=PING_S, send_timeout=SEND_TIMEOUT_S)


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
