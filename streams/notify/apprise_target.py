"""Any target of the library Apprise, chat or e-mail say: a few lines of text; the extra `notify` brings the library."""

import asyncio
import importlib
import io
import logging
import re
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from marketpulse.contract.records import AlertRecord
from marketpulse.contract.words import without_excerpts
from marketpulse.errors import OperatorNeeded
from streams.notify.addresses import Allowed, guarded_thread
from streams.notify.errors import Away, Refused, Undelivered
from streams.notify.http import ANSWER_BYTES, REFUSED
from streams.notify.messages import Message, grouped, text, title

LOCAL = ("dbus", "glib", "gnome", "kde", "macosx", "qt", "syslog", "windows", "file", "kodi", "pipe")
"""Schemas that reach this machine instead of a receiver."""
THREADED = ("mqtt", "mqtts", "xmpp", "xmpps")
"""Schemas whose libraries connect from their own threads: no guard sees where to, no time limit ends them."""
QUOTING = ("apprise", "urllib3", "requests", "oauthlib", "requests_oauthlib")
"""Loggers of the library, and of what it sends by, that quote URLs and answers with the tokens in them."""
LEAST_ROOM = 100
ANSWER_S = 30.0
"""Longest time for the body of an answer, in seconds: the longest `timeout` that a sink may have."""
UNESCAPED = 0.8
_LINK = re.compile(r"\](?=[\[(:])|<(?=\S)")


class AppriseSink:
    """Sends text to one Apprise URL, in a thread of its own that may reach allowed hosts only."""

    resend_s: float | None = None

    def __init__(self, target: Any, allowed: Allowed, timeout_s: float, page: str | None, excerpts: bool) -> None:
        self._target = target
        self._allowed = allowed
        self._timeout_s = timeout_s
        self._page = page
        self._excerpts = excerpts
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="apprise")

    def divided(self, alerts: Sequence[AlertRecord]) -> list[Message]:
        """One message per market or cause."""
        return grouped(alerts)

    def shown(self, message: Message, now_ms: int) -> str:
        """Title and text."""
        return "\n".join(self._words(message))

    async def send(self, message: Message, now_ms: int) -> None:
        """Raises Undelivered."""
        work = asyncio.get_running_loop().run_in_executor(self._thread, self._notify, *self._words(message))
        try:
            problem = await asyncio.wait_for(work, 3 * self._timeout_s)  # connecting, reading, and what a library adds
        except TimeoutError as error:
            raise Away("no answer in time") from error
        if problem is not None:
            raise problem

    async def close(self) -> None:
        """End the thread; one that hangs is left to its own time limit."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _words(self, message: Message) -> tuple[str, str]:
        alerts = message.alerts if self._excerpts else tuple(map(without_excerpts, message.alerts))
        shown = Message(alerts, message.summary)
        subject = title(shown)
        return subject, text(shown, self._page, self._room(subject))

    def _room(self, subject: str) -> int:
        """Characters for the text: what the service takes, less the title and what escaping its marks adds."""
        return max(LEAST_ROOM, int(UNESCAPED * self._target.body_maxlen) - len(subject))

    def _notify(self, subject: str, body: str) -> Undelivered | None:
        """Send in this thread; why it did not work, or None."""
        said = _Codes()
        logger = logging.getLogger("apprise")
        logger.addHandler(said)
        try:
            with guarded_thread(self._allowed) as guard:
                # The plugin itself: the library's `Apprise.notify` would send from a thread that nothing guards.
                taken = self._target.notify(**_converted(self._target, subject, body), notify_type="info")
            refused: str | None = guard.refused
        except Exception as error:
            return Away(f"the library failed with {type(error).__name__}")
        finally:
            logger.removeHandler(said)
        if taken:
            return None
        return Refused(said.problem) if said.code in REFUSED and not refused else Away(refused or said.problem)


def _converted(target: Any, subject: str, body: str) -> dict[str, Any]:
    """Title and body as the plugin writes them, with the marks of HTML or Markdown in them escaped.

    The plugin takes what it is given for its own format, also where it is called with another one.
    """
    convert = importlib.import_module("apprise.conversion.format").convert_between
    plain = importlib.import_module("apprise").NotifyFormat.TEXT
    written = target.resolve_format(plain)
    if written == plain:  # many services read Markdown in it all the same
        subject, body = _unlinked(subject), _unlinked(body)
    elif target.title_maxlen <= 0:  # the plugin puts the title before the body
        subject = convert(plain, written, subject)
    return {"title": subject, "body": convert(plain, written, body), "body_format": written}


def _unlinked(text: str) -> str:
    """The text with a zero-width space where a link of Markdown, of HTML or of Slack would begin its target."""
    return _LINK.sub("\\g<0>\u200b", text)


class _Codes(logging.Handler):
    """What the library logged of its failure in this thread: the HTTP code alone, since the rest may hold tokens."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._of = threading.get_ident()
        self.problem = "the library could not send it"
        self.code: int | None = None

    def emit(self, record: logging.LogRecord) -> None:
        code = record.getMessage().rpartition("error=")[2].rstrip(".")
        if record.thread == self._of and code.isascii() and code.isdecimal():
            self.problem, self.code = f"HTTP {code}", int(code)


def apprise_target(url: str, timeout_s: float) -> Any:
    """The library's plugin for one URL: no redirects, no files, its own log and that of what it sends by silent.

    Raises:
        OperatorNeeded: the library is not installed.
        Refused: the library does not know such a URL, it reaches this machine itself, or from other threads.
    """
    try:
        apprise = importlib.import_module("apprise")
    except ImportError as error:
        raise OperatorNeeded(
            "a sink of kind apprise needs the library. Operator action: install the extra `notify`."
        ) from error
    for name in QUOTING:
        logger = logging.getLogger(name)
        logger.propagate = False
        logger.handlers[:] = [logging.NullHandler()]  # without any, Python prints warnings
    asset = apprise.AppriseAsset(async_mode=False, http_redirects=False, secure_logging=True, storage_mode="memory")
    schema = url.partition("://")[0].lower()
    one = (
        None if schema in LOCAL + THREADED else apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    )
    if one is None:
        raise Refused("no URL of a target that Apprise reaches on a host from the sink's own thread")
    one.socket_connect_timeout = one.socket_read_timeout = timeout_s
    _bound_answers()
    return one


def _bound_answers() -> None:
    """Let the library read ANSWER_BYTES of an answer at most, unpacked, within ANSWER_S: by itself it reads all."""
    sessions: Any = importlib.import_module("requests.sessions")
    adapters: Any = importlib.import_module("requests.adapters")

    class BoundedAdapter(adapters.HTTPAdapter):  # type: ignore[misc]
        def send(self, *arguments: Any, **options: Any) -> Any:
            answer = super().send(*arguments, **options)
            whole, found, until = answer.raw, b"", time.monotonic() + ANSWER_S
            while len(found) < ANSWER_BYTES and time.monotonic() < until:
                if not (part := whole.read1(ANSWER_BYTES - len(found), decode_content=True)):
                    break
                found += part
            whole.close()
            answer.raw = io.BytesIO(found)
            return answer

    sessions.HTTPAdapter = BoundedAdapter  # each session, and so each request of the library, mounts it
