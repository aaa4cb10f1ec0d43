"""Canaries: a marked record of the feedback topic becomes an alert that goes to every sink, and nothing else."""

import re
from collections.abc import Iterable
from typing import Annotated

import msgspec

from marketpulse.contract.wire import CONTRACT_VERSION, EpochMs, Version, described

HEADER = "marketpulse-canary"
"""Header of a marked record; its value is the canary's id."""
KIND = "test"
"""Kind of the alert that comes of it. It fires for one step, no silence covers it, and every sink wants it."""
CELL = ":canary/"
"""How the ledger's counts name the first of a batch, whose canaries they count: `*:minute:canary/id`."""
EVERY_MS = 10_000
"""At most one canary becomes an alert in that time, one more waits for its turn, others are dropped."""
_ID = re.compile(r"[0-9]{13}-[0-9a-f]{8}")


class ReceiptRecord(msgspec.Struct, frozen=True):
    """What became of a canary at one sink, in `market.receipts`, key = the sink's name."""

    canary: Annotated[str, described("its id: when it was sent in epoch ms, and a random number")]
    sink: Annotated[str, described("name of the sink")]
    at: EpochMs
    delivered: Annotated[bool, described("whether the sink took it")]
    why: Annotated[str, described("what the sink answered where it did not")] = ""
    v: Version = CONTRACT_VERSION


def canary_id(now_ms: int, number: int) -> str:
    """An id that says when the canary was sent; `number` is any of 32 bits."""
    return f"{now_ms}-{number:08x}"


def sent_ms(canary: str) -> int:
    """When it was sent, in epoch ms."""
    return int(canary.partition("-")[0])


def canary_of(headers: Iterable[tuple[str, bytes | None]]) -> str | None:
    """The id of the canary that a record is; None for feedback."""
    for name, value in headers:
        if name == HEADER and _ID.fullmatch(text := (value or b"").decode("ascii", "replace")):
            return text
    return None
