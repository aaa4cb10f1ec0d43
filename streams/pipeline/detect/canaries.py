"""Canaries of one step to alerts: each fires in the step that counts it, and is over in the next."""

from collections.abc import Iterable

from msgspec.structs import replace

from marketpulse.contract.canary import CELL, KIND, sent_ms
from marketpulse.contract.records import AlertRecord
from streams.pipeline.detect.watch import EVERYWHERE

WHAT = "a test of the way to the sinks, nothing has happened"


def watch_canaries(firing: list[AlertRecord], counts: Iterable[str], seq: int, now_ms: int) -> list[AlertRecord]:
    """What begins and what ends in a step.

    Args:
        firing: those that fire, changed in place.
        counts: names of the step's counts.
        seq: of the alerts.
        now_ms: the step's time on Redis's clock.
    """
    over = [replace(alert, seq=seq, state="resolved", ended_at=now_ms) for alert in firing]
    names = sorted({field.partition(CELL)[2] for field in counts if CELL in field})
    firing[:] = [
        AlertRecord(f"{KIND}-{name}", seq, KIND, EVERYWHERE, "firing", sent_ms(name), now_ms, evidence={"what": WHAT})
        for name in names
    ]
    return over + firing
