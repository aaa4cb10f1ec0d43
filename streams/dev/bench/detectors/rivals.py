"""Detectors on many series at once, a minute a step: the product's surge, others, and one that knows everything."""

from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from streams.contract.rules import SurgeRule
from streams.dev.bench.detectors.arrays import Array, Counts
from streams.dev.bench.detectors.markets import (
    DAY,
    INCIDENT,
    USUAL_SHARE,
    Markets,
    logistic,
    logit,
)
from streams.pipeline.detect.surge import (
    FIRST_VARIANCE,
    LARGEST_MOVE,
    LARGEST_RHO,
    LEAST_RATE,
    LEAST_RISE,
    LEAST_SHARE,
    MOST_FALSE,
    MOST_RATE,
    MOST_SHARE,
    RESIDUALS_KEPT,
    USUAL_RATE,
)


class Detector(Protocol):
    """A statistic per series that fires above a threshold."""

    def step(self, minute: Array | np.float64, n: Array, x: Array, q: Array) -> Array:
        """The statistic after one more minute of every series; `q` is the true share, for who may know it."""

    def of(self, series: Counts) -> Self:
        """A copy with the state of these series (numbers, may repeat)."""


class Columns:
    """Copies whatever state is an array over series in its last axis."""

    def of(self, series: Counts) -> Self:
        """A copy with the state of these series."""
        copy = object.__new__(type(self))
        for name, value in self.__dict__.items():
            copy.__dict__[name] = value[..., series].copy() if isinstance(value, np.ndarray) else value
        return copy


class Clairvoyant(Columns):
    """A CUSUM that knows the share of every minute, the rise, the classifier and rho."""

    def __init__(self, markets: Markets) -> None:
        self._s = np.zeros(len(markets.rho))
        self._rho, self._recall, self._false = markets.rho, markets.recall, markets.false_share

    def step(self, minute: Array | np.float64, n: Array, x: Array, q: Array) -> Array:
        """One minute."""
        distance = self._recall - self._false
        p0, p1 = (self._false + distance * share for share in (q, logistic(logit(q) + INCIDENT)))
        rho = self._rho * distance**2 * q * (1 - q) / (p0 * (1 - p0))  # as the classifier's errors leave it
        self._s = np.maximum(0, self._s + _llr(n, x, p0, p1, rho))
        return self._s


Shares = tuple[Array, Array, Array, Array, Array]
"""p0, p1, p1 of a large surge; p0 and p1 of a level far above the season's."""


class Surge(Columns):
    """`streams.pipeline.detect.surge.surge_step` on arrays; a test holds that both come to the same."""

    def __init__(self, markets: Markets, rule: SurgeRule = SurgeRule(), pooled: Array | None = None) -> None:
        size = len(markets.rho)
        self._rule = rule
        self._recall, self._false = markets.recall, markets.false_share
        self._false_now = self._false
        seen = self._false + (self._recall - self._false) * USUAL_SHARE
        self._pooled = seen if pooled is None else pooled
        self._s, self._large, self._far, self._level, self._held, self._events = (np.zeros(size) for _ in range(6))
        self._variance = np.full(size, FIRST_VARIANCE)
        self._season_n, self._season_x = np.zeros((24, size)), np.zeros((24, size))
        self._hour_n, self._hour_x = np.zeros(size), np.zeros(size)
        self._squares, self._weights = np.zeros(size), np.zeros(size)
        self._fired_at = np.full(size, np.inf)
        self._fired_n, self._fired_x = np.zeros(size), np.zeros(size)
        self._market_level, self._calm = np.zeros(size), np.ones(size, bool)
        self._busy, self._of_topics = np.zeros(size), False
        self.adopted = np.zeros(size)

    @property
    def level(self) -> Array:
        """What is tracked beside the season, in logits."""
        return self._level

    @property
    def calm(self) -> NDArray[np.bool_]:
        """Where nothing fires."""
        nothing_fires: NDArray[np.bool_] = ~np.isfinite(self._fired_at)
        return nothing_fires

    def beside(self, markets: "Surge", topics: int) -> None:
        """The series are topics of each of these markets: where those are at the minute that comes next."""
        self._busy, self._of_topics = np.repeat(markets._busy, topics), True
        self._market_level, self._calm = np.repeat(markets.level, topics), np.repeat(markets.calm, topics)
        adopted = np.repeat(markets.adopted, topics)
        moved = np.flatnonzero(adopted)
        if len(moved):
            n, x = self._season_n.sum(0)[moved], self._season_x.sum(0)[moved]
            share = logistic(logit(np.clip(x / np.maximum(n, 1e-9), LEAST_SHARE, MOST_SHARE)) + adopted[moved])
            self._season_n[:, moved] = np.minimum(n, self._rule.season_events)
            self._season_x[:, moved] = share * np.minimum(n, self._rule.season_events)

    def step(self, minute: Array | np.float64, n: Array, x: Array, q: Array) -> Array:
        """One minute; the statistic times what the threshold is there of what it is at the usual rate."""
        minutes: Array = np.zeros(self._s.shape) + minute
        if not self._of_topics:
            rate = np.clip(self._events / np.maximum(minutes, 1), LEAST_RATE, MOST_RATE)
            nats = np.maximum(self._rule.rate_nats * np.log(rate / USUAL_RATE), -self._rule.threshold / 2)
            self._busy = np.where(minutes > 0, nats, 0.0)
        usual, shares, rho, armed = self._prepared(minutes)
        judged = self._after(n, x, shares, rho)
        self._s, self._large, self._far = (
            np.where(armed, after, before)
            for after, before in zip(judged, (self._s, self._large, self._far), strict=True)
        )
        shown: Array = self._highest * self._in_usual
        self._live(minutes, n, x)
        distance = self._recall - self._false_now
        self._learn(minutes, n, x, usual, shares[0], distance, 1 + np.maximum(n - 1, 0) * rho)
        self._held = np.where(self._s == 0, self._level, self._held)
        self._events += n
        return shown

    @property
    def _in_usual(self) -> Array:
        found: Array = self._rule.threshold / (self._rule.threshold + self._busy)
        return found

    @property
    def _highest(self) -> Array:
        return np.maximum(np.maximum(self._s, self._large), self._far)

    def _prepared(self, minutes: Array) -> tuple[Array, Shares, Array, NDArray[np.bool_]]:
        """What a minute is judged by: the usual logit, `Shares`, rho, and where it counts."""
        rule = self._rule
        self._fade(minutes)
        usual = self._usual(minutes) + self._market_level
        held = np.where(self._s > 0, self._held, self._level)
        p0 = self._seen(usual + rule.follow * self._level + (1 - rule.follow) * held)
        p1, large = (
            np.minimum(np.maximum(self._seen(usual + held + np.log(ratio)), p0 + LEAST_RISE), (1 + p0) / 2)
            for ratio in (rule.odds_ratio, rule.large_odds_ratio)
        )
        far = self._seen(usual + rule.far_sds * rule.drift_sd)
        of_season = self._seen(usual + np.log(rule.odds_ratio))
        far_rise = np.minimum(np.maximum(of_season, far + LEAST_RISE), (1 + far) / 2)
        rho = np.clip(self._squares / (self._weights + 500), 0, LARGEST_RHO)
        armed = (self._events >= rule.armed_events) & (minutes >= rule.armed_minutes)
        return usual, (p0, p1, large, far, far_rise), rho, armed

    def _fade(self, minutes: Array) -> None:
        """What time alone does to the level."""
        kept = np.where(minutes > 0, np.exp(-1 / self._rule.drift_minutes), 1.0)
        self._level, self._held = self._level * kept, self._held * kept
        self._variance = self._variance * kept**2 + (1 - kept**2) * self._rule.drift_sd**2

    def _after(self, n: Array, x: Array, shares: Shares, rho: Array) -> tuple[Array, Array, Array]:
        """The three S, n events of the minute and x negatives on."""
        p0, p1, large, far, far_rise = shares
        return (
            np.maximum(0, self._s + _llr(n, x, p0, p1, rho)),
            np.maximum(0, self._large + _llr(n, x, p0, large, rho)),
            np.maximum(0, self._far + _llr(n, x, far, far_rise, rho)),
        )

    def _seen(self, z: Array) -> Array:
        return np.clip(self._false_now + (self._recall - self._false_now) * logistic(z), 1e-4, 1 - 1e-4)

    def _usual(self, minute: Array) -> Array:
        events, hour = self._rule.season_events, (minute // 60 % 24).astype(int)
        whole = (self._season_x.sum(0) + events * self._pooled) / (self._season_n.sum(0) + events)
        at = np.arange(len(whole))
        share = (self._season_x[hour, at] + events * whole) / (self._season_n[hour, at] + events)
        self._false_now = np.minimum(self._false, MOST_FALSE * share)
        true = (share - self._false_now) / (self._recall - self._false_now)
        return logit(np.clip(true, LEAST_SHARE, MOST_SHARE))

    def _live(self, minute: Array, n: Array, x: Array) -> None:
        """Fire, resolve, and take a surge that lasts for what is usual."""
        rule = self._rule
        threshold = rule.threshold + self._busy
        firing = np.isfinite(self._fired_at)
        self._fired_n, self._fired_x = np.where(firing, self._fired_n + n, n), np.where(firing, self._fired_x + x, x)
        bound = np.where(firing, 2 * threshold, np.inf)
        self._s, self._large, self._far = (np.minimum(s, bound) for s in (self._s, self._large, self._far))
        highest = self._highest
        lasted = firing & (minute - self._fired_at >= rule.adopt_minutes)
        over = firing & (highest <= rule.resolve_at * threshold)
        began = ~firing & (highest >= threshold)
        self._fired_at = np.where(began, minute, np.where(lasted | over, np.inf, self._fired_at))
        self.adopted = np.zeros_like(self.adopted)
        if lasted.any():
            share = self._fired_x / np.maximum(self._fired_n, 1)
            was = self._season_x.sum(0) / np.maximum(self._season_n.sum(0), 1e-9)
            now, was = np.clip(share, LEAST_SHARE, MOST_SHARE), np.clip(was, LEAST_SHARE, MOST_SHARE)
            self.adopted = np.where(lasted, logit(now) - logit(was), 0.0)
            self._season_n = np.where(lasted, rule.season_events, self._season_n)
            self._season_x = np.where(lasted, rule.season_events * share, self._season_x)
            self._s, self._large, self._far, self._level = (
                np.where(lasted, 0.0, one) for one in (self._s, self._large, self._far, self._level)
            )
            self._variance = np.where(lasted, FIRST_VARIANCE, self._variance)

    def _learn(
        self, minute: Array, n: Array, x: Array, usual: Array, p0: Array, distance: Array, spread: Array
    ) -> None:
        true = logistic(usual + self._level)
        p = np.clip(self._false_now + distance * true, 1e-4, 1 - 1e-4)
        slope = distance * true * (1 - true)
        weight = slope / (p * (1 - p)) / spread
        self._variance = self._variance / (1 + self._variance * n * slope * weight)
        self._level += np.clip(self._variance * (x - n * p) * weight, -LARGEST_MOVE, LARGEST_MOVE)
        closed = np.flatnonzero((minute % 60 == 0) & (minute > 0))
        if len(closed):
            hour = (minute[closed] // 60 - 1).astype(int)
            faded = np.where(hour > 0, 0.5 ** (60 / self._rule.season_minutes), 1.0)
            for season, of_hour in ((self._season_n, self._hour_n), (self._season_x, self._hour_x)):
                season[:, closed] *= faded
                season[hour % 24, closed] += of_hour[closed]
                of_hour[closed] = 0
        calm = self.calm & self._calm
        self._hour_n, self._hour_x = self._hour_n + calm * n, self._hour_x + calm * x
        residual = np.minimum((x - n * p0) ** 2 / np.maximum(n * p0 * (1 - p0), 1e-9), 9.0) - 1
        told = calm & (n >= 2)
        self._squares = np.where(told, RESIDUALS_KEPT * self._squares + residual, self._squares)
        self._weights = np.where(told, RESIDUALS_KEPT * self._weights + n - 1, self._weights)


class FixedThreshold(Columns):
    """Share over the last minutes, all of the last `hold` minutes above a line: Prometheus' `for`."""

    def __init__(self, markets: Markets, window: int, hold: int) -> None:
        size = len(markets.rho)
        self._n, self._x = np.zeros((window, size)), np.zeros((window, size))
        self._shares = np.zeros((hold, size))

    def step(self, minute: Array | np.float64, n: Array, x: Array, q: Array) -> Array:
        """One minute."""
        self._n, self._x = np.vstack([self._n[1:], n]), np.vstack([self._x[1:], x])
        events = self._n.sum(0)
        share = np.where(events >= 5, self._x.sum(0) / np.maximum(events, 1), 0.0)
        self._shares = np.vstack([self._shares[1:], share])
        lowest: Array = self._shares.min(0)
        return lowest


class ZScore(Columns):
    """Share over the last minutes in standard deviations of that share over the last day."""

    def __init__(self, markets: Markets, window: int) -> None:
        size = len(markets.rho)
        self._n, self._x = np.zeros((window, size)), np.zeros((window, size))
        self._mean, self._square = np.full(size, np.nan), np.zeros(size)
        self._first = 2 * window

    def step(self, minute: Array | np.float64, n: Array, x: Array, q: Array) -> Array:
        """One minute."""
        self._n, self._x = np.vstack([self._n[1:], n]), np.vstack([self._x[1:], x])
        events = self._n.sum(0)
        share = np.where(events > 0, self._x.sum(0) / np.maximum(events, 1), self._mean)
        self._mean = np.where(np.isnan(self._mean) | (minute < self._first), share, self._mean)
        away = np.nan_to_num(share - self._mean)
        z = np.where(minute >= self._first + DAY / 4, away / np.sqrt(np.maximum(self._square, 1e-6)), 0.0)
        weight = 1 - 0.5 ** (1 / DAY)
        self._mean = self._mean + weight * away
        self._square = np.where(
            minute < self._first + DAY / 4,
            np.maximum(self._square, away**2),
            self._square + weight * (away**2 - self._square),
        )
        return np.maximum(0, z)


class Ewma(Columns):
    """EWMA control chart (Roberts 1959): a fading share against a slow one, in standard deviations of a day."""

    def __init__(self, markets: Markets, half_life: float, base_half_life: float) -> None:
        size = len(markets.rho)
        self._kept, self._base_kept = 0.5 ** (1 / half_life), 0.5 ** (1 / base_half_life)
        self._n, self._x, self._base_n, self._base_x, self._square = (np.zeros(size) for _ in range(5))
        self._prior = 100 * (markets.false_share + (markets.recall - markets.false_share) * USUAL_SHARE)

    def step(self, minute: Array | np.float64, n: Array, x: Array, q: Array) -> Array:
        """One minute."""
        usual = (self._base_x + self._prior) / (self._base_n + 100)
        self._n, self._x = self._n * self._kept + n, self._x * self._kept + x
        away = self._x / np.maximum(self._n, 1) - usual
        z = np.where(minute >= DAY / 4, away / np.sqrt(np.maximum(self._square, 1e-6)), 0.0)
        self._base_n, self._base_x = self._base_n * self._base_kept + n, self._base_x * self._base_kept + x
        weight = 1 - 0.5 ** (1 / DAY)
        self._square = np.where(
            minute < DAY / 4,
            np.maximum(self._square, np.where(minute > 30, away**2, 0)),
            self._square + weight * (away**2 - self._square),
        )
        return np.maximum(0, z)


def _llr(n: Array, x: Array, p0: Array, p1: Array, rho: Array) -> Array:
    llr: Array = (x * np.log(p1 / p0) + (n - x) * np.log((1 - p1) / (1 - p0))) / (1 + np.maximum(n - 1, 0) * rho)
    return llr
