"""Silences of alerts: which are in force, and which alerts they cover."""

from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from marketpulse.contract.alert_kinds import ALERTS
from marketpulse.contract.markets import market_code
from marketpulse.contract.mutes import LONGEST_MS
from marketpulse.contract.operators import MuteRecord
from marketpulse.contract.units import HOUR_MS
from marketpulse.contract.wire import CONTRACT_VERSION, UNREADABLE
from streams.batches import CompactedRecord
from streams.errors import BadInput

MOST_HOURS = LONGEST_MS // HOUR_MS


class Mutes:
    """What is in `market.mutes` so far; a record that breaks the contract is passed over, one too long is capped.

    `refused` is called with the offset of a record that was passed over, and why.
    """

    def __init__(self, refused: Callable[[int, str], object] = lambda offset, why: None) -> None:
        self._refused = refused
        self._by_id: dict[str, MuteRecord] = {}
        self.next_offset = 0

    def take(self, record: CompactedRecord) -> None:
        """Take one record; a tombstone ends the silence of that key."""
        if record.offset < self.next_offset:
            return
        self.next_offset = record.offset + 1
        if record.unreadable:
            self.next_offset = (record.last_offset or record.offset) + 1
            return
        name = (record.key or b"").decode("utf-8", "replace")
        if record.value is None:
            self._by_id.pop(name, None)
            return
        try:
            mute = msgspec.json.decode(record.value, type=MuteRecord)
        except UNREADABLE as error:
            self._refused(record.offset, str(error))
            return
        if mute.v == CONTRACT_VERSION and mute.id == name:
            ends = (record.timestamp_ms or mute.created_at) + LONGEST_MS
            self._by_id[name] = replace(mute, until=min(mute.until, ends))

    def active(self, now_ms: int) -> list[MuteRecord]:
        """Silences in force, in the order of their ids."""
        return [mute for _, mute in sorted(self._by_id.items()) if mute.until > now_ms]


def new_mute(
    name: str,
    now_ms: int,
    hours: float,
    kind: str | None = None,
    market: str | None = None,
    topic: str | None = None,
    comment: str = "",
    author: str = "",
) -> MuteRecord:
    """A silence from now on for some hours; empty texts stand for any. Raises BadInput."""
    if not 0.01 <= hours <= MOST_HOURS:
        raise BadInput(f"{hours} hours are too few or too many. Operator action: give .01 to {MOST_HOURS}.")
    if kind and kind not in ALERTS:
        raise BadInput(f"{kind} is no kind of alert. Operator action: give one of {', '.join(ALERTS)}.")
    code = "*" if market == "*" else market_code(market or "")
    if market and code is None:
        raise BadInput(f"{market} is no market code. Operator action: give an ISO code as BR, or * for all at once.")
    if len(topic or "") > 256:
        raise BadInput("the topic is too long. Operator action: give at most 256 characters.")
    until = now_ms + int(hours * HOUR_MS)
    return MuteRecord(name, until, now_ms, kind or None, code, topic or None, comment[:256], author=author[:256])
