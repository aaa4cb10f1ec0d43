"""Proof beside the answer: feasibility, the conditions of optimality, the duality gap."""

import msgspec
import numpy as np

from strategy.objective import Terms, Vector
from strategy.water_filling import Filled


class Certificate(msgspec.Struct, frozen=True):
    """All in the plan's currency or relative to the gain; a sound answer has every number near 0.

    overspent: spend beyond budget and bounds. kkt_residual: largest relative amount by which a market's own marginal
    value is above the common one without its upper bound holding, or below without its lower one. duality_gap:
    distance of the gain to an upper bound of every possible gain, relative.
    """

    overspent: float
    kkt_residual: float
    duality_gap: float


def certify(terms: Terms, filled: Filled, low: Vector, high: Vector, budget: float) -> Certificate:
    """Check an answer of `fill` by the optimality conditions, independently of how it was found."""
    spend, price = filled.spend, filled.price
    beyond = np.maximum(np.maximum(low - spend, spend - high), 0).max(initial=0.0)
    z, y = filled.z, filled.y
    cost = terms.promotion(z) + terms.quality(y)
    at_low, at_high = spend <= low + 1e-9, spend >= high - 1e-9
    excess = np.where(at_high | (filled.idle > 0), 0.0, filled.own_price - price)
    lack = np.where(at_low, 0.0, price - filled.own_price)
    # max over X in [low, high] of V_i(X) - price X: a concave piece, reached where `fill` stands
    free_z, free_y = terms.best_response(price)
    free_cost = terms.promotion(free_z) + terms.quality(free_y)
    inside = (free_cost >= low) & (free_cost <= high)
    best = np.where(inside, terms.gain(free_z, free_y) - price * free_cost, terms.gain(z, y) - price * spend)
    gain = float(terms.gain(z, y).sum())
    bound = price * budget + float(best.sum())
    return Certificate(
        overspent=float(max(beyond, spend.sum() - budget, (cost - spend).max(initial=0.0), 0.0)),
        kkt_residual=float(max(excess.max(initial=0.0), lack.max(initial=0.0)) / price),
        duality_gap=max(0.0, bound - gain) / max(gain, 1e-12),
    )
