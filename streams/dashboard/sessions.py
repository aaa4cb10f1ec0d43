"""Sessions of browsers: signed cookies that are renewed while the page is used, and end at logout or after 12 hours."""

import contextlib
import hashlib
import hmac
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import NamedTuple

SESSION_S = 12 * 3600
"""After so long since the login a session ends, however much it is used."""
IDLE_S = 3600
"""After so long without a request it ends; with one in the second half of that its cookie is renewed."""
ENDED_KEPT = 10_000


class Session(NamedTuple):
    """One login: its id, until when this cookie is valid, and when the session ends at the latest (epoch s)."""

    id: str
    until: int
    ends: int


class Sessions:
    """Signed session cookies and the forms' tokens.

    Every replica with the same token knows a session; that one was ended at logout is known to this process alone, so
    elsewhere a copied cookie ends with its time. Without a token everybody on this machine is one session, and the key
    is this process's own.
    """

    def __init__(self, token: str | None, now: Callable[[], float] = time.time) -> None:
        self._token = token
        self._now = now
        secret = secrets.token_bytes(32) if token is None else token.encode()
        self._key = hmac.digest(secret, b"marketpulse page sessions", hashlib.sha256)
        self._ended: dict[str, int] = {}
        self._watched: defaultdict[str, set[Callable[[], object]]] = defaultdict(set)

    @property
    def needed(self) -> bool:
        """Whether a login is asked for."""
        return self._token is not None

    def fits(self, token: str) -> bool:
        """Whether a token is the right one; takes as long for a wrong one."""
        return self._token is not None and hmac.compare_digest(token.encode(), self._token.encode())

    def new(self) -> str:
        """The cookie of a session that begins now."""
        return self._cookie(secrets.token_urlsafe(16), int(self._now()) + SESSION_S)

    def session(self, cookie: str) -> Session | None:
        """The session of a cookie; None if it is forged, its time is over, or it was ended."""
        content, _, signature = cookie.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signed("cookie", content).encode()):
            return None
        until, ends, name = content.split(".")
        found = Session(name, int(until), int(ends))
        return found if found.until > self._now() and name not in self._ended else None

    def renewed(self, session: Session) -> str | None:
        """A cookie for another hour, where half of it has passed and the session has longer than that."""
        if session.until - self._now() > IDLE_S / 2 or session.until >= session.ends:
            return None
        return self._cookie(session.id, session.ends)

    def end(self, session: Session) -> None:
        """Nobody comes in with this session any more, and its streams are closed."""
        now = self._now()
        if len(self._ended) >= ENDED_KEPT:
            self._ended = {name: ends for name, ends in self._ended.items() if ends > now}
        self._ended[session.id] = session.ends
        for stop in list(self._watched.pop(session.id, ())):
            stop()

    @contextlib.contextmanager
    def watched(self, session: Session, stop: Callable[[], object]) -> Iterator[None]:
        """Within, `stop` is called when the session is ended."""
        self._watched[session.id].add(stop)
        try:
            yield
        finally:
            self._watched[session.id].discard(stop)
            if not self._watched[session.id]:
                self._watched.pop(session.id)

    def left_s(self, session: Session) -> float:
        """Seconds until its cookie is over."""
        return session.until - self._now()

    def form_token(self, session: Session | None) -> str:
        """What a form of this session carries, so that other sites cannot send it."""
        return self._signed("form", session.id if session and self.needed else "")

    def form_fits(self, session: Session | None, token: str) -> bool:
        """Whether a form's token is that of the session."""
        return hmac.compare_digest(token.encode(), self.form_token(session).encode())

    def _cookie(self, name: str, ends: int) -> str:
        content = f"{min(int(self._now()) + IDLE_S, ends)}.{ends}.{name}"
        return f"{content}.{self._signed('cookie', content)}"

    def _signed(self, purpose: str, content: str) -> str:
        return hmac.new(self._key, f"{purpose}:{content}".encode(), hashlib.sha256).hexdigest()
