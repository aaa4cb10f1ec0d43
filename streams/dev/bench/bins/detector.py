"""The surge detector on counts in bins of P(negative), on many markets at once.

What is usually answered is what was answered: shares `usual` of the bins, by hour of day, of which q are true
negatives. An incident adds to it what the model answers to true negatives:

    p(z) = usual + (z - q)/(1 - q) (of_negatives - usual),  LLR = sum over bins of x ln(p1/p0)/(1 + (n - 1) rho)

With a wrong measurement of the model the direction of a rise is wrong, but not what is usual. All else is as with hard
labels (`streams.pipeline.detect.surge`): the level by a Kalman step on the score, rho from the score's residuals.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.contract.rules import SurgeRule
from streams.dev.bench.detectors.arrays import Array
from streams.dev.bench.detectors.markets import USUAL_SHARE, Markets, logistic, logit
from streams.dev.bench.detectors.rivals import Shares, Surge
from streams.pipeline.detect.surge import (
    LARGEST_MOVE,
    LARGEST_RHO,
    LEAST_SHARE,
    MOST_FALSE,
    MOST_SHARE,
    RESIDUALS_KEPT,
)

LEAST_RISE = 0.004  # of the true share
LEAST_LEFT = 0.1  # of what is usually in a bin: the least that is left of it where fewer are negative


@dataclass(frozen=True)
class Bins:
    """Shares of the bins among true negatives and among others, as they were measured: (bins, series)."""

    negative: Array
    other: Array


def nobody(size: int, recall: Array, false_share: Array) -> Markets:
    """Markets without minutes, for a detector that is given them one by one: of this number of series."""
    nothing = np.zeros((0, size))
    return Markets(nothing.astype(np.int16), *(nothing,) * 3, np.zeros(size, int), np.zeros(size), recall, false_share)  # type: ignore[arg-type]


class BinnedSurge(Surge):
    """Minutes as n events, x of them in each bin: (bins, series)."""

    def __init__(self, bins: Bins, rule: SurgeRule = SurgeRule()) -> None:
        count, size = bins.negative.shape
        weights = (bins.negative - bins.other) / (USUAL_SHARE * bins.negative + (1 - USUAL_SHARE) * bins.other)
        least, most = weights.min(axis=0), weights.max(axis=0)
        self._value = (weights - least) / (most - least)  # of an event, as evidence that it is negative: in [0, 1]
        recall, false_share = ((of * self._value).sum(axis=0) for of in (bins.negative, bins.other))
        pooled = USUAL_SHARE * bins.negative + (1 - USUAL_SHARE) * bins.other
        super().__init__(nobody(size, recall, false_share), rule, pooled)
        self._negative = bins.negative
        self._season_x, self._hour_x = np.zeros((24, count, size)), np.zeros((count, size))
        self._fired_x = np.zeros((count, size))
        self._usually, self._true = pooled, np.full(size, USUAL_SHARE)

    def _prepared(self, minutes: Array) -> tuple[Array, Shares, Array, NDArray[np.bool_]]:
        rule = self._rule
        self._fade(minutes)
        usual = self._usual(minutes) + self._market_level
        held = np.where(self._s > 0, self._held, self._level)
        now = logistic(usual + rule.follow * self._level + (1 - rule.follow) * held)
        far = logistic(usual + rule.far_sds * rule.drift_sd)
        risen, large = (
            _above(now, logistic(usual + held + np.log(ratio))) for ratio in (rule.odds_ratio, rule.large_odds_ratio)
        )
        far_risen = _above(far, logistic(usual + np.log(rule.odds_ratio)))
        shares = tuple(self._answered(share) for share in (now, risen, large, far, far_risen))
        rho = np.clip(self._squares / (self._weights + 500), 0, LARGEST_RHO)
        armed = (self._events >= rule.armed_events) & (minutes >= rule.armed_minutes)
        return usual, shares, rho, armed  # type: ignore[return-value]

    def _after(self, n: Array, x: Array, shares: Shares, rho: Array) -> tuple[Array, Array, Array]:
        p0, p1, large, far, far_rise = (np.log(share) for share in shares)
        spread = 1 + np.maximum(n - 1, 0) * rho
        return (
            np.maximum(0, self._s + (x * (p1 - p0)).sum(axis=0) / spread),
            np.maximum(0, self._large + (x * (large - p0)).sum(axis=0) / spread),
            np.maximum(0, self._far + (x * (far_rise - far)).sum(axis=0) / spread),
        )

    def _usual(self, minute: Array) -> Array:
        events, hour = self._rule.season_events, (minute // 60 % 24).astype(int)
        series = np.arange(len(hour))
        whole = (self._season_x.sum(0) + events * self._pooled) / (self._season_n.sum(0) + events)
        of_hour = np.stack([season[hour, series] for season in self._season_x.swapaxes(0, 1)])
        self._usually = (of_hour + events * whole) / (self._season_n[hour, series] + events)
        value = (self._usually * self._value).sum(axis=0)
        false_share = np.minimum(self._false, MOST_FALSE * value)
        self._true = np.clip((value - false_share) / (self._recall - false_share), LEAST_SHARE, MOST_SHARE)
        return logit(self._true)

    def _answered(self, true_share: Array) -> Array:
        """Shares of the bins where this share is truly negative."""
        rise = (true_share - self._true) / (1 - self._true)
        found: Array = np.maximum(self._usually + rise * (self._negative - self._usually), LEAST_LEFT * self._usually)
        return found

    def _live(self, minute: Array, n: Array, x: Array) -> None:
        super()._live(minute, n, x)
        self.adopted = np.zeros(len(n))  # topics are not watched here

    def _learn(
        self, minute: Array, n: Array, x: Array, usual: Array, p0: Array, distance: Array, spread: Array
    ) -> None:
        true = logistic(usual + self._level)
        direction = (self._negative - self._usually) / (1 - self._true)
        score = direction / self._answered(true) * true * (1 - true)
        information = n * (score**2 * self._answered(true)).sum(axis=0) / spread
        self._variance = self._variance / (1 + self._variance * information)
        self._level += np.clip(self._variance * (x * score).sum(axis=0) / spread, -LARGEST_MOVE, LARGEST_MOVE)
        closed = np.flatnonzero((minute % 60 == 0) & (minute > 0))
        if len(closed):
            self._close_hour(closed, (minute[closed] // 60 - 1).astype(int))
        calm = self.calm & self._calm
        self._hour_n, self._hour_x = self._hour_n + calm * n, self._hour_x + calm * x
        score = direction / p0
        residual = (x * score).sum(axis=0) ** 2 / np.maximum(n * (score**2 * p0).sum(axis=0), 1e-9)
        counts = calm & (n >= 2)
        squares = RESIDUALS_KEPT * self._squares + np.minimum(residual, 9.0) - 1
        self._squares = np.where(counts, squares, self._squares)
        self._weights = np.where(counts, RESIDUALS_KEPT * self._weights + n - 1, self._weights)

    def _close_hour(self, closed: NDArray[np.intp], hour: NDArray[np.int64]) -> None:
        faded = np.where(hour > 0, 0.5 ** (60 / self._rule.season_minutes), 1.0)
        self._season_n[:, closed] *= faded
        self._season_n[hour % 24, closed] += self._hour_n[closed]
        self._hour_n[closed] = 0
        self._season_x[:, :, closed] *= faded
        for number in range(len(self._hour_x)):
            self._season_x[hour % 24, number, closed] += self._hour_x[number, closed]
        self._hour_x[:, closed] = 0


def _above(share: Array, risen: Array) -> Array:
    """What a surge would be, at least a little above what is usual."""
    found: Array = np.maximum(risen, np.minimum(share + LEAST_RISE, (1 + share) / 2))
    return found
