"""The page's guard: who may come in, and the headers that tell a browser what it may do with an answer."""

from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streams.dashboard.attempts import Attempts
from streams.dashboard.sessions import SESSION_S, Session, Sessions
from streams.serving.access import address_of, asks_loopback, bearer_of
from streams.serving.refused_tokens import RefusedTokens
from streams.telemetry.logs import get_logger

COOKIE = "marketpulse_page"
SECURE_COOKIE = f"__Host-{COOKIE}"
"""Under https: browsers take a cookie of this name from this host alone, and only over TLS."""
OPEN = ("/login", "/healthz")
"""What needs no token: nothing of any market is in it, and no address."""
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
HSTS = {"Strict-Transport-Security": "max-age=31536000"}


def session_of(request: HTTPConnection) -> Session | None:
    """The session that a request came in with."""
    found: Session | None = getattr(request.state, "session", None)
    return found


def is_secure(request: HTTPConnection) -> bool:
    """Whether the browser speaks https, as the connection, a trusted proxy or a setting says."""
    return bool(getattr(request.state, "secure", False))


def set_cookie(answer: Response, cookie: str, secure: bool) -> None:
    """Give a browser its session; the server knows when it ends."""
    name = SECURE_COOKIE if secure else COOKIE
    answer.set_cookie(name, cookie, max_age=SESSION_S, path="/", httponly=True, samesite="strict", secure=secure)


def delete_cookie(answer: Response, secure: bool) -> None:
    """Take a browser's session away."""
    answer.delete_cookie(
        SECURE_COOKIE if secure else COOKIE, path="/", httponly=True, samesite="strict", secure=secure
    )  # fmt: skip


def failed(request: Request, _: Exception) -> Response:
    """The answer to a request that ended in an error of ours; it is made outside of the guard."""
    headers = HEADERS | {"Cache-Control": "no-store"} | (HSTS if is_secure(request) else {})
    return JSONResponse({"code": "internal_error", "error": "see the page's log"}, 500, headers=headers)


class Guard:
    """Lets in who may come in, and puts the safe headers on every answer; streams pass unbuffered.

    Without a token only names of this machine are answered, so that no other site can be made to lead here, and of
    other sites only links: their pictures, frames and scripts could read no answer, but make the page work.
    `secure`: browsers speak https, whatever the connection says.
    """

    def __init__(self, app: ASGIApp, sessions: Sessions, attempts: Attempts, secure: bool) -> None:
        self._app = app
        self._sessions = sessions
        self._attempts = attempts
        self._secure = secure
        self._refused = RefusedTokens(get_logger("dashboard"), "page_token_refused")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        secure = connection.state.secure = self._secure or scope["scheme"] == "https"
        session = self._sessions.session(connection.cookies.get(SECURE_COOKIE if secure else COOKIE, ""))
        connection.state.session = session
        connection.state.known = session is not None or not self._sessions.needed  # see `serving.connections`

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS | (HSTS if secure else {}))
                headers.setdefault("Cache-Control", "no-store")
                self._renew(headers, session, secure)
            await send(message)

        refusal = self._refusal(connection, session)
        await (refusal or self._app)(scope, receive, send_with_headers)

    def _renew(self, headers: MutableHeaders, session: Session | None, secure: bool) -> None:
        if session is None or "set-cookie" in headers or headers["Cache-Control"] != "no-store":
            return
        if (cookie := self._sessions.renewed(session)) is not None:
            answer = Response()
            set_cookie(answer, cookie, secure)
            headers.append("set-cookie", answer.headers["set-cookie"])

    def _refusal(self, connection: HTTPConnection, session: Session | None) -> Response | None:
        # Never from connection.url: older Starlette makes its path from the Host header, which the client writes.
        path = connection.scope["path"]
        if not self._sessions.needed:
            if not asks_loopback(connection.headers):
                return _coded(400, "bad_host", "this page is served on this machine only")
            asked = connection.headers.get
            if asked("sec-fetch-site") == "cross-site" and asked("sec-fetch-dest") != "document":
                return _coded(403, "other_site", "another site asks, and this page is for this machine")
            return None
        if path in OPEN or path.startswith("/static/"):
            return None
        token, address = bearer_of(connection.headers), address_of(connection)
        if token is not None:
            if self._sessions.fits(token):  # never held up: others behind the same address may have guessed
                connection.state.known = True
                return None
            self._refused(connection)
            if (wait := self._attempts.wait_s(address)) > 0:
                return too_many(wait)
            self._attempts.failed(address)
            return _coded(401, "wrong_token", "the token is not the right one")
        if session is not None:
            return None
        if connection.scope["method"] == "GET" and "text/html" in connection.headers.get("accept", ""):
            query = connection.scope["query_string"].decode("latin-1")
            return RedirectResponse(f"/login?next={quote(path + (f'?{query}' if query else ''), safe='')}", 303)
        return _coded(401, "not_logged_in", "log in, or send Authorization: Bearer")


def too_many(wait_s: float) -> Response:
    """The answer to somebody who failed too often."""
    answer = _coded(429, "too_many_failures", f"too many failed logins; try again in {wait_s:.0f} s")
    answer.headers["Retry-After"] = str(int(wait_s) + 1)
    return answer


def _coded(status: int, code: str, message: str) -> Response:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return JSONResponse({"code": code, "error": message}, status_code=status, headers=headers)
