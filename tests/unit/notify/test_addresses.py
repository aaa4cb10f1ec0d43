"""Whom the notifier may speak to."""

import json
import socket
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from streams.notify.addresses import Allowed, GuardedResolver, guarded_thread, is_public
from streams.notify.errors import Away, Refused
from streams.notify.http import Poster

HERE = frozenset({"localhost", "127.0.0.1"})


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1",
     "::1", "::", "fe80::1%eth0", "fd00::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
     "64:ff9b:1::7f00:1", "64:ff9b:1::808:808", "fec0::1", "feff::1", "3fff::1", "::7f00:1", "::808:808", "5f00::1",
     "100::1", "2001:db8::1", "2001:2::1", "2001:10::1", "fc00::1", "ff02::1", "4000::1", "192.0.0.8", "192.88.99.1",
     "198.18.0.1", "203.0.113.7", "240.0.0.1", "255.255.255.255", "::ffff:10.0.0.1", "2001:0:7f00:1::"],
)  # fmt: skip
def test_addresses_that_are_not_of_the_internet(address: str) -> None:
    """Loopback, private, link-local (a cloud's metadata), shared, multicast; IPv4 inside IPv6 too."""
    assert not is_public(address)


def test_addresses_of_the_internet() -> None:
    """Both families."""
    assert all(map(is_public, ("8.8.8.8", "2001:4860:4860::8888", "64:ff9b::808:808")))


async def test_a_name_is_resolved_where_it_is_allowed() -> None:
    """Not named: refused; named, but at a loopback address: refused; meant so: answered."""
    with pytest.raises(PermissionError, match="host localhost is not allowed"):
        await GuardedResolver(Allowed(frozenset({"example.com"}))).resolve("localhost", 1)
    with pytest.raises(PermissionError, match="private address"):
        await GuardedResolver(Allowed(frozenset({"localhost"}))).resolve("localhost", 1)
    answers = await GuardedResolver(Allowed(frozenset(), frozenset({"localhost"}))).resolve("localhost", 1)
    assert "127.0.0.1" in {one["host"] for one in answers}


class Redirecting(BaseHTTPRequestHandler):
    """`/to/<url>` answers with a redirect, anything else with 200; every path is remembered."""

    paths: list[str]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.paths.append(self.path)
        status = 307 if self.path.startswith("/to/") else 200
        self.send_response(status)
        if status == 307:
            self.send_header("Location", self.path.removeprefix("/to/"))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def redirecting() -> Iterator[tuple[int, list[str]]]:
    """Port of a server that redirects, and the paths it was asked for."""
    paths: list[str] = []
    handler = type("Handler", (Redirecting,), {"paths": paths})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port, paths
        server.shutdown()
        thread.join()


async def test_a_redirect_is_not_followed(redirecting: tuple[int, list[str]]) -> None:
    """Not even to the same host."""
    port, paths = redirecting
    poster = Poster(f"http://127.0.0.1:{port}/to/http://127.0.0.1:{port}/secret", Allowed(frozenset(), HERE), 5)
    with pytest.raises(Away, match="HTTP 307: redirects are not followed"):
        await poster.post(b"{}", {})
    await poster.close()
    assert ["/secret"] != [path for path in paths if not path.startswith("/to/")]
    assert 1 == len(paths)


async def test_an_address_in_a_url_is_judged_too(redirecting: tuple[int, list[str]]) -> None:
    """No name is resolved there that could be refused."""
    port, paths = redirecting
    for host in ("127.0.0.1", "[::ffff:127.0.0.1]"):
        poster = Poster(f"http://{host}:{port}/", Allowed(frozenset({host.strip("[]")})), 5)
        with pytest.raises(Refused, match="address is not allowed"):
            await poster.post(b"{}", {})
        await poster.close()
    assert [] == paths


def test_a_guarded_thread_reaches_allowed_hosts_alone(redirecting: tuple[int, list[str]]) -> None:
    """Whatever library connects: an unnamed host, a private address, and the target of a redirect are refused."""
    port, paths = redirecting

    def get(url: str, allowed: Allowed) -> str | None:
        with guarded_thread(allowed) as guard:
            try:
                urllib.request.urlopen(url, timeout=5).close()
            except OSError:
                return str(guard.refused)
        return None

    here = f"http://127.0.0.1:{port}"
    assert get(f"{here}/open", Allowed(frozenset(), HERE)) is None
    assert "host 127.0.0.1 is not allowed" == get(f"{here}/unnamed", Allowed(frozenset({"example.com"})))
    assert "a private address" in str(get(f"{here}/private", Allowed(HERE)))
    redirected = get(f"{here}/to/http://metadata.internal/", Allowed(frozenset(), frozenset({"127.0.0.1"})))
    assert "host metadata.internal is not allowed" == redirected
    assert ["/open", "/to/http://metadata.internal/"] == paths


def test_other_threads_are_not_judged() -> None:
    """The guard is gone after the block, and never held anybody else."""
    allowed = Allowed(frozenset())
    answers: list[str] = []

    def resolve() -> None:
        answers.append(json.dumps(socket.getaddrinfo("127.0.0.1", 1)[0][4]))

    with guarded_thread(allowed):
        other = Thread(target=resolve)
        other.start()
        other.join()
    resolve()
    assert 2 == len(answers)
