"""Which markets are on: entry and minimum viable spend, by branch and bound on the dual bound."""

import heapq
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from strategy.objective import Vector
from strategy.problem import Problem
from strategy.water_filling import fill, own_prices, prices_of

NODES = 400
EXACT = 1e-11
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Choice:
    """Which markets are on (n,), by what part the best choice may gain more, and prices `worth` (n,).

    A market is worth its money wherever the marginal value of budget is below its `worth`: the most gain per money
    that it can give.
    """

    on: Flags
    gap: float
    worth: Vector


def choose(problem: Problem, nodes: int = NODES) -> Choice:
    """The best set of markets, for a feasible problem; exact (gap 0) unless `nodes` subproblems do not suffice.

    At a price L a market is on where max over x of V(x) - L (fixed + x) > 0, and the money for it falls in L: so one
    root gives prices, and these an upper bound of the gain of every choice. Branches on the market that is indifferent
    at these prices, best bound first.
    """
    if not problem.optional.any():
        return Choice(np.ones(len(problem.low), np.bool_), 0.0, np.full(len(problem.low), np.inf))
    return _Search(problem).run(nodes)


def _room(problem: Problem) -> Vector:
    """Most spend (n,) that budget and cap leave for each market, once those that must be on have their least."""
    least = np.where(problem.optional, 0.0, problem.fixed + problem.low)
    in_regions = problem.caps - np.bincount(problem.region, least, len(problem.caps))
    room: Vector = np.minimum(problem.budget - float(least.sum()), in_regions[problem.region]) - problem.fixed
    return room


class _Search:
    def __init__(self, problem: Problem) -> None:
        room = _room(problem)
        possible = ~problem.optional | (problem.low <= room)
        high = np.where(problem.optional, np.maximum(np.minimum(problem.high, room), problem.low), problem.high)
        problem = replace(problem, high=high)
        self._problem = problem
        terms = problem.terms
        settled = np.full(len(problem.low), terms.price_range[1])
        self._at_low, self._at_high = (
            terms.gains(own_prices(terms, spend, settled, settled)[1]).sum(axis=0)
            for spend in (problem.low, problem.high)
        )
        self._worth = np.where(problem.optional, np.where(possible, self._worths(), 0.0), np.inf)
        self._gains: dict[bytes, float] = {}
        self._best = -np.inf
        self._best_on = ~problem.optional

    def run(self, nodes: int) -> Choice:
        """Best first over subproblems; a subproblem is the `worth` of each market, infinite = on, 0 = off."""
        count = 0
        waiting: list[tuple[float, int, Vector, int]] = []
        self._try(self._best_on)
        subproblems = [self._worth]
        while True:
            for worth in subproblems:
                count += 1
                bound, branch = self._visit(worth)
                if branch is not None and not self._closed(bound):
                    heapq.heappush(waiting, (-bound, count, worth, branch))
            if not waiting or self._closed(-waiting[0][0]) or count >= nodes:
                break
            _, _, worth, branch = heapq.heappop(waiting)
            subproblems = []
            for value in (np.inf, 0.0):
                child = worth.copy()
                child[branch] = value
                subproblems.append(child)
        above = max(0.0, -waiting[0][0] - self._best) if waiting else 0.0
        gap = 0.0 if self._closed(self._best + above) else above / (self._best + above)
        return Choice(self._best_on, gap, self._worth)

    def _closed(self, bound: float) -> bool:
        return bound <= self._best + EXACT * max(abs(self._best), 1e-12)

    def _visit(self, worth: Vector) -> tuple[float, int | None]:
        """Bound of a subproblem and the market to branch on; None = it holds nothing better than the best known.

        Markets whose reduced gain alone decides them are fixed in `worth`.
        """
        problem = self._problem
        free = np.isfinite(worth) & (worth > 0)
        if not self._fits(np.isinf(worth)):
            return -np.inf, None
        prices = prices_of(problem, worth)
        price, counted = prices.settled[problem.region], prices.counted[problem.region]
        terms = problem.terms
        left = terms.left(price)
        raw = terms.costs(left).sum(axis=0)
        low, high = raw < problem.low, raw > problem.high
        gain = np.where(low, self._at_low, np.where(high, self._at_high, terms.gains(left).sum(axis=0)))
        spend = np.minimum(np.maximum(raw, problem.low), problem.high)
        reduced = np.where(worth > 0, gain - counted * (spend + problem.fixed), 0.0)
        capped = np.isfinite(problem.caps)
        bound = float(np.where(free, np.maximum(reduced, 0.0), reduced).sum()) + prices.budget * problem.budget
        bound += float(((prices.counted - prices.budget)[capped] * problem.caps[capped]).sum())
        on = price < worth
        self._try(on)
        tied = free & (np.abs(price - worth) <= 1e-9 * worth)
        for at in np.flatnonzero(tied)[:3]:
            self._try(on | (np.arange(len(on)) == at))
        if not free.any() or self._closed(bound):
            return bound, None
        decided = free & (bound - np.abs(reduced) <= self._best + EXACT * abs(self._best)) & ~tied
        worth[decided] = np.where(on[decided], np.inf, 0.0)
        free &= ~decided
        if not free.any():
            self._try(np.isinf(worth))
            return bound, None
        return bound, int(np.where(free, np.abs(reduced), np.inf).argmin())

    def _try(self, on: Flags) -> None:
        key = on.tobytes()
        if key in self._gains:
            return
        part = self._problem.take(on)
        gain = -np.inf
        if part.feasible:
            gain = float(part.terms.gains(fill(part).left).sum())
        self._gains[key] = gain
        if gain > self._best:
            self._best, self._best_on = gain, on

    def _fits(self, on: Flags) -> bool:
        least = np.where(on, self._problem.fixed + self._problem.low, 0.0)
        in_regions = np.bincount(self._problem.region, least, len(self._problem.caps))
        return bool(least.sum() <= self._problem.budget and (in_regions <= self._problem.caps).all())

    def _worths(self) -> Vector:
        """max over x of V(x)/(fixed + x) (n,), by Dinkelbach's iteration: each ratio is the next price."""
        problem, terms = self._problem, self._problem.terms
        most = np.minimum(np.maximum(terms.most, problem.low), problem.high) + problem.fixed
        costly = problem.optional & (most > 0)
        ratio = np.where(costly, self._at_high / np.where(costly, most, 1.0), 0.0)
        for _ in range(100):
            left = terms.left(np.maximum(ratio, terms.price_range[1] * 1e-3))
            raw = terms.costs(left).sum(axis=0)
            spend = np.minimum(np.maximum(raw, problem.low), problem.high)
            gain = np.where(raw < problem.low, self._at_low, terms.gains(left).sum(axis=0))
            gain = np.where(raw > problem.high, self._at_high, gain)
            cost = spend + problem.fixed
            better = np.where(costly & (cost > 0), gain / np.where(cost > 0, cost, 1.0), 0.0)
            if not (better > ratio * (1 + 1e-15)).any():
                break
            ratio = np.maximum(ratio, better)
        return ratio
