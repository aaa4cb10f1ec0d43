"""Who asks: loopback addresses, clients behind addresses, trusted proxies, bearer tokens."""

import functools
import ipaddress

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from streams.errors import Unprotected
from streams.serving.loopback import is_loopback, names_loopback

CLIENT_BITS = 64
"""Of an IPv6 address: what a provider gives to one customer, who may use every address in it."""


class Proxies:
    """The proxies whose forwarded addresses are believed: `text` is addresses and CIDRs, with commas between them."""

    def __init__(self, text: str) -> None:
        given = [ipaddress.ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip()]
        # A socket that listens on `::` sees IPv4 addresses as IPv6 ones.
        mapped = [
            ipaddress.ip_network(f"::ffff:{network.network_address}/{96 + network.prefixlen}")
            for network in given
            if network.version == 4
        ]
        self.networks = [*given, *mapped]
        self._known = functools.lru_cache(maxsize=4_096)(self._knows)

    def __contains__(self, address: object) -> bool:
        return isinstance(address, str) and self._known(address)

    def _knows(self, address: str) -> bool:
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(ip in network for network in self.networks)


def address_of(connection: HTTPConnection) -> str:
    """Who asks, as far as the connection and trusted proxies tell."""
    return connection.client.host if connection.client else "?"


def client_of(address: str) -> str:
    """The client behind an address, as limits count it: the whole /64 of an IPv6 address; other texts as they are."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((int(ip), CLIENT_BITS), strict=False))


def asks_loopback(headers: Headers) -> bool:
    """Whether `Host` names this machine: no other site's name was made to lead here."""
    return names_loopback(headers.get("host", ""))


def check_address(host: str, protected: bool, refusal: type[Unprotected]) -> None:
    """Raises `refusal` where a service without a token would be open to anybody who reaches the address."""
    if not protected and not is_loopback(host):
        raise refusal(
            f"{refusal.code}: the {refusal.service} would listen on {host} without a token, open to anybody who "
            f"reaches it. Operator action: set {refusal.setting}, or listen on 127.0.0.1."
        )


def bearer_of(headers: Headers) -> str | None:
    """The token of `Authorization: Bearer`, or None."""
    kind, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else None
