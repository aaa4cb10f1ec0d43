"""Water-filling: one marginal value of budget for all markets, another one inside each region at its cap."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from strategy.objective import LEAST_LEFT, Terms, Vector
from strategy.problem import Problem

SLACK = 4e-13  # relative money left unspent on purpose, so that no rounding exceeds a bound
ROUNDS = 200


@dataclass(frozen=True)
class Filled:
    """Spend X (n,), what is left of each market's potential (2, n), and the prices that support the answer.

    price: marginal value of budget L; region_price (k + 1,): L_R, what a region's cap adds to it; own_price (n,): L_i
    with x_i(L_i) = X_i, equal to L + L_R where no bound holds; idle (n,): money beyond the caps of z and y.
    """

    price: float
    region_price: Vector
    spend: Vector
    left: Vector
    own_price: Vector
    idle: Vector


@dataclass(frozen=True)
class Prices:
    """Where demand meets budget and caps: per region (k + 1,), and slightly lower prices where demand jumps there.

    `budget` is the marginal value of budget, 0 where money is not scarce; `settled` is positive all the same.
    """

    budget: float
    settled: Vector
    below: Vector
    counted: Vector


def fill(problem: Problem) -> Filled:
    """Spend that maximises the sum of gains within budget, caps and bounds; every market of it is on.

    Needs a feasible problem without fixed money.
    """
    terms, region = problem.terms, problem.region
    found = prices_of(problem, None)
    spend = _demand(problem, found.settled[region], None)[0]
    _share_rest(problem, spend, _demand(problem, found.below[region], None)[0], (found.counted > found.budget)[region])
    own, left = own_prices(terms, spend, found.settled[region], found.counted[region])
    idle = np.maximum(spend - terms.costs(left).sum(axis=0), 0.0)
    return Filled(found.budget, found.counted - found.budget, spend, left, own, idle)


def prices_of(problem: Problem, worth: Vector | None) -> Prices:
    """The prices that clear budget and regional caps.

    x_i(L) is closed form, so the budget's price is one root of the sum over regions of min(x_R(L), cap_R); the regions
    over their caps then have roots of their own.

    Args:
        problem: feasible.
        worth: price (n,) at and above which a market is off; None = all are on.
    """
    terms, region, caps = problem.terms, problem.region, problem.caps
    ceiling, floor = terms.price_range
    if worth is not None:
        ceiling = max(ceiling, float(worth[np.isfinite(worth)].max(initial=0.0)))
    dear, cheap = np.log(ceiling), np.log(floor)

    def of_all(at: Vector) -> tuple[Vector, Vector]:
        money, slope = _demand(problem, np.exp(at), worth)
        total = np.bincount(region, money, len(caps))
        steep = np.bincount(region, slope, len(caps))
        return np.minimum(total, caps).sum(keepdims=True), np.where(total < caps, steep, 0.0).sum(keepdims=True)

    budget = np.array([problem.budget])
    price, at, below = 0.0, np.array([cheap]), np.array([cheap])
    if of_all(at)[0][0] > problem.budget:
        at, below = settle(of_all, budget, at, np.array([dear]))
        price = float(np.exp(at[0]))
    settled, under = np.full(len(caps), at[0]), np.full(len(caps), below[0])
    counted = np.full(len(caps), price)
    over = np.bincount(region, _demand(problem, np.exp(at), worth)[0], len(caps)) > caps
    if over.any():
        settled[over], under[over] = _settle_regions(problem, worth, over, float(at[0]), dear)
        counted[over] = np.exp(settled[over])
    return Prices(price, np.exp(settled), np.exp(under), counted)


def settle(
    demand: Callable[[Vector], tuple[Vector, Vector]], target: Vector, cheap: Vector, dear: Vector
) -> tuple[Vector, Vector]:
    """Logarithms of prices (k,) at which demand just fits the target, and of slightly lower ones where it jumps there.

    Newton's step where it stays inside the bracket and the last one helped, else bisection.

    Args:
        demand: ln price (k,) -> demand (k,), falling, and its derivative (k,), which may leave jumps out.
        target: money (k,).
        cheap: where demand is above the target.
        dear: where it is not.
    """
    aim, tolerance = target * (1 - 2 * SLACK), target * SLACK
    at = (cheap + dear) / 2
    last = np.full(len(target), np.inf)
    for _ in range(ROUNDS):
        amount, slope = demand(at)
        excess = amount - aim
        size = np.abs(excess)
        met = size <= tolerance
        fits = excess <= 0
        dear, cheap = np.where(fits & ~met, at, dear), np.where(fits | met, cheap, at)
        unsettled = ~met & (dear - cheap > 4e-16 * np.maximum(np.abs(cheap), 1.0))
        if not unsettled.any():
            break
        step = at - excess / np.where(slope < 0, slope, -1.0)
        newton = (slope < 0) & (step > cheap) & (step < dear) & (size < 0.5 * last)
        last = np.where(newton, size, np.inf)
        at = np.where(unsettled, np.where(newton, step, (cheap + dear) / 2), at)
    return np.where(met, at, dear), np.where(met, at, cheap)


def _demand(problem: Problem, price: Vector, worth: Vector | None) -> tuple[Vector, Vector]:
    """Money (n,) for each market at a price (n,) or (1,), and its derivative by ln price."""
    terms = problem.terms
    left = terms.left(price)
    raw = terms.costs(left).sum(axis=0)
    inside = (raw > problem.low) & (raw < problem.high)
    money = np.minimum(np.maximum(raw, problem.low), problem.high)
    slope = np.where(inside, terms.cost_slope(left, price), 0.0)
    if worth is None:
        return money, slope
    on = price < worth
    return np.where(on, money + problem.fixed, 0.0), np.where(on, slope, 0.0)


def _settle_regions(
    problem: Problem, worth: Vector | None, over: np.ndarray, cheap: float, dear: float
) -> tuple[Vector, Vector]:
    """ln prices of the regions over their caps, all at once, and of slightly lower ones."""
    member = np.flatnonzero(over[problem.region])
    inner = Problem(
        problem.terms.take(member), problem.low[member], problem.high[member], problem.fixed[member],
        problem.optional[member], (np.cumsum(over) - 1)[problem.region[member]], problem.caps[over], problem.budget,
    )  # fmt: skip
    inner_worth = None if worth is None else worth[member]
    count = len(inner.caps)

    def of_regions(at: Vector) -> tuple[Vector, Vector]:
        money, slope = _demand(inner, np.exp(at)[inner.region], inner_worth)
        total: Vector = np.bincount(inner.region, money, count).astype(np.float64)
        return total, np.bincount(inner.region, slope, count).astype(np.float64)

    return settle(of_regions, inner.caps, np.full(count, cheap), np.full(count, dear))


def _share_rest(problem: Problem, spend: Vector, above: Vector, capped: np.ndarray) -> None:
    """Hand what is left to markets that are indifferent at their price (a linear piece), in the order of codes.

    Those in regions at their caps come first: their money is worth more.
    """
    tied = np.flatnonzero(above - spend > 1e-9 * problem.budget)
    if not len(tied):
        return
    tied = tied[np.argsort(~capped[tied], kind="stable")]
    rest = problem.budget * (1 - SLACK) - float(spend.sum())
    room = problem.caps * (1 - SLACK) - np.bincount(problem.region, spend, len(problem.caps))
    for at in tied:
        extra = max(0.0, min(float(above[at] - spend[at]), rest, float(room[problem.region[at]])))
        spend[at] += extra
        rest -= extra
        room[problem.region[at]] -= extra


def own_prices(terms: Terms, spend: Vector, settled: Vector, counted: Vector) -> tuple[Vector, Vector]:
    """L_i with x_i(L_i) = X_i (n,), and what the best split of X_i leaves (2, n).

    Args:
        terms: of the markets.
        spend: X (n,).
        settled: a price (n,) above 0 at which most of the markets spend X already.
        counted: the price (n,) that stands for it, 0 where money is not scarce.
    """
    left = terms.left(settled)
    raw = terms.costs(left).sum(axis=0)
    first = terms.steepness(np.ones_like(left)).max(axis=0, initial=0.0)
    own = np.where((spend <= 0) & (raw <= 0), np.minimum(first, counted), counted)
    off = np.flatnonzero(np.abs(raw - spend) > 1e-12 * np.maximum(spend, 1e-9))
    if not len(off):
        return own, left
    inner, wanted = terms.take(off), spend[off]
    dear, cheap = np.log(terms.price_range)
    found = np.where(wanted > 0, 0.0, first[off])
    response = np.where(wanted > 0, inner.left(np.exp(cheap)), inner.left(np.exp(dear)))
    between = np.flatnonzero((wanted > 0) & (wanted < inner.most * (1 - 1e-12)))
    if len(between):
        some = inner.take(between)

        def of_each(at: Vector) -> tuple[Vector, Vector]:
            price = np.exp(at)
            answer = some.left(price)
            return some.costs(answer).sum(axis=0), some.cost_slope(answer, price)

        at, _ = settle(of_each, wanted[between], np.full(len(between), cheap), np.full(len(between), dear))
        found[between] = np.exp(at)
        response[:, between] = some.left(found[between])
    own[off] = found
    left[:, off] = _split(inner, response, wanted - inner.costs(response).sum(axis=0))
    return own, left


def _split(terms: Terms, left: Vector, rest: Vector) -> Vector:
    """Spend what a linear piece left over, on the steeper of two such pieces first."""
    rest = np.maximum(rest, 0.0)
    flat = (terms.log == 0) & (terms.linear > 0) & (terms.value > 0)
    steeper = np.where(flat, terms.value / np.where(flat, terms.linear, 1.0), -1.0).argmax(axis=0)
    columns = np.arange(left.shape[1])
    for row in (steeper, 1 - steeper):
        usable = flat[row, columns] & (rest > 0)
        cost = np.where(usable, terms.linear[row, columns], 1.0)
        more = np.where(usable, np.minimum(rest / cost, left[row, columns] - LEAST_LEFT[row, 0]), 0.0)
        left[row, columns] -= more
        rest = rest - more * cost
    return left
