"""What the views show, as plain values made from one snapshot; `/view.json` is the same for machines."""

from collections.abc import Mapping
from typing import Any

import msgspec

from marketpulse.client.snapshot import Snapshot
from marketpulse.contract.metrics import Estimate, MarketMetrics
from marketpulse.contract.records import AlertRecord
from marketpulse.contract.totals import latency_quantile
from marketpulse.contract.units import DAY_MS

RECENT_MS = DAY_MS
MOST_ALERTS = 50


def content_of(snapshot: Snapshot, now_ms: int) -> dict[str, Any]:
    """All of it at one step; times in epoch ms, None where there is no value."""
    status = snapshot.status
    alerts = [
        alert_of(alert, snapshot.muted(alert, now_ms))
        for alert in snapshot.alerts
        if alert.state != "resolved" or (alert.ended_at or 0) >= (status.stream_time or 0) - RECENT_MS
    ]
    alerts.sort(key=lambda one: (one["state"] == "resolved", -one["started_at"]))
    active: dict[str, dict[str, bool]] = {}  # market -> kind that fires -> whether all of its alerts are silenced
    for alert in snapshot.alerts:
        if alert.state == "firing":
            kinds = active.setdefault(alert.market, {})
            kinds[alert.kind] = kinds.get(alert.kind, True) and snapshot.muted(alert, now_ms)
    return {
        "now": now_ms,
        "step": status.step,
        "stream_time": status.stream_time,
        "published_at": status.published_at,
        "model": status.model,
        "device": status.device,
        "accepted": status.totals.get("accepted", 0),
        "duplicates": status.totals.get("duplicates", 0),
        "dead_letters": {
            name.partition(":")[2]: n for name, n in status.totals.items() if name.startswith("dead_letter:")
        },
        "latency_ms": {"p50": latency_quantile(status.totals, 0.5), "p99": latency_quantile(status.totals, 0.99)},
        "workers": [
            {
                "holder": one.holder,
                "at": one.at,
                "ready": one.ready,
                "partitions": len(one.partitions),
                "lag": sum(part.lag for part in one.partitions.values()),
                "device": one.device,
                "model": one.model,
                "silent_ms": max(0, now_ms - one.at),
                "waiting": list(one.waiting),
            }
            for one in snapshot.workers
        ],
        "lag": {
            "records": snapshot.lag.records,
            "seconds": snapshot.lag.seconds,
            "in_transaction": snapshot.lag.in_transaction,
        },
        "markets": [
            _market(code, one, snapshot, active.get(code, {})) for code, one in sorted(snapshot.metrics.items())
        ],
        "everywhere": _kinds(active.get("*", {}), False),
        "alerts": alerts[:MOST_ALERTS],
        "allocation": _allocation(snapshot),
    }


def _kinds(active: Mapping[str, bool], muted: bool) -> list[str]:
    return [kind for kind, silenced in active.items() if silenced == muted]


def _market(code: str, one: MarketMetrics, snapshot: Snapshot, active: Mapping[str, bool]) -> dict[str, Any]:
    """One market's row; shares of labels, money as the allocation in force has it."""
    day, hour = one.windows["24h"], one.windows["1h"]
    plan = None if snapshot.allocation is None else snapshot.allocation.allocation.markets.get(code)
    profile = snapshot.portfolio.markets.get(code) if snapshot.portfolio else None
    labels = {name: n / day.n for name, n in day.labels.items()} if day.n else {}
    worst = sorted(one.topics.items(), key=lambda pair: -pair[1][1])
    return {
        "code": code,
        "status": "observed" if profile is None else profile.status,
        "n": day.n,
        "n_1h": hour.n,
        "users": day.users,
        "u": _estimate(day.u),
        "u_corrected": _estimate(day.u_corrected),
        "u_1h": _estimate(hour.u),
        "r": _estimate(day.r),
        "s": day.s,
        "t": one.t,
        "objective": one.objective,
        "labels": labels,
        "topics": [{"name": name, "n": n, "negative": negative, "u": u} for name, (n, negative, u) in worst[:2]],
        "flags": list(snapshot.flags.get(code, ())),
        "newest_event": snapshot.newest_event.get(code),
        "alerts": _kinds(active, False),
        "muted": _kinds(active, True),
        "spend": None if plan is None else plan.spend,
        "reason": None if plan is None else plan.reason,
        "moved": None if snapshot.allocation is None else snapshot.allocation.moves.get(code, 0.0),
    }


def _estimate(one: Estimate | None) -> dict[str, float] | None:
    return None if one is None else {"value": one.value, "low": one.low, "high": one.high}


def alert_of(alert: AlertRecord, muted: bool) -> dict[str, Any]:
    """One alert as the views show it."""
    return {
        "id": alert.id,
        "kind": alert.kind,
        "market": alert.market,
        "topic": alert.topic,
        "state": alert.state,
        "started_at": alert.started_at,
        "fired_at": alert.fired_at,
        "ended_at": alert.ended_at,
        "muted": muted,
        "evidence": alert.evidence,
    }


def _allocation(snapshot: Snapshot) -> dict[str, Any] | None:
    one = snapshot.allocation
    if one is None:
        return None
    return {
        "id": one.id,
        "cause": one.cause,
        "market": one.market,
        "stream_time": one.stream_time,
        "status": one.status,
        "why": one.why,
        "budget": one.allocation.budget,
        "spent": one.allocation.spent,
        "currency": snapshot.portfolio.plan.currency if snapshot.portfolio else "",
        "marginal_value_of_budget": one.allocation.marginal_value_of_budget,
        "gain": one.allocation.gain,
        "uncertainty": msgspec.to_builtins(one.allocation.uncertainty),
    }
