"""Connections of strangers on a real loopback socket: time for a head, places in all and of one client."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from streams.serving.access import Proxies, client_of
from streams.serving.listening import Limits, server_config
from streams.settings import load_settings
from tests.support.waiting import until_async

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Served:
    """A server on a free port whose answers wait while `held` is not set; what connects to it."""

    def __init__(self) -> None:
        self.held = asyncio.Event()
        self.held.set()
        self.body = b""
        self.asked = 0
        self.port = 0
        self.opened: list[Stream] = []

    async def app(self, _: Scope, __: Receive, send: Send) -> None:
        self.asked += 1
        await self.held.wait()
        length = str(len(self.body)).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        await send({"type": "http.response.body", "body": self.body})

    async def connect(self, sent: bytes = b"", address: str = "127.0.0.1") -> Stream:
        one = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(address, 0), limit=256)
        self.opened.append(one)
        one[1].write(sent)
        return one

    async def status(self, address: str = "127.0.0.1") -> int:
        """Of a request on a connection of its own."""
        reader, _ = await self.connect(REQUEST, address)
        return int((await asyncio.wait_for(reader.read(12), 10)).split()[1])


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
    listening = await asyncio.get_running_loop().create_server(lambda: made(config, state, {}), "127.0.0.1", 0)  # type: ignore[call-arg,arg-type]
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


async def test_answers_that_nobody_reads_keep_nobody_out() -> None:
    """Though the server still has them to send: their connections are ended, not waited for."""
    async with serving(Limits(4, 2, 60)) as served:
        served.body = b"x" * 8_000_000
        for number in range(12):
            await served.connect(REQUEST)
            await until_async(lambda wanted=number: served.asked > wanted)  # type: ignore[misc]
        assert 200 == await served.status("127.0.0.2")


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
