"""Silences of alerts: which are in force, and which alerts they cover."""

from collections.abc import Iterable

import msgspec

from streams.batches import CompactedRecord
from streams.contracts import CONTRACT_VERSION, AlertRecord, MuteRecord


class Mutes:
    """What `market.mutes` said so far; a record that breaks the contract is passed over."""

    def __init__(self) -> None:
        self._by_id: dict[str, MuteRecord] = {}
        self.next_offset = 0

    def take(self, record: CompactedRecord) -> None:
        """Take one record; a tombstone ends the silence of that key."""
        if record.offset < self.next_offset:
            return
        self.next_offset = record.offset + 1
        name = (record.key or b"").decode("utf-8", "replace")
        if record.value is None:
            self._by_id.pop(name, None)
            return
        try:
            mute = msgspec.json.decode(record.value, type=MuteRecord)
        except msgspec.MsgspecError:
            return
        if mute.v == CONTRACT_VERSION and mute.id == name:
            self._by_id[name] = mute

    def active(self, now_ms: int) -> list[MuteRecord]:
        """Silences in force, in the order of their ids."""
        return [mute for _, mute in sorted(self._by_id.items()) if mute.until > now_ms]


def mute_of(alert: AlertRecord, mutes: Iterable[MuteRecord], now_ms: int) -> MuteRecord | None:
    """The first silence that covers an alert now, or None."""
    for mute in mutes:
        if (
            mute.until > now_ms
            and mute.kind in (None, alert.kind)
            and mute.market in (None, alert.market)
            and mute.topic in (None, alert.topic)
        ):
            return mute
    return None
