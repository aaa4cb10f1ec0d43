"""Proof beside the answer: feasibility, the conditions of optimality, the duality gap."""

import numpy as np

from marketpulse.contract.allocation import Certificate
from strategy.objective import LEAST_LEFT, Vector
from strategy.problem import Problem
from strategy.water_filling import Filled


def certify(problem: Problem, filled: Filled) -> Certificate:
    """Check an answer of `fill` by its prices alone, whatever way they were found.

    For any prices L, L_R, L_i >= 0, with h_i(L_i) = max over z, y of gain - L_i cost, every feasible plan gains at most
    L C + sum_R L_R cap_R + sum_i h_i(L_i) + max over x in [low, high] of (L_i - L - L_R) x.
    """
    terms, spend, left = problem.terms, filled.spend, filled.left
    cost = terms.costs(left).sum(axis=0)
    gain = float(terms.gains(left).sum())
    over = [
        problem.low - spend,
        spend - problem.high,
        cost - spend,
        np.bincount(problem.region, spend, len(problem.caps)) - problem.caps,
        np.array([spend.sum() - problem.budget, 0.0]),
    ]
    bound = _bound(problem, filled)
    return Certificate(
        overspent=float(max(one.max(initial=0.0) for one in over)),
        kkt_residual=_residual(problem, filled),
        duality_gap=max(0.0, bound - gain) / max(gain, 1e-12),
    )


def _bound(problem: Problem, filled: Filled) -> float:
    terms, own = problem.terms, filled.own_price
    common = filled.price + filled.region_price[problem.region]
    # h is infinite in no market: at price 0 it is the gain at the caps of z and y
    best = terms.left(np.maximum(own, terms.price_range[1] * 1e-3))
    worth = (terms.gains(best) - own * terms.costs(best)).sum(axis=0)
    margin = own - common
    bounds = np.where(margin > 0, margin * problem.high, margin * problem.low)
    finite = np.isfinite(problem.caps)
    capped = float((filled.region_price[finite] * problem.caps[finite]).sum())
    return filled.price * problem.budget + capped + float(worth.sum()) + float(bounds.sum())


def _residual(problem: Problem, filled: Filled) -> float:
    terms, left, spend = problem.terms, filled.left, filled.spend
    common: Vector = filled.price + filled.region_price[problem.region]
    steep = terms.steepness(left)
    free = (terms.log + terms.linear) <= 0
    more = np.where((left > LEAST_LEFT + 1e-9) & ~free, steep, 0.0).max(axis=0)
    less = np.where((left < 1 - 1e-9) & ~free, steep, np.inf).min(axis=0)
    near = 1e-9 * np.maximum(1.0, spend)
    excess = np.where((spend >= problem.high - near) | (filled.idle > near), 0.0, more - common)
    lack = np.where((spend <= problem.low + near) | np.isinf(less), 0.0, common - less)
    split = np.where(np.isinf(less), 0.0, more - less)
    worst = max(one.max(initial=0.0) for one in (excess, lack, split))
    return float(worst / max(filled.price, terms.price_range[1]))
