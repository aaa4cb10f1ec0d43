"""Whom a rejected record of feedback names, as far as its bytes can be read; pure."""

import contextlib
import json
import re
from collections.abc import Collection, Iterator
from typing import Any

import msgspec

from marketpulse.contract.decode import Rejected, lenient
from marketpulse.contract.markets import market_code

_any = msgspec.json.Decoder()


class Naming:
    """Finds a user in rejected records.

    Args:
        names: the user's id, in each form that a producer may send.
    """

    def __init__(self, names: Collection[str]) -> None:
        self._names = frozenset(names)
        written = {json.dumps(name, ensure_ascii=ascii_only) for name in names for ascii_only in (True, False)}
        ids = b"|".join(re.escape(name.encode("utf-8", "replace")) for name in sorted(written))
        self._in_bytes = re.compile(rb'"user"\s*:\s*(?:' + ids + rb")")

    def markets(self, value: bytes, by_key: bool) -> set[str | None]:
        """The markets of what a record says by the user: empty where it does not name the user.

        Args:
            value: its bytes: an object, a list of them, or what can be read in part only.
            by_key: its key names the user, so all of it is by the user.

        Returns:
            None among them where it names the user and no market beside it.
        """
        events = map(_users_and_market, _objects(_content(value)))
        found = {market for users, market in events if by_key or users & self._names}
        if not found and (by_key or self._in_bytes.search(value)):
            return {None}
        return found


def _content(value: bytes) -> Any:
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError):
        return _any.decode(value)
    with contextlib.suppress(Rejected):
        return lenient(value)
    return None


def _objects(content: Any) -> Iterator[dict[str, Any]]:
    """The object, or all those of a list and of lists inside of it."""
    waiting = [content]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
        elif isinstance(value, list):
            waiting.extend(value)


def _users_and_market(event: dict[str, Any]) -> tuple[set[str], str | None]:
    """Of an event and what is inside of it, as of a CloudEvent."""
    inner = data if isinstance(data := event.get("data"), dict) else {}
    users = [level.get("user") for level in (event, inner)]
    market = event.get("market") or inner.get("market")
    return {str(user) for user in users if isinstance(user, str | int | float)}, market_code(market) if isinstance(
        market, str
    ) else None
