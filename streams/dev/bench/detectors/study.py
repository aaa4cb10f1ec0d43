"""False alarms and delays of detectors on simulated markets: run once, judged at any threshold."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from streams.dev.bench.detectors.arrays import Array, Counts
from streams.dev.bench.detectors.markets import (
    BURST_TIMES,
    DAY,
    INCIDENT,
    Markets,
    answered,
    logistic,
    logit,
)
from streams.dev.bench.detectors.pager import BLOCK, waits
from streams.dev.bench.detectors.rivals import Detector

HORIZON = DAY  # after so many minutes an incident counts as missed
FLAPPING = 360  # minutes of an incident in which firing again is flapping
INCIDENTS = 4  # per market
BURST = 120  # minutes
TARGET_STEPS = 30

Maker = Callable[[Markets], Detector]
AnyDetector = TypeVar("AnyDetector", bound=Detector)


@dataclass(frozen=True)
class Incidents:
    """Incidents planted each in a world of its own, where nothing was planted before: (minutes after, incident).

    From the same minutes on, in other worlds: three-fold volume at the usual share (`burst_n`, `burst_x`), and nothing.
    `more`: minutes between the end of the minute that fires and the alert's record, less the part of the first minute
    before the incident begins.
    """

    market: Counts
    began: Counts
    n: Counts
    x: Counts
    q: Array
    burst_n: Counts
    burst_x: Counts
    plain_n: Counts
    plain_x: Counts
    more: Array


@dataclass(frozen=True)
class Trace:
    """What a detector's statistic did.

    `blocks`: largest of every hour, (hours, markets); `before`: just before each incident; `highest`: running maximum
    after it, (minutes, incidents); `raw`: the statistic itself in its first hours; `burst`, `plain`: largest in the two
    hours of a burst and in the same hours without; `more` as in `Incidents`.
    """

    blocks: NDArray[np.float32]
    before: NDArray[np.float32]
    highest: NDArray[np.float32]
    raw: NDArray[np.float32]
    burst: NDArray[np.float32]
    plain: NDArray[np.float32]
    more: Array


def plant(markets: Markets, seed: int, each: int = INCIDENTS) -> Incidents:
    """Incidents at random moments after the first day: the true share's logit rises, the volume stays."""
    rng = np.random.default_rng(seed)
    market = np.repeat(np.arange(markets.n.shape[1]), each)
    began = rng.integers(DAY, markets.minutes - HORIZON, len(market))
    order = np.argsort(began, kind="stable")
    market, began = market[order], began[order]
    minutes = began + np.arange(HORIZON)[:, None]
    n, q = markets.n[minutes, market], markets.q[minutes, market]

    of_market = np.stack([markets.rho, markets.recall, markets.false_share])

    def seen(events: Counts, share: Array) -> Counts:
        columns = [
            answered(rng, events[:, at], share[:, at], *map(float, of_market[:, one])) for at, one in enumerate(market)
        ]
        return np.stack(columns, axis=1)

    worse, first = logistic(logit(q) + INCIDENT), rng.uniform(0, 1, len(market))
    worse[0] = first * q[0] + (1 - first) * worse[0]
    tripled = rng.poisson(BURST_TIMES * n[:BURST])
    return Incidents(
        market=market,
        began=began,
        n=n,
        x=seen(n, worse),
        q=q,
        burst_n=tripled,
        burst_x=seen(tripled, q[:BURST]),
        plain_n=n[:BURST],
        plain_x=markets.x[minutes[:BURST], market],
        more=waits(rng, len(market)) - first,
    )


def trace(detector: Detector, markets: Markets, incidents: Incidents) -> Trace:
    """Run a detector through the markets, and a copy of its state through every incident."""
    blocks, was, copies = through(detector, markets, incidents)
    after = _run_on(copies, incidents, incidents.n, incidents.x)
    burst = _run_on(copies, incidents, incidents.burst_n, incidents.burst_x).max(axis=0)
    plain = _run_on(copies, incidents, incidents.plain_n, incidents.plain_x).max(axis=0)
    return Trace(blocks, was, np.maximum.accumulate(after), after[:FLAPPING], burst, plain, incidents.more)


def through(
    detector: AnyDetector, markets: Markets, incidents: Incidents
) -> tuple[NDArray[np.float32], NDArray[np.float32], list[AnyDetector]]:
    """Largest statistic of every hour; just before each incident; and copies of the detector as it was then."""
    n, x = markets.n.astype(float), markets.x.astype(float)
    blocks = np.zeros((markets.minutes // BLOCK, markets.n.shape[1]), np.float32)
    copies, before = [], []
    statistic = np.zeros(markets.n.shape[1])
    at = 0
    for minute in range(markets.minutes):
        while at < len(incidents.began) and incidents.began[at] == minute:
            series = incidents.market[at : at + 1]
            copies.append(detector.of(series))
            before.append(statistic[series])
            at += 1
        statistic = detector.step(np.float64(minute), n[minute], x[minute], markets.q[minute])
        block = blocks[minute // BLOCK]
        np.maximum(block, statistic, out=block, casting="same_kind")
    return blocks, np.concatenate(before).astype(np.float32), copies


def market_blocks(detector: Detector, markets: Markets) -> NDArray[np.float32]:
    """A detector's largest statistic of every hour: (hours, markets)."""
    blocks = np.zeros((markets.minutes // BLOCK, markets.n.shape[1]), np.float32)
    n, x = markets.n.astype(float), markets.x.astype(float)
    for minute in range(markets.minutes):
        block = blocks[minute // BLOCK]
        statistic = detector.step(np.float64(minute), n[minute], x[minute], markets.q[minute])
        np.maximum(block, statistic, out=block, casting="same_kind")
    return blocks


def _run_on(copies: Sequence[Detector], incidents: Incidents, n: Counts, x: Counts) -> NDArray[np.float32]:
    """Copies of a detector side by side, from when each incident began: (minutes, incidents)."""
    together = joined(copies)
    rows = zip(n.astype(float), x.astype(float), incidents.q, strict=False)
    return np.stack(
        [
            together.step((incidents.began + after).astype(float), *row).astype(np.float32)
            for after, row in enumerate(rows)
        ]
    )


def joined(copies: Sequence[AnyDetector]) -> AnyDetector:
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
    """Minutes from when each incident begins to the record of its alert; nan where the alarm was on before.

    An incident that is missed counts with the whole horizon.
    """
    hit = found.highest >= threshold
    minutes = np.where(hit.any(axis=0), hit.argmax(axis=0) + 1.0, HORIZON) + found.more
    return np.where(found.before >= threshold, np.nan, minutes)


def fired(highest: NDArray[np.float32], before: NDArray[np.float32], threshold: float) -> int:
    """How many alarms began, of those that were not on before."""
    return int(((highest >= threshold) & (before < threshold)).sum())


def flaps(found: Trace, threshold: float, resolve: float) -> int:
    """How often an alarm fires again within the first hours of an incident that goes on."""
    firing = np.zeros(found.raw.shape[1], bool)
    times = np.zeros(found.raw.shape[1], int)
    for statistic in found.raw:
        begins = ~firing & (statistic >= threshold)
        times += begins
        firing = np.where(begins, True, firing & (statistic > resolve))
    return int(np.maximum(times - 1, 0).sum())
