"""What the metrics' sampling errors do to a plan: common random draws, so that plans are compared draw by draw.

Promotion and quality cost what they cost whatever u and r are; only their worth is uncertain. Under a draw (u, r) the
gain of z and y is a m(u, r) (p_max - p0) z + b (1 - u) y, closed form.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from marketpulse.contract.portfolio import Plan
from strategy.objective import Terms, Vector, multiplier

DRAWS = 1_000
SEED = 20_260_101
WORST = 0.05
Stance = Literal["point", "sampled", "robust"]
"""point: worth at the metrics as measured. sampled: its mean over the draws. robust: such that the mean
of the plan's worst 5 % of draws is best: plan and adversary answer each other's mean in turn, ROUNDS times."""
ROUNDS = 24


@dataclass(frozen=True)
class Precision:
    """How sure the metrics are: events and standard errors of u and r per market; what is absent is taken as exact."""

    n: Mapping[str, int]
    u_se: Mapping[str, float]
    r_se: Mapping[str, float]


def drawn_values(terms: Terms, plan: Plan, r: Mapping[str, float | None], precision: Precision) -> Vector:
    """`terms.value` under every draw (draws, 2, n): u and r normal with their standard errors, u within [.05, .95].

    The same seed always: the same market in the same order gets the same draws.
    """
    count = len(terms.codes)
    noise = np.random.default_rng(SEED).standard_normal((2, DRAWS, count))
    spread_u, spread_r = (
        np.array([max(0.0, errors.get(code, 0.0)) for code in terms.codes])
        for errors in (precision.u_se, precision.r_se)
    )
    growth = np.array([r.get(code) or 0.0 for code in terms.codes])
    u = np.clip(terms.u + noise[0] * spread_u, 0.05, 0.95)
    m = multiplier(plan.rho, plan.theta, u, growth + noise[1] * spread_r)
    base = multiplier(plan.rho, plan.theta, terms.u, growth)
    return np.stack([terms.value[0] * m / base, terms.value[1] * (1 - u) / (1 - terms.u)], axis=1)


def worst_value(drawn: Vector, left: Vector) -> Vector:
    """Mean worth (2, n) over the draws in which a plan gains least: what an adversary would pick against it."""
    totals = gains_drawn(drawn, left).sum(axis=1)
    worst = np.argsort(totals, kind="stable")[: max(1, int(WORST * len(totals)))]
    result: Vector = drawn[worst].mean(axis=0)
    return result


def gains_drawn(drawn: Vector, left: Vector) -> Vector:
    """The gain (draws, n) of each market under every draw."""
    result: Vector = (drawn * (1 - left)).sum(axis=1)
    return result


def expected_and_worst(gains: Vector) -> tuple[float, float]:
    """Mean of the total gain, and mean of its worst 5 %."""
    totals = np.sort(gains.sum(axis=1))
    return float(totals.mean()), float(totals[: max(1, int(WORST * len(totals)))].mean())
