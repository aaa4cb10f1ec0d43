"""Water-filling: one marginal value of budget for all markets, found by bisection on its logarithm."""

from dataclasses import dataclass

import numpy as np

from strategy.objective import Y_CAP, Z_CAP, Terms, Vector

ROUNDS = 200


@dataclass(frozen=True)
class Filled:
    """Spend X (n,) within its bounds, the split z and y of each market, and each market's own marginal value."""

    price: float
    spend: Vector
    z: Vector
    y: Vector
    own_price: Vector
    idle: Vector


def fill(terms: Terms, low: Vector, high: Vector, budget: float) -> Filled:
    """Spend that maximises the sum of gains with sum(spend) <= budget and low <= spend <= high.

    The feasible side of the bisection is kept: the budget is never exceeded. Needs sum(low) <= budget.
    """
    ceiling = float(np.max([*_steepest(terms), 1e-9])) * 1.000001
    floor = ceiling * 1e-12
    dear, cheap = np.log(ceiling), np.log(floor)
    if _demand(terms, floor, low, high).sum() <= budget:
        dear = cheap  # the budget does not bind
    for _ in range(ROUNDS):
        middle = (dear + cheap) / 2
        if middle in (dear, cheap):
            break
        if _demand(terms, float(np.exp(middle)), low, high).sum() <= budget:
            dear = middle
        else:
            cheap = middle
    price = float(np.exp(dear))
    spend = _demand(terms, price, low, high)
    spend = _share_rest(terms, spend, _demand(terms, float(np.exp(cheap)), low, high), budget)
    own_price = _own_price(terms, spend, price, floor, ceiling)
    z, y = terms.best_response(own_price)
    bought = terms.promotion(z) + terms.quality(y)
    z, y = _split(terms, z, y, spend - bought)
    idle = np.maximum(spend - terms.promotion(z) - terms.quality(y), 0.0)
    return Filled(price, spend, z, y, own_price, idle)


def _steepest(terms: Terms) -> Vector:
    """Highest price at which a market buys anything: marginal gain of the first unit of money."""
    return np.concatenate(
        [
            terms.value_penetration / np.maximum(terms.promotion_log + terms.promotion_linear, 1e-9),
            terms.value_quality / np.maximum(terms.quality_log + terms.quality_linear, 1e-9),
        ]
    )


def _demand(terms: Terms, price: float, low: Vector, high: Vector) -> Vector:
    z, y = terms.best_response(price)
    return np.clip(terms.promotion(z) + terms.quality(y), low, high)


def _share_rest(terms: Terms, spend: Vector, above: Vector, budget: float) -> Vector:
    """Hand what is left to markets that are indifferent at this price (a linear piece), in the order of codes."""
    rest = budget - float(spend.sum())
    for at in np.flatnonzero(above - spend > 1e-9 * budget):
        extra = min(float(above[at] - spend[at]), rest)
        spend[at] += max(extra, 0.0)
        rest -= max(extra, 0.0)
    return spend


def _own_price(terms: Terms, spend: Vector, price: float, floor: float, ceiling: float) -> Vector:
    """L_i with x_i(L_i) = X_i: equals the common price where no bound holds."""
    dear = np.full(len(spend), np.log(ceiling))
    cheap = np.full(len(spend), np.log(floor))
    for _ in range(ROUNDS):
        middle = (dear + cheap) / 2
        z, y = terms.best_response(np.exp(middle))
        fits = terms.promotion(z) + terms.quality(y) <= spend
        dear, cheap = np.where(fits, middle, dear), np.where(fits, cheap, middle)
    own = np.exp(dear)
    z, y = terms.best_response(price)
    free = np.isclose(terms.promotion(z) + terms.quality(y), spend, rtol=1e-12, atol=1e-12)
    return np.where(free, price, own)


def _split(terms: Terms, z: Vector, y: Vector, rest: Vector) -> tuple[Vector, Vector]:
    """Spend what a linear piece left over: on penetration first where it has no logarithmic cost, then on quality."""
    linear_z = (terms.promotion_log == 0) & (rest > 1e-9) & (z < Z_CAP) & (terms.promotion_linear > 0)
    z = np.where(linear_z, np.minimum(Z_CAP, z + rest / np.where(linear_z, terms.promotion_linear, 1.0)), z)
    linear_y = (terms.quality_log == 0) & (rest > 1e-9) & (y < Y_CAP) & (terms.quality_linear > 0) & ~linear_z
    y = np.where(linear_y, np.minimum(Y_CAP, y + rest / np.where(linear_y, terms.quality_linear, 1.0)), y)
    return z, y
