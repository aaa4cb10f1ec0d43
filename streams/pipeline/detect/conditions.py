"""Alerts on a condition that must hold for a while: pending, firing, resolved; and the conditions themselves."""

from typing import Any, Literal

import msgspec

from marketpulse.contract.metrics import WindowMetrics
from marketpulse.contract.units import DAY_MS, MINUTE_MS
from streams.contract.rules import ConditionRule, WatchRules


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
    """Judge one step; between `holds` and `clears` nothing changes (hysteresis). The state is changed in place.

    A condition that goes away while pending is resolved too, so that whoever showed it can take it away.
    """
    if state.since_ms is None:
        if not holds:
            return None
        state.since_ms = at_ms
        if rule.for_ms > 0:
            return ConditionChange("pending", at_ms, None, at_ms)
    if clears:
        state.clear_since_ms = at_ms if state.clear_since_ms is None else state.clear_since_ms
        if state.fired_ms is None or at_ms - state.clear_since_ms >= rule.clear_ms:
            change = ConditionChange("resolved", state.since_ms, state.fired_ms, at_ms)
            state.since_ms = state.fired_ms = state.clear_since_ms = None
            return change
        return None
    state.clear_since_ms = None
    if state.fired_ms is None and at_ms - state.since_ms >= rule.for_ms:
        state.fired_ms = at_ms
        return ConditionChange("firing", state.since_ms, at_ms, at_ms)
    return None


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
    """(holds, clears, evidence): the upper bound of u over 1 h is under the threshold."""
    evidence = {"u": round(hour.u.value, 4), "u_high": round(hour.u.high, 4), "n": hour.n}
    holds = hour.n >= rules.drop_events and hour.u.high < rules.drop_below
    return holds, hour.u.value >= rules.drop_resolved_above or hour.n < rules.drop_events // 2, evidence


def silence_condition(
    last_event_ms: int | None, day: WindowMetrics, week: WindowMetrics, at_ms: int, rules: WatchRules
) -> tuple[bool, bool, dict[str, Any]]:
    """(holds, clears, evidence): a market that used to speak is quiet.

    Quiet = no event for so long that, at the mean rate of the last 24 h, at least 20 were to be expected (a chance of
    e^-20 for a Poisson stream), and for at least 30 minutes.
    """
    if last_event_ms is None or week.n < rules.no_data_events:
        return False, True, {}
    rate = max(day.n, week.n / 7) / DAY_MS
    silence_ms = at_ms - last_event_ms
    evidence = {"silent_minutes": silence_ms // MINUTE_MS, "expected_events": round(silence_ms * rate, 1)}
    holds = silence_ms >= rules.no_data_silence_ms and silence_ms * rate >= rules.no_data_expected
    return holds, not holds, evidence
