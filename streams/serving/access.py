"""Who asks: loopback addresses, bearer tokens."""

import ipaddress

from starlette.datastructures import Headers

from streams.errors import Unprotected


def is_loopback(host: str) -> bool:
    """Whether an address or name means this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def asks_loopback(headers: Headers) -> bool:
    """Whether `Host` names this machine: no other site's name was made to lead here."""
    host = headers.get("host", "")
    return is_loopback(host[: host.rfind(":")] if host.rpartition(":")[2].isdecimal() else host)


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
