"""Silences of alerts: which are in force, and which alerts they cover."""

from bisect import bisect_left, insort
from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from marketpulse.contract.alert_kinds import ALERTS
from marketpulse.contract.markets import market_code
from marketpulse.contract.mutes import LONGEST_MS, MAX_MUTES
from marketpulse.contract.operators import MuteRecord
from marketpulse.contract.units import HOUR_MS
from marketpulse.contract.wire import CONTRACT_VERSION, UNREADABLE
from streams.batches import CompactedRecord
from streams.errors import BadInput

MOST_HOURS = LONGEST_MS // HOUR_MS
MAX_MUTE_BYTES = 16_384
"""Of a record's value: all fields at their longest, every character escaped, are less."""
LAST_MS = 253_402_300_799_999
"""The end of the year 9999."""
Refused = Callable[[str, int, str], object]


class Mutes:
    """What is in `market.mutes` so far; a record that breaks the contract is passed over, one too long is capped.

    `MAX_MUTES` are kept, those that end last: which these are depends neither on the order of the records nor on when
    they are read, and what has expired makes room first. `refused` is called with a code, the offset of a record, and
    why: `bad_mute` for each that was passed over, `mutes_full` when a silence that holds is given up for want of room,
    once until there is room again. `clock` gives the time now, in epoch ms: no record of the future is taken.
    """

    def __init__(
        self, refused: Refused = lambda code, offset, why: None, clock: Callable[[], int] = lambda: LAST_MS
    ) -> None:
        self._refused = refused
        self._clock = clock
        self._by_id: dict[str, MuteRecord] = {}
        self._ends: list[tuple[int, str]] = []  # (until, id) of all that are kept, in order
        self._full = False
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
            self._drop(name)
            return
        if len(record.value) > MAX_MUTE_BYTES:
            self._refused("bad_mute", record.offset, f"{len(record.value)} bytes; at most {MAX_MUTE_BYTES} are read")
            return
        try:
            mute = msgspec.json.decode(record.value, type=MuteRecord)
        except UNREADABLE as error:
            self._refused("bad_mute", record.offset, str(error))
            return
        if mute.v == CONTRACT_VERSION and mute.id == name:
            self._drop(name)
            written_ms = record.timestamp_ms if record.timestamp_ms > 0 else mute.created_at
            if written_ms > self._clock() + HOUR_MS:  # else whoever writes it would choose when its 90 days begin
                self._refused("bad_mute", record.offset, "it was written in the future, by its producer's clock")
                return
            self._keep(_capped(mute, written_ms), record)

    def _keep(self, mute: MuteRecord, record: CompactedRecord) -> None:
        self._by_id[mute.id] = mute
        insort(self._ends, (mute.until, mute.id))
        if len(self._ends) <= MAX_MUTES:
            return
        until, name = self._ends[0]
        self._drop(name)
        if until > record.timestamp_ms and not self._full:
            self._full = True
            why = f"{MAX_MUTES} silences that end later are in force: {name} does not hold"
            self._refused("mutes_full", record.offset, why)

    def _drop(self, name: str) -> None:
        mute = self._by_id.pop(name, None)
        if mute is not None:
            del self._ends[bisect_left(self._ends, (mute.until, name))]

    def active(self, now_ms: int) -> list[MuteRecord]:
        """Silences in force, in the order of their ids."""
        found = [mute for _, mute in sorted(self._by_id.items()) if mute.until > now_ms]
        self._full = self._full and len(found) == MAX_MUTES
        return found


def _capped(mute: MuteRecord, written_ms: int) -> MuteRecord:
    """The same for 90 days at most, with times that every clock can show."""
    until = max(0, min(mute.until, written_ms + LONGEST_MS, LAST_MS))
    return replace(mute, until=until, created_at=max(0, min(mute.created_at, LAST_MS)))


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
