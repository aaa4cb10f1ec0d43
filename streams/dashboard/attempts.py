"""Failed logins: a limit for each client, and one for all clients together that did not log in before."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable

from streams.serving.access import client_of

FAILURES = 5
"""Of one client, an IPv4 address or an IPv6 network of 64 bits, within a minute."""
FAILURES_OF_ALL = 60
"""Of all clients within a minute: a guesser with many addresses waits too."""
WITHIN_S = 60.0
CLIENTS = 1_000


class Attempts:
    """Bounded: the client that failed, or logged in, longest ago is forgotten first."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._failed: OrderedDict[str, deque[float]] = OrderedDict()
        self._all: deque[float] = deque(maxlen=FAILURES_OF_ALL)
        self._known: OrderedDict[str, None] = OrderedDict()

    def wait_s(self, address: str) -> float:
        """Seconds until the client at this address may try again; 0 = now."""
        client = client_of(address)
        own = self._left_s(self._failed.get(client), FAILURES)
        return own if client in self._known else max(own, self._left_s(self._all, FAILURES_OF_ALL))

    def failed(self, address: str) -> None:
        """Remember one failure."""
        client, now = client_of(address), self._now()
        self._failed.setdefault(client, deque(maxlen=FAILURES)).append(now)
        self._failed.move_to_end(client)
        self._all.append(now)
        if len(self._failed) > CLIENTS:
            self._failed.popitem(last=False)

    def worked(self, address: str) -> None:
        """A login that worked: the limit for all does not hold this client up."""
        client = client_of(address)
        self._failed.pop(client, None)
        self._known[client] = None
        self._known.move_to_end(client)
        if len(self._known) > CLIENTS:
            self._known.popitem(last=False)

    def _left_s(self, times: deque[float] | None, most: int) -> float:
        if times is None or len(times) < most:
            return 0.0
        return max(0.0, times[0] + WITHIN_S - self._now())
