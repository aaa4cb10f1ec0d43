"""Which silence covers an alert."""

from collections.abc import Iterable

from marketpulse.contract.canary import KIND
from marketpulse.contract.operators import MuteRecord
from marketpulse.contract.records import AlertRecord


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
