"""What pages a team: a market's surge and those of its topics, given minutes as the release rule gives them."""

import math
from dataclasses import replace

import numpy as np
from msgspec.structs import replace as with_values
from numpy.typing import NDArray

from streams.contract.rules import MinuteRule, SurgeRule
from streams.dev.bench.detectors.arrays import Array
from streams.dev.bench.detectors.markets import (
    DAY,
    USUAL_SHARE,
    Markets,
    counted,
)
from streams.dev.bench.detectors.rivals import Surge

TOPICS = 12
LATE = 0.01  # of all events, by as many minutes as here:
LATE_MINUTES = (2, 7, 30)
STEP_SECONDS = (0.2, 2.0)
BLOCK = 60  # minutes: hits with less than one whole quiet block between them are one alarm

_WEIGHTS = 1 / np.arange(1, TOPICS + 1) ** 0.8  # of topics among events: few have most
_LEANING = np.exp(0.6 * np.sin(1.7 * np.arange(TOPICS)))  # complaints gather in some of them


def _normalised(values: Array) -> Array:
    whole: Array = values / values.sum()
    return whole


OF_NEGATIVES, OF_OTHERS = _normalised(_WEIGHTS * _LEANING), _normalised(_WEIGHTS / _LEANING)


def waits(rng: np.random.Generator, count: int) -> Array:
    """Minutes from the end of a minute to the record of an alert: the grace, then the next step, cut anywhere."""
    step = rng.uniform(*STEP_SECONDS, count) * rng.uniform(0, 1, count)
    found: Array = MinuteRule().grace_ms / 60_000 + step / 60
    return found


def as_released(markets: Markets, seed: int) -> Markets:
    """The same markets with some events late: they join the first minute after their arrival that has others."""
    rng = np.random.default_rng([seed, 1])
    late = rng.binomial(markets.kinds, LATE).astype(np.int16)
    kinds, came = markets.kinds - late, np.zeros_like(late)
    which = rng.integers(len(LATE_MINUTES), size=markets.n.shape)
    for number, minutes in enumerate(LATE_MINUTES):
        came[:, minutes:] += np.where(which == number, late, 0)[:, :-minutes]
    there = kinds.sum(axis=0) > 0
    waiting = np.zeros_like(came[:, 0])
    for minute in range(markets.minutes):
        waiting += came[:, minute]
        kinds[:, minute] += there[minute] * waiting
        waiting[:, there[minute]] = 0
    n, x = counted(kinds)
    return replace(markets, kinds=kinds, n=n, x=x)


def topic_blocks(markets: Markets, rule: SurgeRule, seed: int) -> NDArray[np.float32]:
    """Largest statistic of any topic of each market in every hour, less what a topic's threshold is higher by."""
    rng = np.random.default_rng([seed, 2])
    size, more = markets.n.shape[1], math.log(TOPICS)
    rho, recall, false = (np.repeat(values, TOPICS) for values in (markets.rho, markets.recall, markets.false_share))
    nothing = np.zeros((0, size * TOPICS))
    columns = Markets(nothing, nothing, nothing, nothing, np.repeat(markets.condition, TOPICS), rho, recall, false)
    detector = Surge(columns, with_values(rule, threshold=rule.threshold + more), np.tile(usual_seen(markets), size))
    market = Surge(markets, rule)
    blocks = np.zeros((markets.minutes // BLOCK, size), np.float32)
    for day in range(0, markets.minutes, DAY):
        n, x = by_topic(rng, markets.kinds[:, day : day + DAY])
        for after in range(len(n)):
            minute = day + after
            market.step(np.float64(minute), markets.n[minute].astype(float), markets.x[minute].astype(float), nothing)
            detector.beside(market, TOPICS)
            statistic = detector.step(np.float64(minute), n[after], x[after], nothing)
            highest = statistic.reshape(size, TOPICS).max(axis=1) - more
            np.maximum(blocks[minute // BLOCK], highest, out=blocks[minute // BLOCK], casting="same_kind")
    return blocks


def usual_seen(markets: Markets) -> Array:
    """The share of negatives among the answers of each topic, over all markets."""
    negatives, others = USUAL_SHARE * OF_NEGATIVES, (1 - USUAL_SHARE) * OF_OTHERS
    true = negatives / (negatives + others)
    share: Array = markets.false_share[0] + (markets.recall[0] - markets.false_share[0]) * true
    return share


def by_topic(rng: np.random.Generator, kinds: NDArray[np.int16]) -> tuple[Array, Array]:
    """Every market's events and those answered negative, of each of its topics: (minutes, markets times topics)."""
    found, missed, taken, rest = (
        rng.multinomial(one, of).reshape(kinds.shape[1], -1)
        for one, of in zip(kinds, (OF_NEGATIVES, OF_NEGATIVES, OF_OTHERS, OF_OTHERS), strict=True)
    )
    negative = found + taken
    return (negative + missed + rest).astype(float), negative.astype(float)
