"""Alerts on a condition that must hold for a while: pending, firing, resolved; and the conditions themselves."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

from marketpulse.contract.metrics import WindowMetrics
from marketpulse.contract.units import DAY_MS, HOUR_MS, MINUTE_MS
from streams.contract.rules import ConditionRule, WatchRules

UsualHours = Callable[[], Sequence[float]]
"""Events that each hour of day usually has, 24 numbers; asked for only where it matters."""


class ConditionState(msgspec.Struct):
    """Stream times in epoch ms: since when the condition holds, when it fired, since when it is gone."""

    since_ms: int | None = None
    fired_ms: int | None = None
    clear_since_ms: int | None = None


class ConditionChange(msgspec.Struct, frozen=True):
    """A change of state; `started_at` is when the condition began to hold."""

    state: Literal["pending", "firing", "resolved"]
    started_at: int
    fired_at: int | None
    at: int


def condition_step(
    state: ConditionState, holds: bool, clears: bool, at_ms: int, rule: ConditionRule
) -> ConditionChange | None:
    """Judge one step; between `holds` and `clears` what fires goes on (hysteresis). The state is changed in place.

    It must hold in every step for `for_ms`: one that does not hold while pending is resolved, so that whoever showed it
    can take it away.
    """
    if state.since_ms is None:
        if not holds:
            return None
        state.since_ms = at_ms
        if rule.for_ms > 0:
            return ConditionChange("pending", at_ms, None, at_ms)
    if state.fired_ms is None and not holds:
        return _resolved(state, at_ms)
    if clears:
        state.clear_since_ms = at_ms if state.clear_since_ms is None else state.clear_since_ms
        return _resolved(state, at_ms) if at_ms - state.clear_since_ms >= rule.clear_ms else None
    state.clear_since_ms = None
    if state.fired_ms is None and at_ms - state.since_ms >= rule.for_ms:
        state.fired_ms = at_ms
        return ConditionChange("firing", state.since_ms, at_ms, at_ms)
    return None


def _resolved(state: ConditionState, at_ms: int) -> ConditionChange:
    assert state.since_ms is not None
    change = ConditionChange("resolved", state.since_ms, state.fired_ms, at_ms)
    state.since_ms = state.fired_ms = state.clear_since_ms = None
    return change


class Input(msgspec.Struct):
    """Fading counts of records and dead letters, for the share of broken input."""

    records: float = 0.0
    dead: float = 0.0
    at_ms: int = 0

    def add(self, records: int, dead: int, at_ms: int, half_life_ms: int) -> None:
        """Fade to `at_ms`, then add one step's counts."""
        fade = 0.5 ** (max(0, at_ms - self.at_ms) / half_life_ms) if self.at_ms else 1.0
        self.records = self.records * fade + records
        self.dead = self.dead * fade + dead
        self.at_ms = max(self.at_ms, at_ms)

    @property
    def share(self) -> float:
        """Share of dead letters; 0 without records."""
        return self.dead / self.records if self.records else 0.0


def drop_condition(hour: WindowMetrics, rules: WatchRules) -> tuple[bool, bool, dict[str, Any]]:
    """(holds, clears, evidence): the upper bound of u over 1 h is under the threshold.

    It clears too where too few events are left to tell; the evidence says so then.
    """
    evidence: dict[str, Any] = {"u": round(hour.u.value, 4), "u_high": round(hour.u.high, 4), "n": hour.n}
    holds = hour.n >= rules.drop_events and hour.u.high < rules.drop_below
    few = hour.n < rules.drop_events // 2
    if few:
        evidence["cause"] = "too few events to tell"
    return holds, few or hour.u.value >= rules.drop_resolved_above, evidence


def silence_condition(
    last_event_ms: int | None, week: WindowMetrics, usual: UsualHours, at_ms: int, rules: WatchRules
) -> tuple[bool, bool, dict[str, Any]]:
    """(holds, clears, evidence): a market that used to speak is quiet.

    Quiet = no event for so long that at least 20 were to be expected at these hours of day (a chance of e^-20 for a
    Poisson stream), and for at least 30 minutes.
    """
    if last_event_ms is None or week.n < rules.no_data_events:
        return False, True, {}
    silence_ms = at_ms - last_event_ms
    if silence_ms < rules.no_data_silence_ms:
        return False, True, {"silent_minutes": silence_ms // MINUTE_MS}
    expected = expected_events(usual(), last_event_ms, at_ms)
    evidence = {"silent_minutes": silence_ms // MINUTE_MS, "expected_events": round(expected, 1)}
    holds = expected >= rules.no_data_expected
    return holds, not holds, evidence


def expected_events(usual: Sequence[float], from_ms: int, to_ms: int) -> float:
    """Events between two times, in epoch ms, by what each hour of day usually has (24 numbers)."""
    days, rest = divmod(to_ms - from_ms, DAY_MS)
    expected, at_ms, end_ms = days * sum(usual), from_ms, from_ms + rest
    while at_ms < end_ms:
        until_ms = min(end_ms, (at_ms // HOUR_MS + 1) * HOUR_MS)
        expected += usual[at_ms // HOUR_MS % 24] * (until_ms - at_ms) / HOUR_MS
        at_ms = until_ms
    return expected
