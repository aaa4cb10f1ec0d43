"""The condition alerts of one step: drop, recovery, no_data per market; bad_input, model, allocation for all."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec.structs import replace

from marketpulse.contract.alert_kinds import AlertKind
from marketpulse.contract.metrics import MarketMetrics
from marketpulse.contract.records import AlertRecord, RefusedAnswer
from marketpulse.contract.units import DAY_MS, HOUR_MS, MINUTE_MS
from streams.contract.rules import Rules, WatchRules
from streams.pipeline.detect.conditions import (
    ConditionChange,
    ConditionState,
    Input,
    condition_step,
    drop_condition,
    silence_condition,
)
from streams.pipeline.detect.drift import Drift, drifting, settled

EVERYWHERE = "*"
GAPS_KEPT_MS = 15 * DAY_MS


class WatchState(msgspec.Struct):
    """One market's conditions (or the intake's, under `*`) and its newest event time in epoch ms.

    `blind_since_ms`: on Redis's clock, since when the present was not seen. `silent_from_ms`: its newest event before a
    silence that goes on; `gaps`: silences that are over, (last event before, first after), of the last 15 days.
    `refused`: shift of the newest answer where that is no plan.
    """

    conditions: dict[str, ConditionState] = {}
    newest_ms: int | None = None
    blind_since_ms: int | None = None
    silent_from_ms: int | None = None
    gaps: list[tuple[int, int]] = []
    refused: str = ""


def fires(state: WatchState, kind: AlertKind) -> bool:
    """Whether a condition of a market, or of all, fires."""
    condition = state.conditions.get(kind)
    return condition is not None and condition.fired_ms is not None


def watch_markets(
    states: Mapping[str, WatchState],
    metrics: Mapping[str, MarketMetrics],
    usual: Callable[[str, int], Sequence[float]],
    step: int,
    at_ms: int,
    rules: Rules,
) -> list[AlertRecord]:
    """Judge every market's drop, recovery and silence; the states are changed in place.

    When more than half of the markets that used to speak are silent at once, the cause lies in the intake: one no_data
    alert for all (`*`) replaces those of single markets. `usual` gives a market's events of each hour of day, up to an
    hour of the epoch, see `Windows.usual_hours`.
    """
    silence = {
        market: silence_condition(
            states[market].newest_ms,
            one.windows["7d"],
            partial(usual, market, (states[market].newest_ms or 0) // HOUR_MS),
            at_ms,
            rules.of(market).watch,
        )
        for market, one in metrics.items()
        if market in states
    }
    speaking = [m for m, one in metrics.items() if one.windows["7d"].n >= rules.of(m).watch.no_data_events]
    silent = [market for market in speaking if silence.get(market, (False,))[0]]
    everywhere = len(speaking) >= 2 and 2 * len(silent) > len(speaking)
    common = rules.watch
    alerts = _judge(
        states[EVERYWHERE], "no_data", EVERYWHERE, everywhere, not everywhere, {"silent": silent}, step, at_ms, common
    )
    for market, (holds, clears, evidence) in silence.items():
        state, own = states[market], rules.of(market).watch
        _keep_gaps(state, holds, at_ms)
        quiet = holds and not everywhere
        alerts += _judge(state, "no_data", market, quiet, clears or everywhere, evidence, step, at_ms, own)
        alerts += _drop(state, market, metrics[market], step, at_ms, own)
    return alerts


def _keep_gaps(state: WatchState, silent: bool, at_ms: int) -> None:
    if silent and state.silent_from_ms is None:
        state.silent_from_ms = state.newest_ms
    elif not silent and state.silent_from_ms is not None:
        state.gaps = [*state.gaps, (state.silent_from_ms, state.newest_ms or at_ms)]
        state.silent_from_ms = None
    if state.gaps and state.gaps[0][1] < at_ms - GAPS_KEPT_MS:
        state.gaps = [gap for gap in state.gaps if gap[1] >= at_ms - GAPS_KEPT_MS]


def gaps_of(state: WatchState, at_ms: int) -> list[tuple[int, int]]:
    """Event times between which a market was silent although it should not have been, the one that goes on too."""
    return state.gaps if state.silent_from_ms is None else [*state.gaps, (state.silent_from_ms, at_ms)]


def _drop(
    state: WatchState, market: str, metrics: MarketMetrics, step: int, at_ms: int, rules: WatchRules
) -> list[AlertRecord]:
    """A drop, and for an hour after it the news of the recovery."""
    holds, clears, evidence = drop_condition(metrics.windows["1h"], rules)
    changes = _judge(state, "drop", market, holds, clears, evidence, step, at_ms, rules)
    ended = any(one.state == "resolved" and one.fired_at is not None for one in changes)
    recovered = ended and "cause" not in evidence  # a market that falls silent has not recovered
    since = state.conditions.setdefault("recovery", ConditionState()).since_ms
    over = since is not None and at_ms - since >= rules.recovery_shown_ms
    return changes + _judge(
        state, "recovery", market, recovered, over or (holds and not recovered), evidence, step, at_ms, rules
    )


def watch_input(state: WatchState, seen: Input, step: int, now_ms: int, rules: WatchRules) -> list[AlertRecord]:
    """Judge the share of dead letters among all records; on the clock, since broken records move no stream time."""
    enough = seen.records >= rules.bad_input_records
    holds = enough and seen.share > rules.bad_input_share
    evidence = {"share": round(seen.share, 4), "records": round(seen.records)}
    clears = seen.share < rules.bad_input_cleared or not enough
    return _judge(state, "bad_input", EVERYWHERE, holds, clears, evidence, step, now_ms, rules)


class View(msgspec.Struct, frozen=True):
    """How much of the present the detectors see.

    Args:
        behind_ms: how far stream time is behind Redis's clock.
        lag: records in the log that are not counted yet, as far as known.
        held_ms: for how long stream time has not moved, waiting for some partitions while others were further.
        held_by: the partitions that it waits for.
        ahead_ms: how far the partition that has got furthest is ahead of stream time.
    """

    behind_ms: int
    lag: int
    held_ms: int = 0
    held_by: tuple[int, ...] = ()
    ahead_ms: int = 0


def watch_stream(state: WatchState, seen: View, step: int, now_ms: int, rules: WatchRules) -> list[AlertRecord]:
    """Judge whether the other alerts see the present: on the clock, since stream time is what is looked at.

    It is never pending: every short backlog would be a record on the alerts' topic.
    """
    # A partition that brings old events, a little newer each time, holds stream time back without a record that waits.
    late = seen.behind_ms > rules.blind_behind_ms and (seen.lag > 0 or seen.ahead_ms > rules.blind_behind_ms)
    held = seen.held_ms >= rules.blind_held_ms
    evidence: dict[str, Any] = {"behind_minutes": seen.behind_ms // MINUTE_MS, "lag": seen.lag}
    if seen.held_by:
        evidence["partitions"] = list(seen.held_by)
    blind = late or held
    since_ms = now_ms if state.blind_since_ms is None else state.blind_since_ms
    state.blind_since_ms = since_ms if blind else None
    lasts = blind and now_ms - since_ms >= rules.blind.for_ms
    at_once = replace(rules, blind=replace(rules.blind, for_ms=0))
    return _judge(state, "blind", EVERYWHERE, lasts, not blind, evidence, step, now_ms, at_once)


def watch_model(
    state: WatchState,
    problems: Sequence[str],
    drift: Drift,
    metrics: Mapping[str, MarketMetrics],
    step: int,
    at_ms: int,
    rules: WatchRules,
) -> list[AlertRecord]:
    """A worker's device or model is not what it should be, the model is less sure of itself, or its input drifts."""
    hour, week = (_confidence(metrics, window, rules.model_events) for window in ("1h", "7d"))
    evidence: dict[str, Any] = {"problems": list(problems)}
    unsure = hour is not None and week is not None and hour < week - rules.model_confidence_fall
    if unsure:
        evidence |= {"confidence_1h": round(hour or 0, 4), "confidence_7d": round(week or 0, 4)}
    drifts = drifting(drift)
    if drifts:
        evidence |= {f"drift_{name}": value for name, value in drifts.items()}
    holds = bool(problems) or unsure or bool(drifts)
    clears = not holds and settled(drift)
    return _judge(state, "model", EVERYWHERE, holds, clears, evidence, step, at_ms, rules)


def watch_allocation(
    state: WatchState, refused: RefusedAnswer | None, step: int, at_ms: int, rules: WatchRules
) -> list[AlertRecord]:
    """The allocator's newest answer failed or is infeasible, and the previous plan stays: fires until one succeeds.

    Another such answer while it fires changes the evidence: a record of the same alert says it.
    """
    holds, known = refused is not None, state.refused
    evidence = msgspec.to_builtins(refused) or {}
    state.refused = "" if refused is None else refused.shift
    found = _judge(state, "allocation", EVERYWHERE, holds, not holds, evidence, step, at_ms, rules)
    condition = state.conditions["allocation"]
    if found or not holds or condition.fired_ms is None or known == state.refused:
        return found
    assert condition.since_ms is not None
    again = ConditionChange("firing", condition.since_ms, condition.fired_ms, at_ms)
    return [_alert(again, "allocation", EVERYWHERE, evidence, step)]


def _confidence(metrics: Mapping[str, MarketMetrics], window: str, events: int) -> float | None:
    """Mean confidence over all markets; None with fewer events than asked for."""
    seen = [(one.windows[window].n, one.windows[window].confidence or 0.0) for one in metrics.values()]
    n = sum(count for count, _ in seen)
    return sum(count * mean for count, mean in seen) / n if n >= events else None


def _judge(
    state: WatchState,
    kind: AlertKind,
    market: str,
    holds: bool,
    clears: bool,
    evidence: dict[str, Any],
    step: int,
    at_ms: int,
    rules: WatchRules,
) -> list[AlertRecord]:
    condition = state.conditions.setdefault(kind, ConditionState())
    change = condition_step(condition, holds, clears, at_ms, getattr(rules, kind))
    return [] if change is None else [_alert(change, kind, market, evidence, step)]


def _alert(change: ConditionChange, kind: AlertKind, market: str, evidence: dict[str, Any], step: int) -> AlertRecord:
    return AlertRecord(
        id=f"{kind}-{'all' if market == EVERYWHERE else market}-{change.started_at}",
        seq=step,
        kind=kind,
        market=market,
        state=change.state,
        started_at=change.started_at,
        fired_at=change.fired_at,
        ended_at=change.at if change.state == "resolved" else None,
        evidence=evidence,
    )
