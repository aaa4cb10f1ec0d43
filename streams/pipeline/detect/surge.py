"""Surge: a CUSUM on the share of negatives of a market, or of a topic of it, seen through the classifier's noise.

The share is modelled as it truly is. With q the true share and z its logit,

    z = season(hour of day) + level,  level ~ Ornstein-Uhlenbeck(drift_sd, drift_minutes) around 0
    p(z) = false_share + (recall - false_share) logistic(z)          what is answered negative
    LLR = [x ln(p1/p0) + (n - x) ln((1 - p1)/(1 - p0))]/(1 + (n - 1) rho),  S = max(0, S + LLR)

A topic's z has its market's level too: what moves all topics is the market's surge, not one of each of them.
(Page 1954; the correction for over-dispersion is the design effect of clusters of n). p1 is what a surge would show:
the level at which S was last 0, and the odds times `odds_ratio`. A second S looks for `large_odds_ratio`, since the
first would need many events for a plain outage. p0 leans on that level too, so that a surge is not learned while it is
being judged, and follows the tracked one by `follow`. Where S falls to 0 by chance, the surge is learned after all: a
third S compares with the season alone, and with the most that drift makes of it (`far_sds`). The largest counts.
The level is tracked by a Kalman filter on the score, so that a busy market's level moves in minutes and a quiet one's
in hours.
"""

import math
from bisect import bisect_left
from itertools import accumulate
from typing import Any, Literal

import msgspec

from marketpulse.contract.units import HOUR_MS, MINUTE_MS
from streams.contract.rules import SurgeRule

LARGEST_RHO = 0.05
LARGEST_MOVE = 0.5  # of the level within one minute, in logits
FIRST_VARIANCE = 0.3  # of the level of a series that is not known yet, in squared logits
MOST_FALSE = 0.8  # of what is usually answered negative: the share of it that can be false
LEAST_SHARE, MOST_SHARE = 0.02, 0.9  # of true negatives that a season is believed to have
LEAST_RISE = 0.002  # of the share that is answered negative
RESIDUALS_KEPT = 0.999  # per minute
LEAST_RATE, USUAL_RATE, MOST_RATE = 2.5, 20.0, 200.0  # events a minute of a market: what was simulated
STARTS_KEPT = 24
STARTS_NATS = 6.0  # a start so much less likely than the likeliest is forgotten


class Noise(msgspec.Struct, frozen=True):
    """How the classifier sees negatives: the share of them it finds, and of the others that it takes for some."""

    recall: float = 1.0
    false_share: float = 0.0

    def plausible(self, usual_share: float) -> "Noise":
        """The same where less is usually answered negative than the measured errors alone would make of it."""
        return Noise(self.recall, min(self.false_share, MOST_FALSE * usual_share))

    def seen(self, true_share: float) -> float:
        """The share that is answered negative, in (0, 1)."""
        share = self.false_share + (self.recall - self.false_share) * true_share
        return min(max(share, 1e-4), 1 - 1e-4)

    def true(self, seen_share: float) -> float:
        """The true share behind an answered one, within the shares that are believed."""
        share = (seen_share - self.false_share) / (self.recall - self.false_share)
        return min(max(share, LEAST_SHARE), MOST_SHARE)


class Observation(msgspec.Struct, frozen=True):
    """x negatives of n events of one event minute; `pooled_share` of all markets is taken where nothing is known.

    Of a topic also: the `market_level` that it moves with, in logits above what is usual, and whether the market is
    `calm`, without a surge that fires.
    """

    minute: int
    n: int
    x: int
    pooled_share: float
    noise: Noise = Noise()
    market_level: float = 0.0
    calm: bool = True


class AlertChange(msgspec.Struct, frozen=True):
    """An alert began or ended; `adopted`: by how many logits what is usual moved because a surge lasted."""

    state: Literal["firing", "resolved"]
    started_at: int
    at: int
    evidence: dict[str, Any]
    adopted: float = 0.0


class SurgeState(msgspec.Struct):
    """One series; times in epoch ms of stream time, levels in logits of the true share.

    `starts`: (time, sum of LLR before it above the least such sum) of every minute at which a change may have begun.
    """

    first_ms: int
    last_ms: int
    events: int = 0
    s: float = 0.0
    large: float = 0.0  # the same for a large surge
    far: float = 0.0  # the same for a level that is far above what drift makes of the season
    far_from: int = 0  # the minute with which that last rose from 0
    level: float = 0.0
    variance: float = FIRST_VARIANCE
    held: float = 0.0  # level at which S was last 0
    season_n: list[float] = msgspec.field(default_factory=lambda: [0.0] * 24)
    season_x: list[float] = msgspec.field(default_factory=lambda: [0.0] * 24)
    hour: int = 0
    hour_n: float = 0.0
    hour_x: float = 0.0
    residual_squares: float = 0.0
    residual_weights: float = 0.0
    starts: list[tuple[int, float]] = []
    so_far: float = 0.0  # the same sum with the last minute in it
    fired_ms: int | None = None
    fired_n: int = 0
    fired_x: int = 0

    @property
    def highest(self) -> float:
        """The statistic that counts."""
        return max(self.s, self.large, self.far)


def surge_step(
    state: SurgeState | None, seen: Observation, rule: SurgeRule = SurgeRule()
) -> tuple[SurgeState, AlertChange | None]:
    """One minute of one series through the CUSUM; fires at S >= threshold. The state is changed in place."""
    at = seen.minute * MINUTE_MS
    if state is None:
        state = SurgeState(first_ms=at, last_ms=at)
    at = max(at, state.last_ms)
    _drift(state, at, rule)
    share = _usual_share(state, seen, at, rule)
    noise = seen.noise.plausible(share)
    usual = _logit(noise.true(share)) + seen.market_level
    held = state.held if state.s > 0 else state.level
    p0 = noise.seen(_logistic(usual + rule.follow * state.level + (1 - rule.follow) * held))
    p1, large = (
        _above(p0, noise.seen(_logistic(usual + held + math.log(ratio))))
        for ratio in (rule.odds_ratio, rule.large_odds_ratio)
    )
    spread = 1 + max(seen.n - 1, 0) * overdispersion(state)
    armed = state.events >= rule.armed_events and at - state.first_ms >= rule.armed_minutes * MINUTE_MS
    if armed and seen.n:
        llr = _llr(seen, p0, p1) / spread
        _remember_start(state, at, llr)
        state.s = max(0.0, state.s + llr)
        state.large = max(0.0, state.large + _llr(seen, p0, large) / spread)
        if state.far == 0.0:
            state.far_from = at
        state.far = max(0.0, state.far + _llr(seen, *_far(noise, usual, rule)) / spread)
    learned = state.far > 0 and state.far >= state.highest
    change = _life(state, seen, at, noise.seen(_logistic(usual)) if learned else p0, rule)
    _learn(state, seen, noise, usual, p0, spread, at, rule)
    if state.s == 0.0:
        state.held = state.level
    state.events += seen.n
    state.last_ms = at
    return state, change


def busy_nats(market: SurgeState | None, minute: int, rule: SurgeRule) -> float:
    """By how much the thresholds of a market and of its topics are higher at a minute: the busier, the more.

    What chance does to S is over within minutes there, and within hours where little comes: it begins the more often.

    Args:
        market: the state of the market as a whole before that minute.
        minute: since the epoch.
        rule: of the market.
    """
    if market is None or minute * MINUTE_MS <= market.first_ms:
        return 0.0
    rate = market.events / (minute - market.first_ms / MINUTE_MS)
    nats = rule.rate_nats * math.log(min(max(rate, LEAST_RATE), MOST_RATE) / USUAL_RATE)
    return max(nats, -rule.threshold / 2)


def overdispersion(state: SurgeState) -> float:
    """rho from Pearson residuals: sum (r^2 - 1)/sum (n - 1), shrunk to 0, within [0, LARGEST_RHO]."""
    return min(max(state.residual_squares / (state.residual_weights + 500.0), 0.0), LARGEST_RHO)


def began(state: SurgeState, at: int) -> tuple[int, int, int]:
    """When a change that is under way began: (estimate, earliest, latest) time in epoch ms, the last two of 95 %.

    The likelihood of a change that began at a minute is that of all LLR from it on; the prior is even over the minutes
    that had events. The estimate is the median: where little is known, the likeliest minute lies hours off as often as
    not, at the edge of the interval. `at`, the minute that fires, where no start is likelier than no change at all.
    """
    starts = state.starts or [(at, 0.0)]
    weights = [math.exp(-before) for _, before in starts]
    passed = list(accumulate(weights))

    def quantile(part: float) -> int:
        return starts[bisect_left(passed, part * passed[-1])][0]

    return quantile(0.5), quantile(0.025), quantile(0.975)


def _began_far(state: SurgeState, rule: SurgeRule) -> tuple[int, int, int]:
    """The same where a rise was learned as usual before it was found: within the time of drift before that S rose."""
    return state.far_from, max(state.first_ms, state.far_from - int(rule.drift_minutes * MINUTE_MS)), state.far_from


def _drift(state: SurgeState, at: int, rule: SurgeRule) -> None:
    """What time alone does: levels go back towards the season, and are less sure."""
    kept = math.exp(-(at - state.last_ms) / (rule.drift_minutes * MINUTE_MS))
    state.level *= kept
    state.held *= kept
    state.variance = state.variance * kept**2 + (1 - kept**2) * rule.drift_sd**2


def _usual_share(state: SurgeState, seen: Observation, at: int, rule: SurgeRule) -> float:
    """The share that is usually answered negative at this hour of day."""
    whole = (sum(state.season_x) + rule.season_events * seen.pooled_share) / (sum(state.season_n) + rule.season_events)
    hour = at // HOUR_MS % 24
    return (state.season_x[hour] + rule.season_events * whole) / (state.season_n[hour] + rule.season_events)


def _remember_start(state: SurgeState, at: int, llr: float) -> None:
    """Add a minute as a possible start; forget those that are too unlikely by now, and thin out the rest."""
    starts = [*state.starts, (at, state.so_far)]
    so_far = state.so_far + llr
    least = min(so_far, *(before for _, before in starts))
    state.starts = [(time, before - least) for time, before in starts if before - least <= STARTS_NATS]
    state.so_far = so_far - least
    if len(state.starts) > STARTS_KEPT:
        state.starts = state.starts[::2]


def _life(state: SurgeState, seen: Observation, at: int, p0: float, rule: SurgeRule) -> AlertChange | None:
    if state.fired_ms is None:
        if state.highest < rule.threshold:
            return None
        state.fired_ms, state.fired_n, state.fired_x = at, seen.n, seen.x
        estimate, earliest, latest = _began_far(state, rule) if state.far >= state.highest else began(state, at)
        evidence: dict[str, Any] = {
            "expected_share": round(p0, 4),
            "statistic": round(state.highest, 2),
            "began_estimate": estimate,
            "began_interval": [earliest, latest],
        }
        return AlertChange("firing", at, at, evidence)
    state.fired_n += seen.n
    state.fired_x += seen.x
    bound = 2 * rule.threshold  # so that an ended surge resolves in bounded time
    state.s, state.large, state.far = (min(s, bound) for s in (state.s, state.large, state.far))
    lasted = at - state.fired_ms >= rule.adopt_minutes * MINUTE_MS
    if state.highest > rule.resolve_at * rule.threshold and not lasted:
        return None
    evidence = {"events": state.fired_n, "share": state.fired_x / state.fired_n if state.fired_n else None}
    adopted = 0.0
    if lasted:
        evidence["cause"] = f"after {rule.adopt_minutes / 60:g} h the new share became the baseline"
        adopted = _adopt(state, rule)
    started, state.fired_ms = state.fired_ms, None
    return AlertChange("resolved", started, at, evidence, adopted)


def move_usual(state: SurgeState, by: float, rule: SurgeRule) -> None:
    """Move what is usual for a topic, by logits, as its market's has moved; it leans on little from then on."""
    n, x = sum(state.season_n), sum(state.season_x)
    if n:
        share = _logistic(_logit(min(max(x / n, LEAST_SHARE), MOST_SHARE)) + by)
        state.season_n = [min(n, rule.season_events)] * 24
        state.season_x = [share * min(n, rule.season_events)] * 24


def _adopt(state: SurgeState, rule: SurgeRule) -> float:
    """Forget what was usual: the share since it fired is, at every hour of day; by how many logits it is more."""
    moved = 0.0
    if state.fired_n:
        share, n = state.fired_x / state.fired_n, sum(state.season_n)
        if n and sum(state.season_x):
            was, now = (min(max(found, LEAST_SHARE), MOST_SHARE) for found in (sum(state.season_x) / n, share))
            moved = _logit(now) - _logit(was)
        state.season_n = [rule.season_events] * 24
        state.season_x = [rule.season_events * share] * 24
    state.s = state.large = state.far = state.level = state.so_far = 0.0
    state.starts = []
    state.variance = FIRST_VARIANCE
    return moved


def _learn(
    state: SurgeState, seen: Observation, noise: Noise, usual: float, p0: float, spread: float, at: int, rule: SurgeRule
) -> None:
    """Level by a Kalman step on the score; season and rho only outside a surge."""
    true = _logistic(usual + state.level)
    p = noise.seen(true)
    slope = (noise.recall - noise.false_share) * true * (1 - true)
    weight = slope / (p * (1 - p)) / spread
    gain = state.variance / (1 + state.variance * seen.n * slope * weight)
    state.level += min(max(gain * (seen.x - seen.n * p) * weight, -LARGEST_MOVE), LARGEST_MOVE)
    state.variance = gain
    if at // HOUR_MS != state.hour:  # a closed hour enters the season: the hour under judgement must not
        faded = 0.5 ** ((at // HOUR_MS - state.hour) / (rule.season_minutes / 60)) if state.hour else 1.0
        state.season_n = [n * faded for n in state.season_n]
        state.season_x = [x * faded for x in state.season_x]
        state.season_n[state.hour % 24] += state.hour_n
        state.season_x[state.hour % 24] += state.hour_x
        state.hour, state.hour_n, state.hour_x = at // HOUR_MS, 0.0, 0.0
    if state.fired_ms is not None or not seen.calm:
        return
    state.hour_n += seen.n
    state.hour_x += seen.x
    if seen.n >= 2:
        residual = (seen.x - seen.n * p0) ** 2 / (seen.n * p0 * (1 - p0))
        state.residual_squares = RESIDUALS_KEPT * state.residual_squares + min(residual, 9.0) - 1.0
        state.residual_weights = RESIDUALS_KEPT * state.residual_weights + seen.n - 1


def _far(noise: Noise, usual: float, rule: SurgeRule) -> tuple[float, float]:
    """What the season and a drift that is as large as they come would show; and what a surge of the season would."""
    p0 = noise.seen(_logistic(usual + rule.far_sds * rule.drift_sd))
    return p0, _above(p0, noise.seen(_logistic(usual + math.log(rule.odds_ratio))))


def _above(p0: float, p1: float) -> float:
    """What a surge would show, at least a little above what is usual, and below 1 where nearly all are negative."""
    return min(max(p1, p0 + LEAST_RISE), (1 + p0) / 2)


def _llr(seen: Observation, p0: float, p1: float) -> float:
    return seen.x * math.log(p1 / p0) + (seen.n - seen.x) * math.log((1 - p1) / (1 - p0))


def _logit(p: float) -> float:
    return math.log(p / (1 - p))


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))
