"""What a Redis must be like before a ledger works on it: one primary, every right; and versions with known holes."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import redis.exceptions

from marketpulse.client.redis_server import translated_errors
from marketpulse.client.redis_url import shown_url
from marketpulse.errors import OperatorNeeded
from streams.ledger.commit import Ledger

_SCRIPT = "return 1"
_SHA = hashlib.sha1(_SCRIPT.encode()).hexdigest()  # noqa: S324 - how Redis names a script, no secret
_LIFE_S = 60

PROBES: Mapping[str, tuple[str | int, ...]] = {
    "exists": ("EXISTS", "{}string"),
    "get": ("GET", "{}string"),
    "set": ("SET", "{}string", "", "EX", _LIFE_S),
    "hset": ("HSET", "{}hash", "f", 0),
    "hget": ("HGET", "{}hash", "f"),
    "hgetall": ("HGETALL", "{}hash"),
    "hlen": ("HLEN", "{}hash"),
    "hmget": ("HMGET", "{}hash", "f"),
    "hincrby": ("HINCRBY", "{}hash", "f", 0),
    "hdel": ("HDEL", "{}hash", "f"),
    "sadd": ("SADD", "{}set", "m"),
    "smembers": ("SMEMBERS", "{}set"),
    "rpush": ("RPUSH", "{}list", "m"),
    "lrange": ("LRANGE", "{}list", 0, -1),
    "lindex": ("LINDEX", "{}list", 0),
    "ltrim": ("LTRIM", "{}list", 1, 0),
    "pfadd": ("PFADD", "{}users", "m"),
    "pfmerge": ("PFMERGE", "{}users", "{}users"),
    "pfcount": ("PFCOUNT", "{}users"),
    "xadd": ("XADD", "{}stream", "*", "f", 0),
    "xlen": ("XLEN", "{}stream"),
    "xrange": ("XRANGE", "{}stream", "-", "+"),
    "xdel": ("XDEL", "{}stream", "0-1"),
    "expire": ("EXPIRE", "{}stream", _LIFE_S),
    "time": ("TIME",),
    "script|load": ("SCRIPT LOAD", _SCRIPT),
    "evalsha": ("EVALSHA", _SHA, 0),
    "unlink": ("UNLINK", *(f"{{}}{kind}" for kind in ("string", "hash", "set", "list", "users", "stream"))),
    "multi": ("MULTI",),
    "exec": ("EXEC",),
}
"""Every command that a worker uses, with arguments that do no harm: {} is the beginning of keys that nobody reads.

The last but two removes the keys again. No `ACL DRYRUN`: Redis 6.2 has none, and whoever may ask it may administrate.
"""

REPAIRS: Mapping[str, tuple[str | int, ...]] = {
    "rename": ("RENAME", "{}none", "{}none"), "persist": ("PERSIST", "{}none"), "ttl": ("TTL", "{}none"),
    "scan": ("SCAN", 0), **PROBES,
}  # fmt: skip
"""The same for `ledger rebuild`, `reset` and `privacy erase`."""

_SOUND: Mapping[str, Mapping[tuple[int, ...], int]] = {
    "Redis": {(6, 2): 23, (7, 2): 15, (7, 4): 10, (8, 2): 8, (8, 4): 5, (8, 6): 5, (8, 8): 1},
    "Valkey": {(7, 2): 14, (8, 0): 10, (8, 1): 9, (9, 0): 5, (9, 1): 1},
}
"""Series -> its first version without CVE-2025-49844, CVE-2026-63639 and their like: a user may run code in the server.

The fixes of July 2026; a series that is not named gets none any more, or begins after them.
"""


async def check_server(url: str, prefix: str) -> None:
    """Find out, before anything is claimed, whether a worker can work with this Redis.

    Raises:
        OperatorNeeded: a right is missing, or it is a Cluster. Unavailable: it does not answer.
    """
    ledger = Ledger(url, prefix)
    try:
        await require_rights(ledger)
        await require_one_primary(ledger)
    finally:
        await ledger.close()


async def require_rights(ledger: Ledger, probes: Mapping[str, tuple[str | int, ...]] = PROBES) -> None:
    """Try every command, so that no script fails half-way for want of a right.

    Raises:
        OperatorNeeded: rights are missing; all of them are named. Unavailable: Redis does not answer.
    """
    if missing := await _missing_rights(ledger, probes):
        raise OperatorNeeded(_without(missing, ledger.url, ledger.keys.namespace))


async def require_one_primary(ledger: Ledger) -> None:
    """Run a script that does nothing with the keys of a commit: Redis Cluster refuses it, without any further right.

    Raises:
        OperatorNeeded: it is a Cluster. Unavailable: it does not answer.
    """
    keys = ledger.keys
    with translated_errors(ledger.url):
        await ledger.redis.register_script(_SCRIPT)([keys.ledger, keys.partition(0), keys.ids(0), keys.totals])


async def _missing_rights(ledger: Ledger, probes: Mapping[str, tuple[str | int, ...]]) -> list[str]:
    """Commands that this login may not run, and the pattern of keys it may not touch."""
    begin = f"{ledger.keys.namespace}probe:{{keys}}:"  # in braces: all in one slot, should this be a Cluster
    commands = [[str(part).replace("{}", begin) for part in probe] for probe in probes.values()]
    with translated_errors(ledger.url):
        async with ledger.redis.pipeline(transaction=False) as pipe:
            for command in commands:
                pipe.execute_command(*command)
            answers = await pipe.execute(raise_on_error=False)
    missing: set[str] = set()
    for name, answer in zip(probes, answers, strict=True):
        if isinstance(answer, redis.exceptions.NoPermissionError):
            missing.add(f"~{ledger.keys.namespace}*" if "access" in str(answer) else name)
    return sorted(missing)


def _without(missing: list[str], url: str, namespace: str) -> str:
    user = urlsplit(url).username or "default"
    granted = " ".join(right if right.startswith("~") else f"+{right}" for right in missing)
    return (
        f"Redis at {shown_url(url)} does not allow user {user} what this process needs: {', '.join(missing)}. "
        f"Operator action: `ACL SETUSER {user} {granted}`, or give it the user that `marketpulse acls show redis` "
        f"prints for its part; its keys begin with {namespace}"
    )


@dataclass(frozen=True, slots=True)
class ServerVersion:
    """What a server is and which version: (major, minor, patch), or () where it does not say."""

    name: str
    number: str
    parts: tuple[int, ...]


def version_of(info: Mapping[str, Any]) -> ServerVersion:
    """What the server section of INFO tells."""
    name = "Valkey" if str(info.get("server_name", "")) == "valkey" else "Redis"
    number = str(info.get(f"{name.lower()}_version", "of an unknown version"))
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", number)
    return ServerVersion(name, number, tuple(map(int, found.groups())) if found else ())


async def server_version(ledger: Ledger) -> ServerVersion:
    """Which server it is. Raises Unavailable, and OperatorNeeded where this login may not ask."""
    with translated_errors(ledger.url):
        return version_of(await ledger.redis.info("server"))


def known_holes(version: ServerVersion) -> str | None:
    """What is wrong with a version and what to do, or None: it is sound, or not known."""
    if not version.parts:
        return None
    *series, patch = version.parts
    first = _SOUND[version.name]
    sound = min((known for known in first if known >= tuple(series)), default=None)
    if sound is None or (sound == tuple(series) and patch >= first[sound]):
        return None
    return (
        f"{version.name} {version.number} has known holes (such as CVE-2025-49844: any user may run code in the "
        "server), unless its distribution closed them. Operator action: before users whom you do not trust reach "
        f"it, run {sound[0]}.{sound[1]}.{first[sound]} or later."
    )
