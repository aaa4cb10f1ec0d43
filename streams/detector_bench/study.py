"""False alarms and delays of detectors on simulated markets: run once, judged at any threshold."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.detector_bench.markets import DAY, INCIDENT, Array, Counts, Markets, answered, logistic, logit
from streams.detector_bench.rivals import Detector

BLOCK = 60  # minutes: hits with less than one whole quiet block between them are one alarm
HORIZON = DAY  # after so many minutes an incident counts as missed
FLAPPING = 360  # minutes of an incident in which firing again is flapping
INCIDENTS = 4  # per market
TARGET_STEPS = 30

Maker = Callable[[Markets], Detector]


@dataclass(frozen=True)
class Incidents:
    """Incidents planted each in a world of its own, where nothing was planted before: (minutes after, incident)."""

    market: Counts
    began: Counts
    n: Counts
    x: Counts
    q: Array


@dataclass(frozen=True)
class Trace:
    """What a detector's statistic did.

    `blocks`: largest of every hour, (hours, markets); `in_burst`: largest of every hour's minutes of three-fold volume;
    `before`: just before each incident; `highest`: running maximum after it, (minutes, incidents); `raw`: the statistic
    itself in its first hours.
    """

    blocks: NDArray[np.float32]
    in_burst: NDArray[np.float32]
    before: NDArray[np.float32]
    highest: NDArray[np.float32]
    raw: NDArray[np.float32]


def plant(markets: Markets, seed: int, noise: Sequence[tuple[float, float]]) -> Incidents:
    """Incidents at random minutes after the first day: the true share's logit rises, the volume stays."""
    rng = np.random.default_rng(seed)
    size = markets.n.shape[1]
    market = np.repeat(np.arange(size), INCIDENTS)
    began = rng.integers(DAY, markets.minutes - HORIZON, len(market))
    order = np.argsort(began, kind="stable")
    market, began = market[order], began[order]
    minutes = began + np.arange(HORIZON)[:, None]
    n, q = markets.n[minutes, market], markets.q[minutes, market]
    risen = logistic(logit(q) + INCIDENT)
    columns = [
        answered(rng, n[:, at], risen[:, at], float(markets.rho[one]), *noise[int(one)])
        for at, one in enumerate(market)
    ]
    return Incidents(market, began, n, np.stack(columns, axis=1), q)


def trace(detector: Detector, markets: Markets, incidents: Incidents) -> Trace:
    """Run a detector through the markets, and a copy of its state through every incident."""
    size = markets.n.shape[1]
    n, x = markets.n.astype(float), markets.x.astype(float)
    blocks = np.zeros((markets.minutes // BLOCK, size), np.float32)
    in_burst = np.zeros_like(blocks)
    copies, before = [], []
    statistic = np.zeros(size)
    at = 0
    for minute in range(markets.minutes):
        while at < len(incidents.began) and incidents.began[at] == minute:
            series = incidents.market[at : at + 1]
            copies.append(detector.of(series))
            before.append(statistic[series])
            at += 1
        statistic = detector.step(np.float64(minute), n[minute], x[minute], markets.q[minute])
        block = minute // BLOCK
        np.maximum(blocks[block], statistic, out=blocks[block], casting="same_kind")
        np.maximum(
            in_burst[block], np.where(markets.burst[minute], statistic, 0), out=in_burst[block], casting="same_kind"
        )
    after = _run_on(copies, incidents)
    return Trace(
        blocks, in_burst, np.concatenate(before).astype(np.float32), np.maximum.accumulate(after), after[:FLAPPING]
    )


def _run_on(copies: Sequence[Detector], incidents: Incidents) -> NDArray[np.float32]:
    """All incidents side by side, whenever they began."""
    together = joined(copies)
    n, x = incidents.n.astype(float), incidents.x.astype(float)
    return np.stack(
        [
            together.step((incidents.began + after).astype(float), n[after], x[after], incidents.q[after]).astype(
                np.float32
            )
            for after in range(HORIZON)
        ]
    )


def joined(copies: Sequence[Detector]) -> Detector:
    """One detector over the series of several."""
    whole = object.__new__(type(copies[0]))
    for name, value in copies[0].__dict__.items():
        parts = [one.__dict__[name] for one in copies]
        whole.__dict__[name] = np.concatenate(parts, axis=-1) if isinstance(value, np.ndarray) else value
    return whole


def false_alarms(blocks: NDArray[np.float32], threshold: float) -> Counts:
    """Alarms per market where nothing was planted."""
    hit = blocks >= threshold
    began = hit & ~np.vstack([np.zeros((1, hit.shape[1]), bool), hit[:-1]])
    counted: Counts = began.sum(axis=0)
    return counted


def threshold_for(blocks: NDArray[np.float32], alarms: float) -> float:
    """The least threshold with at most so many false alarms in all."""
    low, high = 0.0, float(blocks.max()) + 1e-3
    for _ in range(TARGET_STEPS):
        middle = (low + high) / 2
        if false_alarms(blocks, middle).sum() > alarms:
            low = middle
        else:
            high = middle
    return high


def delays(found: Trace, threshold: float) -> Array:
    """Minutes from each incident's first minute to the end of the one that fires; nan where the alarm was on before.

    An incident that is missed counts with the whole horizon.
    """
    hit = found.highest >= threshold
    minutes = np.where(hit.any(axis=0), hit.argmax(axis=0) + 1.0, HORIZON)
    return np.where(found.before >= threshold, np.nan, minutes)


def flaps(found: Trace, threshold: float, resolve: float) -> int:
    """How often an alarm fires again within the first hours of an incident that goes on."""
    firing = np.zeros(found.raw.shape[1], bool)
    fired = np.zeros(found.raw.shape[1], int)
    for statistic in found.raw:
        begins = ~firing & (statistic >= threshold)
        fired += begins
        firing = np.where(begins, True, firing & (statistic > resolve))
    return int(np.maximum(fired - 1, 0).sum())
