"""What a reader finds at one moment: status, metrics, alerts, allocation; and what changed since."""

import msgspec

from marketpulse.contract.metrics import MarketMetrics
from marketpulse.contract.mutes import mute_of
from marketpulse.contract.operators import MuteRecord
from marketpulse.contract.portfolio import Portfolio
from marketpulse.contract.records import AlertRecord, AllocationRecord
from marketpulse.contract.workers import Lag, WorkerState


class Status(msgspec.Struct, frozen=True):
    """How far the stream is. Times in epoch ms; `totals` counts since the ledger began.

    `digest` is the SHA-256 of all outcomes up to the step, as a replay of the journal comes to it.
    """

    step: int
    stream_time: int | None
    published_at: int | None
    model: str
    device: str
    totals: dict[str, int]
    partitions: dict[int, int]
    open_cells: int
    outbox: int
    shifts_answered: bool
    digest: str = ""


class Snapshot(msgspec.Struct, frozen=True):
    """All markets at one step. `flags`, `newest_event` (epoch ms) and `reliability` are those of each market's record.

    `mutes` are the silences in force when the step was published; `lag` is the one at the time of reading.
    """

    status: Status
    metrics: dict[str, MarketMetrics]
    alerts: list[AlertRecord]
    allocation: AllocationRecord | None
    portfolio: Portfolio | None = None
    mutes: list[MuteRecord] = []
    flags: dict[str, tuple[str, ...]] = {}
    newest_event: dict[str, int | None] = {}
    reliability: dict[str, dict[str, dict[str, float]]] = {}
    workers: list[WorkerState] = []
    lag: Lag = Lag(0, 0.0, 0)

    def muted(self, alert: AlertRecord, now_ms: int) -> bool:
        """Whether a silence covers an alert."""
        return mute_of(alert, self.mutes, now_ms) is not None


class Change(msgspec.Struct, frozen=True):
    """One entry of the change stream: a step (with the markets that changed) or an allocation.

    `missed` on the first one after a pause: entries in between were trimmed, read a snapshot.
    """

    id: str
    step: int | None = None
    stream_time: int | None = None
    markets: tuple[str, ...] = ()
    alerts: int = 0
    allocation: str | None = None
    missed: bool = False
