"""A small TCP proxy between workers and a server: latency, resets, half-open connections, a lost reply."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

CHUNK = 65_536
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(eq=False)
class Link:
    """One proxied connection: both sides, whether it is dead without saying so, whether its next reply gets lost."""

    sides: tuple[asyncio.StreamWriter, asyncio.StreamWriter]
    half_open: bool = False
    loses_reply: bool = False
    pumps: list[asyncio.Task[None]] = field(default_factory=list)


class Proxy:
    """Listens on `port` and forwards to `target`, both on loopback, from a thread of its own."""

    def __init__(self, port: int, target: int) -> None:
        self._port = port
        self._target = target
        self._links: set[Link] = set()
        self._latency_s = 0.0
        self._marks: tuple[bytes, ...] = ()
        self._to_lose = 0
        self.lost = 0
        self.carried = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._accept, "127.0.0.1", port))

    # --- faults -------------------------------------------------------------------------------------------------

    def slow(self, seconds: float) -> None:
        """Hold back every piece of data, in both directions, for so long; 0 ends it."""
        self._latency_s = seconds

    def reset(self) -> int:
        """Reset all connections; their number."""
        return self._call(self._reset_all())

    def half_open(self) -> int:
        """What is connected now carries nothing any more and is not closed; new connections work. Their number."""
        links = list(self._links)
        for link in links:
            link.half_open = True
        return len(links)

    def lose_replies(self, count: int, *marks: bytes) -> None:
        """The next replies to requests that hold one of the marks do not arrive: the connection is reset instead."""
        self._marks, self._to_lose = marks, count

    # --- life ---------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Close everything."""
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _call(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _close(self) -> None:
        self._server.close()
        pumps = [pump for link in self._links for pump in link.pumps]
        await self._reset_all()
        await asyncio.gather(*pumps, return_exceptions=True)

    async def _reset_all(self) -> int:
        links = list(self._links)
        for link in links:
            self._cut(link)
        return len(links)

    def _cut(self, link: Link) -> None:
        self._links.discard(link)
        for side in link.sides:
            with contextlib.suppress(OSError, AttributeError):
                raw = side.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            side.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            served, server = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        link = Link((writer, server))
        self._links.add(link)
        self.carried += 1
        link.pumps = [
            asyncio.ensure_future(self._pump(link, reader, server, self._asks)),
            asyncio.ensure_future(self._pump(link, served, writer, self._answers)),
        ]
        await asyncio.gather(*link.pumps)

    async def _pump(
        self,
        link: Link,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        passes: Callable[[Link, bytes], bool],
    ) -> None:
        try:
            while data := await source.read(CHUNK):
                if self._latency_s:
                    await asyncio.sleep(self._latency_s)
                if link.half_open:
                    continue
                if not passes(link, data):
                    break
                sink.write(data)
                await sink.drain()
        except OSError:
            pass  # one side is gone: so is the other
        if not link.half_open:
            self._cut(link)

    def _asks(self, link: Link, data: bytes) -> bool:
        if self._to_lose and any(mark in data for mark in self._marks):
            self._to_lose -= 1
            link.loses_reply = True
        return True

    def _answers(self, link: Link, data: bytes) -> bool:
        self.lost += link.loses_reply
        return not link.loses_reply
