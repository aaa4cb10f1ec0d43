"""Canaries of steps to alerts: each fires in one step and is over in the next; at most one begins in ten seconds."""

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from marketpulse.contract.canary import CELL, EVERY_MS, KIND, sent_ms
from marketpulse.contract.records import AlertRecord
from streams.pipeline.detect.watch import EVERYWHERE

WHAT = "a test of the way to the sinks, nothing has happened"


class Turn(msgspec.Struct):
    """Whose turn it is: when the last one began (epoch ms of Redis's clock), which waits, how many were dropped."""

    began_ms: int = 0
    waits: str = ""
    dropped: int = 0


def watch_canaries(
    firing: list[AlertRecord], turn: Turn, counts: Mapping[str, int], seq: int, now_ms: int
) -> list[AlertRecord]:
    """What begins and what ends in a step.

    Every canary is a message at every sink, and whoever may publish feedback may send any number: one begins in
    EVERY_MS, one waits, all others are dropped.

    Args:
        firing: those that fire, changed in place.
        turn: changed in place.
        counts: the step's counts; a canary's is how many of its batch it is the first of.
        seq: of the alerts.
        now_ms: the step's time on Redis's clock.
    """
    over = [replace(alert, seq=seq, state="resolved", ended_at=now_ms) for alert in firing]
    found = {field.partition(CELL)[2]: n for field, n in counts.items() if CELL in field}
    queue = list(dict.fromkeys([*filter(None, [turn.waits]), *sorted(found)]))
    waits_still = 0 <= now_ms - turn.began_ms < EVERY_MS  # a clock that went back holds up nothing
    begins, rest = ([], queue) if waits_still else (queue[:1], queue[1:])
    turn.dropped += sum(found.values()) + bool(turn.waits) - len(begins) - len(rest[:1])
    turn.waits = rest[0] if rest else ""
    turn.began_ms = now_ms if begins else turn.began_ms
    firing[:] = [
        AlertRecord(f"{KIND}-{name}", seq, KIND, EVERYWHERE, "firing", sent_ms(name), now_ms, evidence={"what": WHAT})
        for name in begins
    ]
    return over + firing
