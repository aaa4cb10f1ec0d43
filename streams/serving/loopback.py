"""Names and addresses that mean this machine alone."""

import ipaddress

BAD_HOST = {"code": "bad_host", "error": "this is served on this machine only"}
"""The answer to another name."""


def is_loopback(host: str) -> bool:
    """Whether an address or name means this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def names_loopback(host: str) -> bool:
    """Whether a `Host` header, with or without a port, names this machine: no other site was made to lead here."""
    return is_loopback(host[: host.rfind(":")] if host.rpartition(":")[2].isdecimal() else host)
