"""Simulated markets: volume and share by hour and weekday, drift, clusters, bursts, launch days, a noisy classifier."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from streams.dev.bench.detectors.arrays import Array, Counts
from streams.dev.bench.detectors.clusters import KINDS, Kind, negatives

DAY = 1_440  # minutes
USUAL_SHARE = 0.2
INCIDENT_SHARE = 0.4
RATES = (2.5, 20.0, 200.0)
RHOS = (0.0, 0.02)
DRIFTS = (0.0, 0.2)
DRIFT_MINUTES = 360
BURST_TIMES = 3.0
LAUNCH_TIMES = 2.5


def logit(p: Array | float) -> Array:
    """ln(p/(1 - p))."""
    found: Array = np.log(np.asarray(p) / (1 - np.asarray(p)))
    return found


def logistic(x: Array | float) -> Array:
    """1/(1 + exp(-x))."""
    found: Array = 1 / (1 + np.exp(-np.asarray(x)))
    return found


INCIDENT = float(logit(INCIDENT_SHARE) - logit(USUAL_SHARE))
"""A planted incident in logits of the true share: .2 becomes .4."""


@dataclass(frozen=True)
class Condition:
    """Events a minute, correlation of the labels within a minute, standard deviation of the drift in logits.

    `cluster`: what hangs together for longer than a minute, in place of rho.
    """

    rate: float
    rho: float
    drift: float
    cluster: Kind | None = None

    def __str__(self) -> str:
        together = f"rho {self.rho:g}" if self.cluster is None else self.cluster
        return f"{self.rate:g} a minute, {together}, drift {self.drift:g}"


GRID = tuple(Condition(rate, rho, drift) for rate in RATES for rho in RHOS for drift in DRIFTS)
CLUSTERED = tuple(Condition(rate, 0.0, 0.2, kind) for kind in KINDS for rate in (20.0, 200.0))


@dataclass(frozen=True)
class Markets:
    """Minutes by markets: events `n`, those answered negative `x`, the true share `q`.

    `kinds`: n as true negatives that are found, that are not, others that are taken for some, and the rest:
    (4, minutes, markets). Per market: its condition's number, and the classifier's `recall` and `false_share`.
    """

    kinds: NDArray[np.int16]
    n: Counts
    x: Counts
    q: Array
    condition: Counts
    rho: Array
    recall: Array
    false_share: Array

    @property
    def minutes(self) -> int:
        """How long."""
        return len(self.n)

    @property
    def months(self) -> float:
        """Market-months of 30 days."""
        return self.n.size / (30 * DAY)


def confusions(languages: Mapping[str, Sequence[Sequence[int]]]) -> dict[str, tuple[float, float]]:
    """Language -> (recall, false share) of negatives from measured confusions, and `all` of them together."""
    tables = {name: np.array(rows, np.float64) for name, rows in languages.items()}
    tables["all"] = np.sum(list(tables.values()), axis=0)
    return {
        name: (float(one[0, 0] / one[0].sum()), float(one[1:, 0].sum() / one[1:].sum())) for name, one in tables.items()
    }


def simulate(
    seeds: Sequence[int], days: int, noise: tuple[float, float], conditions: Sequence[Condition] = GRID
) -> Markets:
    """One market of every condition for each seed."""
    columns = [_market(seed, number, one, days, noise) for seed in seeds for number, one in enumerate(conditions)]
    kinds, q = (np.stack(rows, axis=-1) for rows in zip(*columns, strict=True))
    numbers = np.tile(np.arange(len(conditions)), len(seeds))
    rho = np.array([one.rho for one in conditions])[numbers]
    recall, false_share = (np.full(len(numbers), value) for value in noise)
    return Markets(kinds, *counted(kinds), q, numbers, rho, recall, false_share)


def together(several: Sequence[Markets]) -> Markets:
    """Markets side by side; the number of each one's place among them is its condition."""
    kinds, n, x, q, rho, recall, false_share = (
        np.concatenate([getattr(markets, name) for markets in several], axis=-1)
        for name in ("kinds", "n", "x", "q", "rho", "recall", "false_share")
    )
    places = np.repeat(np.arange(len(several)), [len(markets.rho) for markets in several])
    return Markets(kinds, n, x, q, places, rho, recall, false_share)


def counted(kinds: NDArray[np.int16]) -> tuple[Counts, Counts]:
    """Events, and those answered negative."""
    return kinds.sum(axis=0, dtype=np.int64), kinds[::2].sum(axis=0, dtype=np.int64)


def _market(
    seed: int, number: int, condition: Condition, days: int, noise: tuple[float, float]
) -> tuple[NDArray[np.int16], Array]:
    rng = np.random.default_rng([seed, number])
    minute = np.arange(days * DAY)
    phases = rng.uniform(0, 2 * np.pi, 4)

    def wave(minutes: int, phase: float) -> Array:
        wave: Array = np.cos(2 * np.pi * minute / minutes + phase)
        return wave

    volume = np.exp(0.6 * wave(DAY, phases[0]) + 0.15 * wave(7 * DAY, phases[1]))
    volume *= condition.rate / volume.mean()
    weekend = (minute // DAY) % 7 >= 5
    share = logit(USUAL_SHARE) + 0.2 * wave(DAY, phases[2]) + 0.1 * wave(DAY // 2, phases[3]) + 0.1 * weekend
    if condition.drift:
        kept = np.exp(-1 / DRIFT_MINUTES)
        pushes = rng.normal(0, condition.drift * np.sqrt(1 - kept**2), len(minute))
        pushes[0] = rng.normal(0, condition.drift)
        share = share + lfilter([1], [1, -kept], pushes)
    burst = np.zeros(len(minute), bool)
    for _ in range(rng.poisson(days / 2)):
        began = rng.integers(len(minute))
        burst[began : began + rng.integers(30, 120)] = True
    volume = np.where(burst, BURST_TIMES * volume, volume)
    if days > 7:
        launch = rng.integers(1, days - 1) * DAY
        volume[launch : launch + DAY] *= LAUNCH_TIMES
    q = logistic(share)
    if condition.cluster is not None:
        n, negative = negatives(rng, condition.cluster, volume, q)
    else:
        n = rng.poisson(volume)
        negative = _true_negatives(rng, n, q, condition.rho)
    return _classified(rng, n, negative, *noise).astype(np.int16), q


def answered(rng: np.random.Generator, n: Counts, q: Array, rho: float, recall: float, false_share: float) -> Counts:
    """How many of n events a classifier calls negative: beta-binomial truth, then the classifier's errors."""
    kinds = _classified(rng, n, _true_negatives(rng, n, q, rho), recall, false_share)
    found: Counts = kinds[0] + kinds[2]
    return found


def _true_negatives(rng: np.random.Generator, n: Counts, q: Array, rho: float) -> Counts:
    if rho > 0:
        q = rng.beta(q * (1 / rho - 1), (1 - q) * (1 / rho - 1))
    found: Counts = rng.binomial(n, q)
    return found


def _classified(rng: np.random.Generator, n: Counts, negative: Counts, recall: float, false_share: float) -> Counts:
    """The four kinds of `Markets`."""
    found, taken = rng.binomial(negative, recall), rng.binomial(n - negative, false_share)
    return np.stack([found, negative - found, taken, n - negative - taken])
