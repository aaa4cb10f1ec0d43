"""Successors that a rebuild or a reset staged beside the ledger, and never put in place: found and removed."""

import re

from marketpulse.client.redis_server import translated_errors
from streams.ledger.commit import Ledger
from streams.ledger.content import SLICE

REBUILD, RESET = "rebuild", "reset"


async def staged_prefixes(ledger: Ledger) -> list[str]:
    """Prefixes under which more than distinct users is staged, in order. Raises Unavailable."""
    return sorted(await _staged(ledger))


async def remove_staged(ledger: Ledger) -> list[str]:
    """Remove everything staged but distinct users, which go by themselves; under which prefixes. Raises Unavailable.

    Whoever staged it may still run: `ledger` goes first, without which nobody can put the rest in place.
    """
    found = await _staged(ledger)
    for prefix, keys in found.items():
        ordered = [f"{prefix}:ledger", *keys]
        for at in range(0, len(ordered), SLICE):
            with translated_errors(ledger.url):
                await ledger.redis.unlink(*ordered[at : at + SLICE])
    return sorted(found)


async def _staged(ledger: Ledger) -> dict[str, list[str]]:
    """Prefix -> keys."""
    begin = f"{ledger.keys.prefix}~"
    name = re.compile(rf"({re.escape(begin)}(?:{REBUILD}|{RESET})-[0-9a-f]{{8}}):(?!users:|step:)")
    found: dict[str, list[str]] = {}
    cursor = 0
    while True:
        with translated_errors(ledger.url):
            cursor, keys = await ledger.redis.scan(cursor, match=f"{begin}*", count=SLICE)
        for key in map(bytes.decode, keys):
            if (match := name.match(key)) is not None:
                found.setdefault(match[1], []).append(key)
        if not cursor:
            return found
