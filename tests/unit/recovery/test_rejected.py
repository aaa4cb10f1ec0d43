"""How much of a rejected record is read, and in which order nothing of it is passed over."""

import base64
import json
import random
from collections.abc import Callable

import pytest

from streams.recovery import rejected
from streams.recovery.rejected import Naming

DRAWN = random.Random(3)
USER = "user-4711-abcdef"
MARK = b"\xe9\0%252541\\u005c\\"


def nested(inner: bytes) -> bytes:
    return MARK + base64.b64encode(MARK + base64.b64encode(inner) + MARK) + MARK


HOSTILE: dict[str, Callable[[int], bytes]] = {
    "random bytes": lambda size: nested(DRAWN.randbytes(size)),
    "escapes in each run": lambda size: nested((b"\\u0041%2541\0\xe9" * size)[:size]),
    "many runs": lambda size: (nested(DRAWN.randbytes(40)) * size)[:size],
    "a photo in a form": lambda size: b"photo=" + base64.b64encode(DRAWN.randbytes(size)).replace(b"+", b"%2B"),
    "zeros": lambda size: nested(bytes(size)),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_encoded_is_read_once(kind: str) -> None:
    """However many ways lead to it: all readings together stay within the bound, and the user is not found."""
    assert set() == Naming({USER}).markets(HOSTILE[kind](8_192), False)


def test_what_would_take_too_many_readings_is_in_doubt_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no record can be made which an erasure passes over."""
    monkeypatch.setattr(rejected, "MOST_READINGS", 3)
    monkeypatch.setattr(rejected, "FREE", 100)
    assert {None} == Naming({USER}).markets(nested(DRAWN.randbytes(2_000)), False)
    assert set() == Naming({USER}).markets(b"neither name nor escape", False)


@pytest.mark.parametrize("depth", [1, 2])
def test_base64_that_was_seen_inside_of_base64_is_read_by_itself_too(depth: int) -> None:
    """There it may be encoded once more."""
    run = json.dumps({"user": USER}).encode()
    for _ in range(depth):
        run = base64.b64encode(run)
    hidden = b"".join(rb"\u%04x" % byte for byte in run)
    assert Naming({USER}).is_in(base64.b64encode(b"- " + run + b" -") + b" " + hidden)


@pytest.mark.parametrize("width", [20, 60, 64, 72, 76, 100])
def test_base64_in_lines_is_read_whatever_their_length(width: int) -> None:
    """As mail, PEM and other programs write it."""
    whole = base64.b64encode(b"x" * 97 + json.dumps({"user": USER}).encode() + b"y" * 90)
    for end in (b"\n", b"\r\n"):
        lines = end.join(whole[at : at + width] for at in range(0, len(whole), width))
        assert Naming({USER}).is_in(b'{"body": "' + lines + b'"}')
