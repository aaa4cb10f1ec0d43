"""Who may see the page, and what a browser may do with it: token, sessions, forms' tokens, response headers."""

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streams.serving.access import asks_loopback, bearer_of

COOKIE = "marketpulse_page"
SESSION_S = 12 * 3600
FAILURES = 5
FAILURES_WITHIN_S = 60.0
ADDRESSES = 1_000
OPEN = ("/login", "/healthz", "/metrics")
"""What needs no token: nothing of any market is in it."""
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Sessions:
    """Signed session cookies and the forms' tokens; nothing is stored, so every replica with the same token agrees.

    Without a token everybody on this machine is one session, and the key is this process's own.
    """

    def __init__(self, token: str | None, now: Callable[[], float] = time.time) -> None:
        self._token = token
        self._now = now
        secret = secrets.token_bytes(32) if token is None else token.encode()
        self._key = hmac.digest(secret, b"marketpulse page sessions", hashlib.sha256)

    @property
    def needed(self) -> bool:
        """Whether a login is asked for."""
        return self._token is not None

    def fits(self, token: str) -> bool:
        """Whether a token is the right one; takes as long for a wrong one."""
        return self._token is not None and hmac.compare_digest(token.encode(), self._token.encode())

    def new(self) -> str:
        """The cookie of a session that begins now."""
        content = f"{int(self._now()) + SESSION_S}.{secrets.token_urlsafe(16)}"
        return f"{content}.{self._signed('session', content)}"

    def valid(self, cookie: str) -> bool:
        """Whether a cookie was made by `new` and its time is not over."""
        content, _, signature = cookie.rpartition(".")
        until = content.partition(".")[0]
        return (
            hmac.compare_digest(signature.encode(), self._signed("session", content).encode())
            and until.isdecimal()
            and int(until) > self._now()
        )

    def form_token(self, cookie: str | None) -> str:
        """What a form of this session carries, so that other sites cannot send it."""
        return self._signed("form", cookie if cookie and self.needed else "")

    def form_fits(self, cookie: str | None, token: str) -> bool:
        """Whether a form's token is that of the session."""
        return hmac.compare_digest(token.encode(), self.form_token(cookie).encode())

    def _signed(self, purpose: str, content: str) -> str:
        return hmac.new(self._key, f"{purpose}:{content}".encode(), hashlib.sha256).hexdigest()


class Attempts:
    """Failed logins per address; bounded, the address that failed longest ago goes first."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._failed: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_s(self, address: str) -> float:
        """Seconds until this address may try again; 0 = now."""
        times = self._failed.get(address)
        if times is None or len(times) < FAILURES:
            return 0.0
        return max(0.0, times[0] + FAILURES_WITHIN_S - self._now())

    def failed(self, address: str) -> None:
        """Remember one failure."""
        self._failed.setdefault(address, deque(maxlen=FAILURES)).append(self._now())
        self._failed.move_to_end(address)
        while len(self._failed) > ADDRESSES:
            self._failed.popitem(last=False)

    def forget(self, address: str) -> None:
        """A login that worked."""
        self._failed.pop(address, None)


def address_of(connection: HTTPConnection) -> str:
    """Who asks, as far as the connection tells."""
    return connection.client.host if connection.client else "?"


class Guard:
    """Lets in who may come in, and puts the safe headers on every answer; streams pass unbuffered.

    Without a token only names of this machine are answered, so that no other site's name can be made to lead here.
    """

    def __init__(self, app: ASGIApp, sessions: Sessions, attempts: Attempts) -> None:
        self._app = app
        self._sessions = sessions
        self._attempts = attempts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = self._refusal(HTTPConnection(scope))
        await (refusal or self._app)(scope, receive, send_with_headers)

    def _refusal(self, connection: HTTPConnection) -> Response | None:
        path = connection.url.path
        if not self._sessions.needed:
            if asks_loopback(connection.headers):
                return None
            return _coded(400, "bad_host", "this page is served on this machine only")
        if path in OPEN or path.startswith("/static/"):
            return None
        token, address = bearer_of(connection.headers), address_of(connection)
        if token is not None:
            if (wait := self._attempts.wait_s(address)) > 0:
                return too_many(wait)
            if self._sessions.fits(token):
                return None
            self._attempts.failed(address)
            return _coded(401, "wrong_token", "the token is not the right one")
        if self._sessions.valid(connection.cookies.get(COOKIE, "")):
            return None
        if connection.scope["method"] == "GET" and "text/html" in connection.headers.get("accept", ""):
            wanted = path + (f"?{connection.url.query}" if connection.url.query else "")
            return RedirectResponse(f"/login?next={quote(wanted, safe='')}", 303)
        return _coded(401, "not_logged_in", "log in, or send Authorization: Bearer")


def too_many(wait_s: float) -> Response:
    """The answer to somebody who failed too often."""
    answer = _coded(429, "too_many_failures", f"too many failed logins; try again in {wait_s:.0f} s")
    answer.headers["Retry-After"] = str(int(wait_s) + 1)
    return answer


def _coded(status: int, code: str, message: str) -> Response:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return JSONResponse({"code": code, "error": message}, status_code=status, headers=headers)
