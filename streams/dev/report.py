"""What one run did, as one document: counts, metrics, alerts, allocations, speed."""

from typing import Any

import msgspec

from marketpulse.client.reader import Reader
from marketpulse.client.snapshot import Snapshot
from marketpulse.contract.totals import latency_quantile
from streams.sources.shift import Shift


class RunReport(msgspec.Struct, frozen=True):
    """The report of `marketpulse run`; times in epoch ms, metrics over 24 h, `users` an estimate (HyperLogLog).

    `sha256` is the digest of all metrics, alerts, shifts and allocations up to `step`: `marketpulse replay` of the
    journal comes to the same one.
    """

    published: int
    accepted: int
    duplicates: int
    dead_letter: int
    dead_letter_by_code: dict[str, int]
    shifted_by_ms: int
    last_event_at: int | None
    stream_time: int | None
    markets: dict[str, dict[str, Any]]
    alerts: list[dict[str, Any]]
    allocations: list[dict[str, Any]]
    restarts: int
    fenced_commits: int
    rewinds: int
    seconds: float
    events_per_second: float
    latency_ms: dict[str, float | None]
    model: str
    device: str
    step: int
    sha256: str


def make_report(reader: Reader, shift: Shift, published: int, restarts: int, seconds: float) -> RunReport:
    """The report of what Redis holds now."""
    snapshot = reader.snapshot()
    totals = snapshot.status.totals
    codes = {name.partition(":")[2]: n for name, n in totals.items() if name.startswith("dead_letter:")}
    counted = totals.get("accepted", 0) + totals.get("duplicates", 0) + sum(codes.values())
    return RunReport(
        published=published,
        accepted=totals.get("accepted", 0),
        duplicates=totals.get("duplicates", 0),
        dead_letter=sum(codes.values()),
        dead_letter_by_code=codes,
        shifted_by_ms=shift.by_ms,
        last_event_at=shift.last_event_at,
        stream_time=snapshot.status.stream_time,
        markets=_markets(snapshot),
        alerts=[
            {
                name: getattr(alert, name)
                for name in ("id", "kind", "market", "topic", "state", "started_at", "fired_at")
            }
            for alert in snapshot.alerts
        ],
        allocations=[
            {name: getattr(one, name) for name in ("id", "cause", "market", "status", "adopted", "moves", "why")}
            for one in reader.allocations()
        ],
        restarts=restarts,
        fenced_commits=totals.get("fenced_commits", 0),
        rewinds=totals.get("rewinds", 0),
        seconds=round(seconds, 2),
        events_per_second=round(counted / seconds, 1),
        latency_ms={"p50": latency_quantile(totals, 0.5), "p99": latency_quantile(totals, 0.99)},
        model=snapshot.status.model,
        device=snapshot.status.device,
        step=snapshot.status.step,
        sha256=snapshot.status.digest,
    )


def _markets(snapshot: Snapshot) -> dict[str, dict[str, Any]]:
    spend = {} if snapshot.allocation is None else snapshot.allocation.spend
    result = {}
    for market, metrics in snapshot.metrics.items():
        day = metrics.windows["24h"]
        result[market] = {
            "n": day.n,
            "users": day.users,
            "u": day.u.value,
            "u_low": day.u.low,
            "u_high": day.u.high,
            "r": None if day.r is None else day.r.value,
            "labels": day.labels,
            "spend": spend.get(market),
        }
    return result
