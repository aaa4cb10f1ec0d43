"""The heartbeat of a dead man's switch: when it is true, and as what it is sent. Pure."""

from marketpulse.contract.records import AlertRecord

KIND = "heartbeat"
"""Kind of the record; no alert has it."""
_WHAT = "worker, Kafka and notifier are alive, nothing has happened"


class Steps:
    """Whether workers step, from the end of `market.steps`: every step writes there, also without feedback."""

    def __init__(self, stale_ms: int) -> None:
        self._stale_ms = stale_ms
        self._end: int | None = None
        self._grew_ms: int | None = None

    def seen(self, end: int, now_ms: int) -> None:
        """Take the topic's end offset. A topic that is shorter was created again: what came before counts no more."""
        if self._end is not None and end != self._end:
            self._grew_ms = now_ms if end > self._end else None
        self._end = end

    def fresh(self, now_ms: int) -> bool:
        """Whether the end was seen to move within the last `stale_ms`."""
        return self._grew_ms is not None and now_ms - self._grew_ms <= self._stale_ms


def heartbeat(now_ms: int) -> AlertRecord:
    """The record that is sent; it is on no topic."""
    return AlertRecord(f"{KIND}-{now_ms}", 0, KIND, "*", "firing", now_ms, now_ms, evidence={"what": _WHAT})
