"""Connections of strangers: how long the head of a request may take, how many there may be, which are closed first."""

import asyncio
from collections import defaultdict

from uvicorn.protocols.http.h11_impl import H11Protocol

from streams.serving.access import Proxies, client_of

_REFUSED = b"HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Connections:
    """The open connections of one server, the longest idle first; full, a new one takes the place of an idle one.

    Idle is a connection that waits for its client: to send a request, its head or its body, or to read an answer. Those
    of strangers give way before those that are known.

    Args:
        most: connections at most; with none idle, the one more is left to the server, which answers it 503.
        most_of_client: connections of one client at most; an IPv6 network of 64 bits is one client.
        most_unread: connections of strangers with an unread answer at most, since each holds memory.
        proxies: addresses that speak for many clients: `most` and `most_unread` alone hold for them.
    """

    def __init__(self, most: int, most_of_client: int, most_unread: int, proxies: Proxies) -> None:
        self.most = most
        self._most_of_client = most_of_client
        self._most_unread = most_unread
        self.proxies = proxies
        self._open: defaultdict[str, set[TimedProtocol]] = defaultdict(set)
        self._idle: defaultdict[str, dict[TimedProtocol, None]] = defaultdict(dict)
        self._all_idle: dict[TimedProtocol, None] = {}
        self._unread: dict[TimedProtocol, None] = {}
        self._count = 0

    def opened(self, one: "TimedProtocol") -> bool:
        """Give a new connection a place; False where its client has all it may have, none of them idle."""
        client = one.client_key
        if len(self._open[client]) >= self._most_of_client and one.client_host not in self.proxies:
            if not self._idle[client]:
                return False
            _first_to_go(self._idle[client]).give_way()
        elif self._count >= self.most and self._all_idle:
            _first_to_go(self._all_idle).give_way()
        self._open[client].add(one)
        self._count += 1
        self.idle(one)
        return True

    def idle(self, one: "TimedProtocol") -> None:
        """The connection waits for its client, from now on if it did not before; nothing where it has no place."""
        if one in self._open.get(one.client_key, ()):
            self._idle[one.client_key][one] = self._all_idle[one] = None

    def busy(self, one: "TimedProtocol") -> None:
        """The connection's request is being answered."""
        self._all_idle.pop(one, None)
        self._idle[one.client_key].pop(one, None)

    def unread(self, one: "TimedProtocol") -> None:
        """The client has not taken what was sent to it; a stranger's may take the place of another's."""
        if not one.known:
            self._unread[one] = None
            if len(self._unread) > self._most_unread:
                next(iter(self._unread)).give_way()

    def read(self, one: "TimedProtocol") -> None:
        """The client has taken everything."""
        self._unread.pop(one, None)

    def closed(self, one: "TimedProtocol") -> None:
        """The place is free again; more than once does nothing."""
        client = one.client_key
        self.busy(one)
        self.read(one)
        if one in self._open[client]:
            self._open[client].remove(one)
            self._count -= 1
        if not self._open[client]:
            self._open.pop(client, None)
            self._idle.pop(client, None)


def _first_to_go(idle: "dict[TimedProtocol, None]") -> "TimedProtocol":
    """The longest idle one of a stranger; with none, of all."""
    return next((stranger for stranger in idle if not stranger.known), next(iter(idle)))


class TimedProtocol(H11Protocol):
    """HTTP/1.1 with a limit on how long the head of a request may take, and on connections: uvicorn has neither.

    `places` and `head_s` (seconds) are given by a subclass for each server. The application says in a request's
    `scope["state"]["known"]` whether it knows who asks; otherwise they are a stranger.
    """

    places: Connections
    head_s = 10.0
    client_host = client_key = "?"
    _head: asyncio.TimerHandle | None = None

    @property
    def known(self) -> bool:
        """Whether the application knows who sent the last request."""
        return self.scope is not None and bool(self.scope.get("state", {}).get("known"))

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a place, then wait for the first head."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(0)  # whatever the system does not take at once is unread: pause_writing
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
        self._settle()

    def pause_writing(self) -> None:
        """The client reads slower than it is answered, or nothing."""
        super().pause_writing()
        self._settle()
        self.places.unread(self)

    def resume_writing(self) -> None:
        """The client has read all that there was."""
        super().resume_writing()
        self.places.read(self)
        self._settle()

    def give_way(self) -> None:
        """End an idle connection at once, so that another has its place; without what its client does not read."""
        self.places.closed(self)
        self._forget_head()
        self.transport.abort()

    def _watch(self) -> None:
        if self.transport.is_closing():
            return
        if self._answering():
            self._forget_head()
            self.places.busy(self)  # so that it counts from now on if it is idle still
            self._settle()
        elif self._head is None:
            self._head = self.loop.call_later(self.head_s, self.transport.close)

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _settle(self) -> None:
        if self._answering() and not self.cycle.more_body and not self.flow.write_paused:
            self.places.busy(self)
        else:
            self.places.idle(self)

    def _forget_head(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None


def protocol(places: Connections, head_s: float) -> type[TimedProtocol]:
    """The protocol of one server: its places, and the seconds that the head of a request may take."""
    return type("Protocol", (TimedProtocol,), {"places": places, "head_s": head_s})
