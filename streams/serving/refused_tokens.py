"""Wrong bearer tokens in the log: who sends them, never which."""

import time
from collections.abc import Callable

from starlette.requests import HTTPConnection
from structlog.typing import FilteringBoundLogger

from streams.serving.access import address_of, client_of

CLIENTS = 1_000
WITHIN_S = 60.0


class RefusedTokens:
    """One line for each client and minute, and at most `CLIENTS` of them a minute.

    Args:
        log: of the process.
        event: the line's name.
        now: seconds of a clock that never goes back.
    """

    def __init__(self, log: FilteringBoundLogger, event: str, now: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._event = event
        self._now = now
        self._logged: dict[str, float] = {}  # the oldest first

    def __call__(self, connection: HTTPConnection) -> None:
        """Somebody sent a wrong token."""
        now, address = self._now(), address_of(connection)
        while self._logged and now - next(iter(self._logged.values())) >= WITHIN_S:
            del self._logged[next(iter(self._logged))]
        client = client_of(address)
        if client not in self._logged and len(self._logged) < CLIENTS:
            self._logged[client] = now
            self._log.warning(self._event, address=address)
