"""Any target of the library Apprise, chat or e-mail say: a few lines of text; the extra `notify` brings the library."""

import asyncio
import importlib
import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from marketpulse.contract.records import AlertRecord
from marketpulse.errors import OperatorNeeded
from streams.notify.addresses import Allowed, guarded_thread
from streams.notify.errors import Away, Refused
from streams.notify.messages import Message, grouped, text, title, without_excerpts

LOCAL = ("dbus", "glib", "gnome", "kde", "macosx", "qt", "syslog", "windows", "file", "kodi", "pipe")
"""Schemas that reach this machine instead of a receiver."""


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
            raise Away(problem)

    async def close(self) -> None:
        """End the thread; one that hangs is left to its own time limit."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _words(self, message: Message) -> tuple[str, str]:
        alerts = message.alerts if self._excerpts else tuple(map(without_excerpts, message.alerts))
        shown = Message(alerts, message.summary)
        return title(shown), text(shown, self._page)

    def _notify(self, subject: str, body: str) -> str | None:
        """Send in this thread; why it did not work, or None."""
        said = _Codes()
        logger = logging.getLogger("apprise")
        logger.addHandler(said)
        try:
            with guarded_thread(self._allowed) as guard:
                # The plugin itself: the library's `Apprise.notify` would send from a thread that nothing guards.
                taken = self._target.notify(body=body, title=subject, body_format="text", notify_type="info")
            refused: str | None = guard.refused
        except Exception as error:
            return f"the library failed with {type(error).__name__}"
        finally:
            logger.removeHandler(said)
        return None if taken else refused or said.problem


class _Codes(logging.Handler):
    """What the library logged of its failure in this thread: the HTTP code alone, since the rest may hold tokens."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._of = threading.get_ident()
        self.problem = "the library could not send it"

    def emit(self, record: logging.LogRecord) -> None:
        code = record.getMessage().rpartition("error=")[2].rstrip(".")
        if record.thread == self._of and code.isdigit():
            self.problem = f"HTTP {code}"


def apprise_target(url: str, timeout_s: float) -> Any:
    """The library's plugin for one URL: no redirects, no files, its own log silent.

    Raises:
        OperatorNeeded: the library is not installed.
        Refused: the library does not know such a URL, or it reaches this machine itself.
    """
    try:
        apprise = importlib.import_module("apprise")
    except ImportError as error:
        raise OperatorNeeded(
            "a sink of kind apprise needs the library. Operator action: install the extra `notify`."
        ) from error
    logger = logging.getLogger("apprise")
    logger.propagate = False  # it quotes URLs with their tokens
    asset = apprise.AppriseAsset(async_mode=False, http_redirects=False, secure_logging=True, storage_mode="memory")
    schema = url.partition("://")[0].lower()
    one = None if schema in LOCAL else apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    if one is None:
        raise Refused("no URL of a target that Apprise can reach elsewhere")
    one.socket_connect_timeout = one.socket_read_timeout = timeout_s
    return one
