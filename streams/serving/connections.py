"""Connections of strangers: how long the head of a request may take, how many there may be, which are closed first."""

import asyncio
from collections import defaultdict

from uvicorn.protocols.http.h11_impl import H11Protocol

from streams.serving.access import Proxies, client_of

_REFUSED = b"HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Connections:
    """The open connections of one server, the longest idle first; full, a new one takes the place of an idle one.

    Idle is a connection without a request that is being answered, also while the head of one is still coming in.

    Args:
        most: connections at most; with none idle, the one more is left to the server, which answers it 503.
        most_of_client: connections of one client at most; an IPv6 network of 64 bits is one client.
        proxies: addresses that speak for many clients: `most` alone holds for them.
    """

    def __init__(self, most: int, most_of_client: int, proxies: Proxies) -> None:
        self.most = most
        self._most_of_client = most_of_client
        self.proxies = proxies
        self._open: defaultdict[str, set[TimedProtocol]] = defaultdict(set)
        self._idle: defaultdict[str, dict[TimedProtocol, None]] = defaultdict(dict)
        self._all_idle: dict[TimedProtocol, None] = {}
        self._count = 0

    def opened(self, one: "TimedProtocol") -> bool:
        """Give a new connection a place; False where its client has all it may have, none of them idle."""
        client = one.client_key
        if len(self._open[client]) >= self._most_of_client and one.client_host not in self.proxies:
            if not self._idle[client]:
                return False
            next(iter(self._idle[client])).give_way()
        elif self._count >= self.most and self._all_idle:
            next(iter(self._all_idle)).give_way()
        self._open[client].add(one)
        self._count += 1
        self.idle(one)
        return True

    def idle(self, one: "TimedProtocol") -> None:
        """The connection waits for a request from now on."""
        self._idle[one.client_key][one] = self._all_idle[one] = None

    def busy(self, one: "TimedProtocol") -> None:
        """The connection's request is being answered."""
        self._all_idle.pop(one, None)
        self._idle[one.client_key].pop(one, None)

    def closed(self, one: "TimedProtocol") -> None:
        """The place is free again; more than once does nothing."""
        client = one.client_key
        self.busy(one)
        if one in self._open[client]:
            self._open[client].remove(one)
            self._count -= 1
        if not self._open[client]:
            self._open.pop(client, None)
            self._idle.pop(client, None)


class TimedProtocol(H11Protocol):
    """HTTP/1.1 with a limit on how long the head of a request may take, and on connections: uvicorn has neither.

    `places` and `head_s` (seconds) are given by a subclass for each server.
    """

    places: Connections
    head_s = 10.0
    client_host = client_key = "?"
    _head: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a place, then wait for the first head."""
        super().connection_made(transport)
        self.client_host = self.client[0] if self.client else "?"
        self.client_key = client_of(self.client_host)
        if self.places.opened(self):
            self._watch()
        else:
            transport.write(_REFUSED)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is awaited any more."""
        super().connection_lost(exc)
        self.places.closed(self)
        self._forget_head()

    def data_received(self, data: bytes) -> None:
        """A head may have ended, or begun."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """The next head may begin as late as the keep-alive allows."""
        super().on_response_complete()
        self._forget_head()
        if self.cycle.response_complete and not self.transport.is_closing():
            self.places.idle(self)

    def give_way(self) -> None:
        """End an idle connection at once, so that another has its place; without what its client does not read."""
        self.places.closed(self)
        self._forget_head()
        self.transport.abort()

    def _watch(self) -> None:
        if self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self._forget_head()
            self.places.busy(self)
        elif self._head is None:
            self._head = self.loop.call_later(self.head_s, self.transport.close)

    def _forget_head(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None


def protocol(places: Connections, head_s: float) -> type[TimedProtocol]:
    """The protocol of one server: its places, and the seconds that the head of a request may take."""
    return type("Protocol", (TimedProtocol,), {"places": places, "head_s": head_s})
