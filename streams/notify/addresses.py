"""Whom the notifier may speak to: hosts that its file names, at addresses that are not private unless it says so."""

import asyncio
import contextlib
import ipaddress
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult


@dataclass(frozen=True)
class Allowed:
    """Names (or addresses) of hosts; those in `private` may be at private, loopback and link-local addresses too."""

    hosts: frozenset[str]
    private: frozenset[str] = frozenset()

    def host(self, name: str) -> bool:
        """Whether a host may be spoken to at all."""
        return name.lower().strip("[]") in self.hosts | self.private

    def address(self, name: str, address: str) -> bool:
        """Whether a host may be at an address."""
        return self.host(name) and (name.lower().strip("[]") in self.private or is_public(address))


def _networks(*texts: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(map(ipaddress.ip_network, texts))


NOT_PUBLIC = _networks(
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
    "224.0.0.0/4", "240.0.0.0/4",
    "::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16",
    "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
)  # fmt: skip
"""By name, since Python versions differ in what they call global: IANA's special-purpose registries and multicast.

Here are also old IPv4-compatible (`::/96`), local NAT64 and site-local addresses: whatever they lead to is not public.
"""
_GLOBAL_IPV6 = ipaddress.IPv6Network("2000::/3")
"""What IANA gives out at all; nothing else is reached over the internet."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet; IPv4 inside IPv6 is judged as IPv4."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        nat64 = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None
        for inner in (ip.ipv4_mapped, ip.sixtofour, ip.teredo[1] if ip.teredo else None, nat64):
            if inner is not None:
                return is_public(str(inner))
        if ip not in _GLOBAL_IPV6:
            return False
    return ip.is_global and not any(ip in network for network in NOT_PUBLIC)


class GuardedResolver(AbstractResolver):
    """Resolves allowed hosts only, and answers only with allowed addresses: those are what is connected to."""

    def __init__(self, allowed: Allowed) -> None:
        self._allowed = allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Addresses of a host. Raises OSError: it is not allowed, or unknown."""
        if not self._allowed.host(host):
            raise PermissionError(f"host {host} is not allowed")
        found = await asyncio.get_running_loop().getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
        answers: list[ResolveResult] = [
            {"hostname": host, "host": str(where[0]), "port": int(where[1]), "family": kind, "proto": proto, "flags": 0}
            for kind, _, proto, _, where in found
            if self._allowed.address(host, str(where[0]))
        ]
        if not answers:
            raise PermissionError(f"host {host} is at a private address only")
        return answers

    async def close(self) -> None:
        """Nothing to close."""


class _Guard(threading.local):
    allowed: Allowed | None = None
    addresses: frozenset[str] = frozenset()
    refused: str | None = None


_guard = _Guard()
_hooked = threading.Event()


@contextlib.contextmanager
def guarded_thread(allowed: Allowed) -> Iterator[Any]:
    """Within, this thread resolves and connects to what is allowed only, whatever library does it.

    Yields an object whose `refused` says what was refused. Python's audit hooks carry it: they see every name that is
    resolved and every connection before it is made, redirects too.
    """
    if not _hooked.is_set():
        _hooked.set()
        sys.addaudithook(_judge)
    _guard.allowed, _guard.addresses, _guard.refused = allowed, frozenset(), None
    try:
        yield _guard
    finally:
        _guard.allowed = None


def _judge(event: str, arguments: tuple[Any, ...]) -> None:
    """The audit hook: cheap where nothing is guarded, since it sees all events of the process."""
    if event not in ("socket.getaddrinfo", "socket.connect", "socket.sendto") or _guard.allowed is None:
        return
    allowed = _guard.allowed
    if event == "socket.getaddrinfo":
        host = arguments[0].decode() if isinstance(arguments[0], bytes) else str(arguments[0])
        if not allowed.host(host):
            _refuse(f"host {host} is not allowed")
        _guard.allowed = None  # what is resolved here must not be judged again
        try:
            found = {str(where[0]) for *_, where in socket.getaddrinfo(host, None)}
        finally:
            _guard.allowed = allowed
        _guard.addresses |= {address for address in found if allowed.address(host, address)}
        return
    where = arguments[1]
    address = str(where[0]) if isinstance(where, tuple) else ""
    if address not in _guard.addresses and not (allowed.host(address) and allowed.address(address, address)):
        _refuse("a private address, or one of no allowed host")


def _refuse(why: str) -> None:
    _guard.refused = why
    raise PermissionError(why)
