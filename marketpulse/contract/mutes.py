"""How long a silence holds at most, and which one covers an alert."""

from collections.abc import Iterable

import msgspec

from marketpulse.contract.canary import KIND
from marketpulse.contract.operators import MuteRecord
from marketpulse.contract.records import AlertRecord
from marketpulse.contract.units import DAY_MS
from marketpulse.contract.wire import UNREADABLE

LONGEST_MS = 90 * DAY_MS
"""How long a silence holds at most: a forgotten one must not hide alerts for good."""
MAX_MUTES = 1_000
"""How many silences hold at once at most: those that end last."""


def mute_of(alert: AlertRecord, mutes: Iterable[MuteRecord], now_ms: int) -> MuteRecord | None:
    """The first silence that covers an alert now, or None. None covers a canary."""
    for mute in mutes if alert.kind != KIND else ():
        if (
            mute.until > now_ms
            and mute.kind in (None, alert.kind)
            and mute.market in (None, alert.market)
            and mute.topic in (None, alert.topic)
        ):
            return mute
    return None


def mutes_of(content: bytes) -> list[MuteRecord]:
    """Silences as Redis holds them; any that breaks today's bounds was written by an older version and is left out."""
    found = []
    for row in msgspec.json.decode(content, type=list[msgspec.Raw]):
        try:
            found.append(msgspec.json.decode(row, type=MuteRecord))
        except UNREADABLE:
            continue
    return found
