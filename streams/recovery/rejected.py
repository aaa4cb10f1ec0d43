"""Whom a rejected record of feedback names, as far as its bytes can be read, in doubt the user; pure."""

import contextlib
import re
from base64 import b64decode
from collections.abc import Collection, Iterator
from itertools import chain
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

from marketpulse.contract.decode import Rejected, lenient
from marketpulse.contract.markets import market_code

SHORT, LONG = 4, 12
"""Characters of an id: a shorter one may be any number or word, a longer one nothing else by chance."""
ESCAPED, ENCODED, QUOTED = 4, 2, 2
"""How often an escape may be escaped again, base64 encoded again, and a URL's escapes escaped again."""
MOST_READINGS, FREE = 200, 65_536
"""A record is read in at most so much text: a multiple of its length, and characters beside."""

_any = msgspec.json.Decoder()
_UNICODE = re.compile(r"(?:\\u[0-9a-fA-F]{4})+")
_BACKSLASH = "\ud800"  # for an escaped one, until all other escapes are read; no text that can be read has this
_ESCAPES = {r"\"": '"', r"\'": "'", r"\/": "/"} | dict.fromkeys((r"\n", r"\r", r"\t", r"\b", r"\f"), "\n")
_BASE64 = re.compile(r"(?:[\w+/-]{20,}+\r?\n)*[\w+/-]{6,}", re.ASCII)
_URL_SAFE = str.maketrans("-_", "+/", "\r\n")


class Naming:
    """Finds a user in rejected records.

    Args:
        names: the user's id, in each form that a producer may send.
    """

    def __init__(self, names: Collection[str]) -> None:
        self._names = frozenset(names) - {""}
        self._in_text = re.compile("|".join(map(_pattern, sorted(self._names))) or r"(?!)")
        self._wide = not all(map(str.isascii, self._names))

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
        if not found and (by_key or self.is_in(value)):
            return {None}
        return found - {None} or found

    def is_in(self, content: bytes | None) -> bool:
        """Whether bytes hold the id: as UTF-8, UTF-16 or Latin-1, escaped as in JSON or a URL, and inside of base64.

        An id of fewer than 4 characters counts in quotes or after a name with `user` in it alone, one of fewer than
        12 as a word. Bytes that were made to be read in too many ways count as holding it.
        """
        content = content or b""
        left = MOST_READINGS * len(content) + FREE
        for text in _texts(content, self._wide, {}):
            left -= len(text)
            if left < 0 or (any(name in text for name in self._names) and self._in_text.search(text)):
                return True
        return False


def _pattern(name: str) -> str:
    written = re.escape(name)
    if len(name) >= LONG:
        return written
    if len(name) < SHORT:
        return rf"""(?<=["']){written}(?=["'])|(?i:user)\w{{0,20}}["']?\s{{0,9}}[:=>]\s{{0,9}}["']?{written}(?!\w)"""
    # Binary formats write a length before a text, and what follows it may be a letter.
    return rf"(?<!\w){written}(?!\w)|(?<=[\x00-\x1f]){written}"


def _texts(content: bytes, wide: bool, seen: dict[str, int], encoded: int = ENCODED) -> Iterator[str]:
    """The content in every way in which it can be read.

    `wide`: as UTF-16 too where no byte of it is 0. `seen`: base64 that was read already, not to be read again, and how
    often it may be base64 inside.
    """
    for written in _decoded(content, wide):
        text = written
        yield text
        for _ in range(ESCAPED):
            if "\\" not in text or (plain := _unescaped(text)) == text:
                break
            text = plain
            yield text
        runs = [run for run in dict.fromkeys(_BASE64.findall(text)) if seen.get(run, 0) < encoded] if encoded else []
        seen.update(dict.fromkeys(runs, encoded))
        if inside := b"\n".join(chain.from_iterable(map(_inside_base64, runs))):
            yield from _texts(inside, wide, seen, encoded - 1)


def _decoded(content: bytes, wide: bool, quoted: int = QUOTED) -> Iterator[str]:
    yield content.decode("utf-8", "surrogateescape")  # as Python reads an argument of a command
    if not content.isascii():
        yield content.decode("latin-1")
    if b"\0" in content or wide:
        for start in (0, 1):
            for encoding in ("utf-16-le", "utf-16-be"):
                yield content[start:].decode(encoding, "replace")
    if quoted and b"%" in content and (plain := unquote_to_bytes(content.replace(b"+", b" "))) != content:
        yield from _decoded(plain, wide, quoted - 1)


def _unescaped(text: str) -> str:
    def characters(escapes: "re.Match[str]") -> str:
        return bytes.fromhex(escapes[0].replace("\\u", "")).decode("utf-16-be", "surrogatepass")

    text = _UNICODE.sub(characters, text.replace("\\\\", _BACKSLASH))
    for written, meant in _ESCAPES.items():
        text = text.replace(written, meant)
    return text.replace(_BACKSLASH, "\\")


def _inside_base64(run: str) -> list[bytes]:
    """What characters of base64 hold, whichever of the first four it begins with: those before may be a URL's."""
    whole = run.translate(_URL_SAFE)
    return [_from_base64(whole[start:]) for start in range(4)]


def _from_base64(whole: str) -> bytes:
    whole = whole[:-1] if len(whole) % 4 == 1 else whole
    with contextlib.suppress(ValueError):
        return b64decode(whole + "=" * (-len(whole) % 4))
    return b""


def _content(value: bytes) -> Any:
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError):
        return _any.decode(value)
    with contextlib.suppress(Rejected):
        return lenient(value)
    return None


def _objects(content: Any) -> Iterator[dict[str, Any]]:
    """All objects: the object, those of lists and fields, of JSON in a text, and of a CloudEvent's `data_base64`."""
    waiting = [content]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            waiting.extend(value.values())
            if isinstance(encoded := value.get("data_base64"), str):
                waiting.append(_content(_from_base64(encoded.translate(_URL_SAFE).rstrip("="))))
        elif isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
            waiting.append(_content(value.encode("utf-8", "replace")))


def _users_and_market(event: dict[str, Any]) -> tuple[set[str], str | None]:
    """Of an event and what is inside of it, as of a CloudEvent."""
    inner = data if isinstance(data := event.get("data"), dict) else {}
    users = [level.get("user") for level in (event, inner)]
    market = event.get("market") or inner.get("market")
    return {str(user) for user in users if isinstance(user, str | int | float)}, market_code(market) if isinstance(
        market, str
    ) else None
