"""Connections of strangers on a real loopback socket: time for a head, places in all and of one client."""

import asyncio
import contextlib
import fcntl
import socket
import sys
import termios
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from streams.serving.access import Proxies, client_of
from streams.serving.listening import Limits, listen_on, server_config
from streams.settings import load_settings
from tests.support.waiting import until_async

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
OF_KNOWN = b"GET /known HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
WITHOUT_BODY = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
WHOLE, STREAMED = [b"x" * 8_000_000], [b"x" * 65_536] * 100


class Served:
    """A server on a free port that answers once `held` is set, and ends an answer once `ending` is; its clients."""

    def __init__(self) -> None:
        self.held = asyncio.Event()
        self.held.set()
        self.ending = asyncio.Event()
        self.ending.set()
        self.pieces = [b""]
        self.asked = 0
        self.port = 0
        self.opened: list[Stream] = []
        self.connections: set[Any] = set()

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        scope["state"]["known"] = scope["path"] == "/known"
        while (await receive()).get("more_body"):
            pass
        await self.held.wait()
        length = str(sum(map(len, self.pieces))).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        for piece in self.pieces[:-1]:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await self.ending.wait()
        await send({"type": "http.response.body", "body": self.pieces[-1]})

    async def connect(self, sent: bytes = b"", address: str = "127.0.0.1") -> Stream:
        one = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(address, 0), limit=256)
        self.opened.append(one)
        one[1].write(sent)
        return one

    async def status(self, address: str = "127.0.0.1") -> int:
        """Of a request on a connection of its own."""
        reader, _ = await self.connect(REQUEST, address)
        return int((await asyncio.wait_for(reader.read(12), 10)).split()[1])

    async def ask(self, sent: bytes, address: str = "127.0.0.1") -> Stream:
        """Send a request that comes as far as the application, and read nothing."""
        asked = self.asked
        one = await self.connect(sent, address)
        await until_async(lambda: self.asked > asked)
        return one


@contextlib.asynccontextmanager
async def serving(limits: Limits, forwarded_allow: str = "") -> AsyncIterator[Served]:
    """A server with these limits, as page and intake are served."""
    served = Served()
    config = server_config(
        served.app,
        load_settings(forwarded_allow=forwarded_allow),
        limits,
        interface="asgi3",
        lifespan="off",
        timeout_keep_alive=1,
    )
    config.load()
    state, made = ServerState(), config.http_protocol_class
    served.connections = state.connections
    listening = await asyncio.get_running_loop().create_server(
        lambda: made(config, state, {}),  # type: ignore[call-arg]
        sock=listen_on("127.0.0.1", 0),
    )
    served.port = listening.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        served.held.set()
        for _, writer in served.opened:
            writer.close()
        listening.close()


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nX: ", REQUEST + b"GET / HT"])
async def test_a_head_that_does_not_come_ends_the_connection(sent: bytes) -> None:
    """Nothing, half of one, half of a second one."""
    async with serving(Limits(10, 10, 0.1)) as served:
        reader, _ = await served.connect(sent)
        await asyncio.wait_for(reader.read(), 10)  # to its end


async def test_idle_connections_make_room_for_new_ones_the_longest_idle_first() -> None:
    """Every place is held by a silent client, or half a head: a request is answered, and only as many are closed."""
    async with serving(Limits(4, 10, 60)) as served:
        idle = [await served.connect(b"" if at % 2 else b"GET / HT") for at in range(4)]
        assert [200, 200] == [await served.status() for _ in range(2)]
        await until_async(idle[1][0].at_eof)
        assert [True, True, False, False] == [reader.at_eof() for reader, _ in idle]


async def test_requests_in_flight_are_not_closed_for_new_ones() -> None:
    """With none idle the one more is 503."""
    async with serving(Limits(2, 10, 60)) as served:
        served.held.clear()
        working = [await served.connect(REQUEST) for _ in range(2)]
        await until_async(lambda: served.asked == 2)
        assert 503 == await served.status()
        served.held.set()
        assert [b"HTTP/1.1 200 OK\r\n"] * 2 == [await reader.readline() for reader, _ in working]


@pytest.mark.parametrize(("proxies", "status"), [("", 429), ("127.0.0.0/8", 200)], ids=["client", "proxy"])
async def test_one_client_cannot_have_all_connections(proxies: str, status: int) -> None:
    """A trusted proxy speaks for many, and may."""
    async with serving(Limits(10, 2, 60), proxies) as served:
        served.held.clear()
        for _ in range(2):
            await served.connect(REQUEST)
        await until_async(lambda: served.asked == 2)
        third = asyncio.create_task(served.status())
        if status == 200:
            await until_async(lambda: served.asked == 3)
            served.held.set()
        assert status == await third


@pytest.mark.parametrize(
    ("sent", "pieces"),
    [(REQUEST, WHOLE), (LAST, WHOLE), (REQUEST, STREAMED), (WITHOUT_BODY, WHOLE)],
    ids=["whole", "last", "streamed", "body"],
)
async def test_answers_that_nobody_reads_keep_nobody_out(sent: bytes, pieces: list[bytes]) -> None:
    """Nor bodies that do not come: connections that wait for their client are ended, not waited for."""
    async with serving(Limits(4, 2, 60)) as served:
        served.pieces = pieces
        for number in range(12):
            await served.ask(sent, f"127.0.0.{2 + number % 2}")
        assert 200 == await served.status()


async def test_strangers_give_way_before_those_who_are_known() -> None:
    """In all, and of one client: though the known one has read nothing for the longest time."""
    async with serving(Limits(4, 3, 60)) as served:
        served.pieces = STREAMED
        known = [await served.ask(OF_KNOWN, address) for address in ("127.0.0.1", "127.0.0.2")]
        for number in range(12):
            await served.ask(REQUEST, f"127.0.0.{1 + number % 2}")
        expected = sum(map(len, STREAMED))
        for reader, _ in known:
            await reader.readuntil(b"\r\n\r\n")
            assert expected == len(await asyncio.wait_for(reader.readexactly(expected), 10))


async def test_an_answer_that_is_read_again_is_not_closed() -> None:
    """It waited for its client, and no longer does: the one more is 503."""
    async with serving(Limits(1, 1, 60)) as served:
        served.pieces = [*STREAMED, b"end"]
        served.ending.clear()
        reader, _ = await served.ask(REQUEST)
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(sum(map(len, STREAMED)))
        assert 503 == await served.status("127.0.0.2")
        served.ending.set()
        assert b"end" == await reader.readexactly(3)


async def test_few_answers_to_strangers_may_be_unread() -> None:
    """However many places are left: each holds memory. Answers to those who are known are not among them."""
    async with serving(Limits(20, 20, 60, unread=2)) as served:
        served.pieces = STREAMED
        for sent in (OF_KNOWN, OF_KNOWN, OF_KNOWN, REQUEST, REQUEST, REQUEST, REQUEST):
            await served.ask(sent)
        await until_async(lambda: len(served.connections) == 5)


async def test_an_unread_answer_holds_little_memory() -> None:
    """Of what the client's own system does not take: a small part of the answer, in the process and in its system."""
    async with serving(Limits(1, 1, 60)) as served:
        served.pieces = STREAMED
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
            client.connect(("127.0.0.1", served.port))
            client.sendall(REQUEST)
            await until_async(lambda: any(one.flow.write_paused for one in served.connections))
            [one] = served.connections
            sending = one.transport.get_extra_info("socket")
            unsent = int.from_bytes(fcntl.ioctl(sending, termios.TIOCOUTQ, bytes(4)), sys.byteorder)
            assert unsent + one.transport.get_write_buffer_size() < 100_000


async def test_places_are_free_again_after_a_connection() -> None:
    """Of the client, and in all."""
    async with serving(Limits(2, 2, 60)) as served, httpx.AsyncClient(trust_env=False) as client:
        for _ in range(10):
            answer = await client.get(f"http://127.0.0.1:{served.port}/", headers={"Connection": "close"})
            assert 200 == answer.status_code


def test_proxies_are_addresses_and_networks() -> None:
    """And nothing that is no address."""
    proxies = Proxies("10.0.0.0/8, 192.0.2.1,2001:db8::/32")
    inside = ("10.1.2.3", "192.0.2.1", "2001:db8::7", "::ffff:10.1.2.3")
    assert [True, True, True, True, False, False, False] == [
        one in proxies for one in (*inside, "11.0.0.1", "unix:", None)
    ]  # fmt: skip


def test_a_client_is_an_ipv4_address_or_an_ipv6_network() -> None:
    """As limits count them."""
    same = {client_of(one) for one in ("2001:db8:1:2::1", "2001:db8:1:2:ff::9")}
    assert ({"2001:db8:1:2::/64"}, "192.0.2.1", "?") == (same, client_of("::ffff:192.0.2.1"), client_of("?"))
