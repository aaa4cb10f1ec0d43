"""Who asks: loopback addresses, bearer tokens."""

import ipaddress

from starlette.datastructures import Headers


def is_loopback(host: str) -> bool:
    """Whether an address or name means this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def bearer_of(headers: Headers) -> str | None:
    """The token of `Authorization: Bearer`, or None."""
    kind, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else None
