"""Detectors: observations in stream-time order in, alert changes out; all state is in msgspec Structs."""

import math
from typing import Any, Literal

import msgspec

MINUTE_MS = 60_000
SEASON_HALF_LIFE_DAYS = 7.0
BURST = 2.0  # times its usual volume: the most that one minute weighs in the level, see ADR 6
LARGEST_RHO = 0.05


class SurgeRule(msgspec.Struct, frozen=True):
    """When the share of negatives is a surge; see `surge_step`.

    `threshold` in nats; `resolve_at` and `freeze_at` are parts of it, in [0, 1]. `odds_ratio`: how much worse the odds
    of a negative are in a surge. `prior_events` and `season_events` say how many events the level and an hour of day
    lean on their priors.
    """

    threshold: float = 14.0
    odds_ratio: float = 2.5
    half_life_minutes: float = 30.0
    prior_events: float = 40.0
    season_events: float = 200.0
    freeze_at: float = 0.5
    freeze_minutes: float = 120.0
    resolve_at: float = 0.25
    armed_events: int = 100
    armed_minutes: float = 30.0


class SurgeState(msgspec.Struct):
    """CUSUM of one series (a market, or a topic of it); times in epoch ms of stream time."""

    first_ms: int
    last_ms: int
    events: int = 0
    s: float = 0.0
    level_n: float = 0.0
    level_x: float = 0.0
    season_n: list[float] = msgspec.field(default_factory=lambda: [0.0] * 24)
    season_x: list[float] = msgspec.field(default_factory=lambda: [0.0] * 24)
    hour: int = 0
    hour_n: float = 0.0
    hour_x: float = 0.0
    residual_squares: float = 0.0
    residual_weights: float = 0.0
    zero_ms: int = 0
    frozen_since_ms: int | None = None
    fired_ms: int | None = None
    fired_n: int = 0
    fired_x: int = 0


class Observation(msgspec.Struct, frozen=True):
    """x negatives of n events of one event minute, released at `stream_time_ms`."""

    minute: int
    n: int
    x: int
    pooled_share: float


class AlertChange(msgspec.Struct, frozen=True):
    """An alert began or ended."""

    state: Literal["firing", "resolved"]
    started_at: int
    at: int
    evidence: dict[str, Any]


def surge_step(
    state: SurgeState | None, seen: Observation, rule: SurgeRule = SurgeRule()
) -> tuple[SurgeState, AlertChange | None]:
    """One minute of one series through the CUSUM on the share of negatives (DESIGN section 5).

    LLR = [x ln(p1/p0) + (n-x) ln((1-p1)/(1-p0))]/(1 + (n-1) rho); S = max(0, S + LLR); fires at S >= threshold.
    logit p1 = logit p0 + ln odds ratio. p0 = season (hour of day, shrunk by its events) shifted to the level (with its
    half-life and prior); both stand still while S is high, for `freeze_minutes` at most. The state is changed in place.
    """
    at = seen.minute * MINUTE_MS
    if state is None:
        state = SurgeState(first_ms=at, last_ms=at, zero_ms=at)
    at = max(at, state.last_ms)
    p0 = expected_share(state, seen.pooled_share, at, rule)
    armed = state.events >= rule.armed_events and at - state.first_ms >= rule.armed_minutes * MINUTE_MS
    if armed and seen.n:
        p1 = _logistic(_logit(p0) + math.log(rule.odds_ratio))
        llr = seen.x * math.log(p1 / p0) + (seen.n - seen.x) * math.log((1 - p1) / (1 - p0))
        state.s = max(0.0, state.s + llr / (1 + (seen.n - 1) * overdispersion(state)))
        if state.s == 0.0:
            state.zero_ms = at
    elif not armed:
        state.zero_ms = at
    change = _life(state, at, p0, rule)
    if state.fired_ms is not None:
        state.fired_n += seen.n
        state.fired_x += seen.x
    if not _frozen(state, at, rule):
        _learn(state, seen, p0, at, rule)
    state.events += seen.n
    state.last_ms = at
    return state, change


def expected_share(state: SurgeState, pooled: float, at_ms: int, rule: SurgeRule) -> float:
    """p0 at a time: the level's share, moved on the logit scale by how this hour of day differs from all hours."""
    decay = 0.5 ** ((at_ms - state.last_ms) / (rule.half_life_minutes * MINUTE_MS))
    n, x = state.level_n * decay, state.level_x * decay
    overall_n, overall_x = sum(state.season_n), sum(state.season_x)
    overall = (overall_x + rule.season_events * pooled) / (overall_n + rule.season_events)
    level = (x + rule.prior_events * overall) / (n + rule.prior_events)
    hour = at_ms // 3_600_000 % 24
    season = (state.season_x[hour] + rule.season_events * overall) / (state.season_n[hour] + rule.season_events)
    return min(max(_logistic(_logit(level) + _logit(season) - _logit(overall)), 0.01), 0.95)


def overdispersion(state: SurgeState) -> float:
    """rho from Pearson residuals: sum (r^2 - 1) / sum (n - 1), shrunk to 0, within [0, LARGEST_RHO]."""
    return min(max(state.residual_squares / (state.residual_weights + 500.0), 0.0), LARGEST_RHO)


def _life(state: SurgeState, at: int, p0: float, rule: SurgeRule) -> AlertChange | None:
    if state.fired_ms is None and state.s >= rule.threshold:
        state.fired_ms, state.fired_n, state.fired_x = at, 0, 0
        evidence = {"expected_share": round(p0, 4), "statistic": round(state.s, 2), "began_estimate": state.zero_ms}
        return AlertChange("firing", at, at, evidence)
    if state.fired_ms is not None and state.s <= rule.resolve_at * rule.threshold:
        started, state.fired_ms = state.fired_ms, None
        share = state.fired_x / state.fired_n if state.fired_n else None
        return AlertChange("resolved", started, at, {"events": state.fired_n, "share": share})
    state.s = min(state.s, 2 * rule.threshold)  # bounded, so that an ended surge resolves in bounded time
    return None


def _frozen(state: SurgeState, at: int, rule: SurgeRule) -> bool:
    """Whether the baseline stands still: a surge must not become the new normal while it is being judged."""
    if state.s <= rule.freeze_at * rule.threshold:
        state.frozen_since_ms = None
        return False
    if state.frozen_since_ms is None:
        state.frozen_since_ms = at
    return at - state.frozen_since_ms <= rule.freeze_minutes * MINUTE_MS


def _learn(state: SurgeState, seen: Observation, p0: float, at: int, rule: SurgeRule) -> None:
    half_life_ms = rule.half_life_minutes * MINUTE_MS
    decay = 0.5 ** ((at - state.last_ms) / half_life_ms)
    usual = state.level_n * decay * math.log(2) * MINUTE_MS / half_life_ms  # events a minute over the half-life
    weight = min(1.0, BURST * max(usual, 1.0) / seen.n) if seen.n else 0.0
    state.level_n = state.level_n * decay + weight * seen.n
    state.level_x = state.level_x * decay + weight * seen.x
    if at // 3_600_000 != state.hour:  # a closed hour enters the season: the hour under judgement must not
        state.season_n[state.hour % 24] += state.hour_n
        state.season_x[state.hour % 24] += state.hour_x
        state.hour, state.hour_n, state.hour_x = at // 3_600_000, 0.0, 0.0
    state.hour_n += seen.n
    state.hour_x += seen.x
    faded = 0.5 ** ((at - state.last_ms) / (SEASON_HALF_LIFE_DAYS * 86_400_000))
    if faded < 1.0:
        state.season_n = [n * faded for n in state.season_n]
        state.season_x = [x * faded for x in state.season_x]
    if seen.n >= 2:
        residual = (seen.x - seen.n * p0) ** 2 / (seen.n * p0 * (1 - p0))
        state.residual_squares = 0.999 * state.residual_squares + min(residual, 9.0) - 1.0
        state.residual_weights = 0.999 * state.residual_weights + seen.n - 1


class ShiftState(msgspec.Struct):
    """Where u and r stood at a market's last shift: (value, standard error)."""

    u: tuple[float, float] | None = None
    r: tuple[float, float] | None = None
    at_ms: int = 0


class ShiftRule(msgspec.Struct, frozen=True):
    """Thresholds of a shift; the reference is set once a market has `ready_events` events in 24 h."""

    u_threshold: float = 0.03
    r_threshold: float = 0.03
    sigmas: float = 3.0
    cool_down_ms: int = 10 * MINUTE_MS
    ready_events: int = 100


class Standing(msgspec.Struct, frozen=True):
    """A market's 24 h metrics as the shift rule sees them: (value, standard error)."""

    n: int
    u: tuple[float, float]
    r: tuple[float, float] | None


def shift_step(
    state: ShiftState | None, seen: Standing, surged: bool, at_ms: int, rule: ShiftRule = ShiftRule()
) -> tuple[ShiftState, dict[str, Any] | None]:
    """Whether a market shifted: |u - u_then| > .03 and > 3 sqrt(se^2 + se_then^2), the same for r, or a surge fired.

    Returns the new state and the evidence of a shift, or None. The first reference is set silently.
    """
    if state is None:
        state = ShiftState()
    if seen.n < rule.ready_events:
        return state, None
    if state.u is None:
        return ShiftState(u=seen.u, r=seen.r, at_ms=at_ms), None
    if state.r is None and seen.r is not None:
        state.r = seen.r
    evidence: dict[str, Any] = {}
    if at_ms - state.at_ms >= rule.cool_down_ms:
        if _moved(seen.u, state.u, rule.u_threshold, rule.sigmas):
            evidence["u"] = {"was": state.u[0], "is": seen.u[0]}
        if seen.r is not None and state.r is not None and _moved(seen.r, state.r, rule.r_threshold, rule.sigmas):
            evidence["r"] = {"was": state.r[0], "is": seen.r[0]}
    if surged:
        evidence["surge"] = {"u_was": state.u[0], "u_is": seen.u[0]}
    if not evidence:
        return state, None
    return ShiftState(u=seen.u, r=seen.r, at_ms=at_ms), evidence


def _moved(now: tuple[float, float], then: tuple[float, float], threshold: float, sigmas: float) -> bool:
    distance = abs(now[0] - then[0])
    return distance > threshold and distance > sigmas * math.hypot(now[1], then[1])


def _logit(p: float) -> float:
    p = min(max(p, 1e-6), 1 - 1e-6)
    return math.log(p / (1 - p))


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))
