"""Metrics in, allocation out: which market gets how much, why, and the proof that no other plan is better."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

from strategy.certificate import Certificate, certify
from strategy.costs import entry_money
from strategy.errors import BadPortfolio
from strategy.objective import Terms, Vector, terms_of
from strategy.portfolio import Portfolio
from strategy.water_filling import Filled, fill

MOST_CANDIDATES = 10
Status = Literal["optimal", "within_dead_band", "infeasible", "failed"]


class MarketPlan(msgspec.Struct, frozen=True):
    """One market's part: money per period, penetration p, satisfaction q, gain of the next unit of money."""

    spend: float
    promotion: float
    quality: float
    entry: float
    idle: float
    p: float
    q: float
    marginal_return: float
    change: float
    binding: tuple[str, ...]
    reason: str


class Allocation(msgspec.Struct, frozen=True):
    """The answer. `adopted` False = the previous allocation stays, `why` says so."""

    status: Status
    adopted: bool
    why: str
    budget: float
    spent: float
    gain: float
    marginal_value_of_budget: float
    markets: dict[str, MarketPlan]
    certificate: Certificate | None = None


@dataclass(frozen=True)
class _Bounds:
    codes: tuple[str, ...]
    low: Vector
    high: Vector
    limited_low: Vector
    limited_high: Vector


def allocate(
    portfolio: Portfolio,
    u: Mapping[str, float],
    r: Mapping[str, float | None],
    previous: Mapping[str, MarketPlan] | None = None,
) -> Allocation:
    """The spend per market that does most good within budget, bounds and change limit.

    Args:
        portfolio: markets, costs, bounds, budget.
        u: user experience per market in [0, 1]; markets without one take .5.
        r: market-expansion speed per day; None = unknown, taken as 0.
        previous: the plans in force; None = there is none, and no change limit.

    Raises:
        BadMetrics: a metric is not finite or out of range.
        BadPortfolio: more candidates than can be decided exactly.
    """
    candidates = [code for code, market in portfolio.markets.items() if market.status == "candidate"]
    if len(candidates) > MOST_CANDIDATES:
        raise BadPortfolio(
            f"{len(candidates)} candidates; entry is decided exactly for up to {MOST_CANDIDATES}. "
            "Operator action: exclude some for now."
        )
    best: Allocation | None = None
    for size in range(len(candidates) + 1):
        for chosen in itertools.combinations(candidates, size):
            one = _allocate_entered(portfolio, u, r, previous, chosen)
            if best is None or (one.status == "optimal" and one.gain > best.gain * (1 + 1e-12)):
                best = one
    assert best is not None
    return _within_dead_band(best, portfolio, previous)


def _allocate_entered(
    portfolio: Portfolio,
    u: Mapping[str, float],
    r: Mapping[str, float | None],
    previous: Mapping[str, MarketPlan] | None,
    entering: tuple[str, ...],
) -> Allocation:
    codes = tuple(code for code, market in portfolio.markets.items() if market.status == "entered" or code in entering)
    terms = terms_of(portfolio, codes, u, r)
    entry = np.array([entry_money(portfolio.markets[code]) if code in entering else 0.0 for code in codes])
    budget = portfolio.plan.budget - float(entry.sum())
    bounds = _bounds(portfolio, codes, previous, entering)
    if budget <= 0 or bounds.limited_low.sum() > budget:
        needed = float(bounds.limited_low.sum() + entry.sum())
        why = (
            f"infeasible: lower bounds and change limits need {needed:.1f} of a budget of {portfolio.plan.budget:.1f}; "
            f"the nearest feasible budget is {needed:.1f}"
        )
        return Allocation("infeasible", False, why, portfolio.plan.budget, 0.0, 0.0, 0.0, dict(previous or {}))
    filled = fill(terms, bounds.limited_low, bounds.limited_high, budget)
    certificate = certify(terms, filled, bounds.limited_low, bounds.limited_high, budget)
    plans = _plans(terms, filled, bounds, entry, previous)
    return Allocation(
        status="optimal",
        adopted=True,
        why="first allocation" if previous is None else "budget moves to where it does most good",
        budget=portfolio.plan.budget,
        spent=float(filled.spend.sum() + entry.sum()),
        gain=float(terms.gain(filled.z, filled.y).sum()),
        marginal_value_of_budget=filled.price,
        markets=plans,
        certificate=certificate,
    )


def _bounds(
    portfolio: Portfolio,
    codes: tuple[str, ...],
    previous: Mapping[str, MarketPlan] | None,
    entering: tuple[str, ...],
) -> _Bounds:
    """Spend bounds, and the same narrowed by the change limit max(floor, share of the previous spend)."""
    plan = portfolio.plan
    markets = [portfolio.markets[code] for code in codes]
    low = np.array([market.spend_low for market in markets])
    high = np.array([np.inf if market.spend_high is None else market.spend_high for market in markets])
    high = np.minimum(high, plan.budget)
    limited_low, limited_high = low.copy(), high.copy()
    for at, code in enumerate(codes):
        if previous is None or code not in previous or code in entering:
            continue
        before = previous[code].spend
        limit = max(plan.change_limit_floor, plan.change_limit_share * before)
        limited_low[at] = min(max(low[at], before - limit), high[at])
        limited_high[at] = max(min(high[at], before + limit), limited_low[at])
    return _Bounds(codes, low, high, limited_low, limited_high)


def _plans(
    terms: Terms, filled: Filled, bounds: _Bounds, entry: Vector, previous: Mapping[str, MarketPlan] | None
) -> dict[str, MarketPlan]:
    promotion, quality = terms.promotion(filled.z), terms.quality(filled.y)
    plans = {}
    for at, code in enumerate(terms.codes):
        spend = float(filled.spend[at] + entry[at])
        before = previous[code].spend if previous and code in previous else None
        binding = _binding(filled, bounds, at)
        change = 0.0 if before is None else spend - before
        plans[code] = MarketPlan(
            spend=spend,
            promotion=float(promotion[at]),
            quality=float(quality[at]),
            entry=float(entry[at]),
            idle=float(filled.idle[at]),
            p=float(terms.p0[at] + filled.z[at] * (terms.p_max[at] - terms.p0[at])),
            q=float(terms.u[at] + filled.y[at] * (1 - terms.u[at])),
            marginal_return=float(filled.own_price[at]),
            change=change,
            binding=binding,
            reason=_reason(code, before, spend, float(promotion[at]), float(quality[at]), float(terms.u[at]), binding),
        )
    return plans


def _binding(filled: Filled, bounds: _Bounds, at: int) -> tuple[str, ...]:
    found = []
    spend = filled.spend[at]
    if spend <= bounds.limited_low[at] + 1e-9 and bounds.limited_low[at] > 0:
        found.append("lower bound" if bounds.limited_low[at] == bounds.low[at] else "change limit down")
    if spend >= bounds.limited_high[at] - 1e-9:
        found.append("upper bound" if bounds.limited_high[at] == bounds.high[at] else "change limit up")
    if filled.idle[at] > 1e-9:
        found.append("nothing left to buy")
    return tuple(found)


def _reason(
    code: str, before: float | None, spend: float, promotion: float, quality: float, u: float, binding: tuple[str, ...]
) -> str:
    moved = "new" if before is None else f"{(spend - before) / before:+.0%}" if before > 0 else f"{spend - before:+.1f}"
    limits = f"; {', '.join(binding)}" if binding else ""
    return f"{code}: {moved}, u {u:.2f}, promotion {promotion:.1f} + quality {quality:.1f}{limits}"


def _within_dead_band(
    allocation: Allocation, portfolio: Portfolio, previous: Mapping[str, MarketPlan] | None
) -> Allocation:
    """Reject a plan that would move less than the dead-band's share of the budget (see ADR 3)."""
    if previous is None or allocation.status != "optimal":
        return allocation
    moved = money_moved(allocation.markets, previous)
    band = portfolio.plan.dead_band * portfolio.plan.budget
    if moved >= band:
        return allocation
    why = f"within the dead-band: {moved:.1f} would move, {band:.1f} is the least worth moving; the previous plan stays"
    return msgspec.structs.replace(allocation, status="within_dead_band", adopted=False, why=why)


def money_moved(now: Mapping[str, MarketPlan], before: Mapping[str, MarketPlan]) -> float:
    """Half the sum of absolute changes, promotion and quality counted apart, over all markets."""
    codes = sorted(set(now) | set(before))
    total = 0.0
    for code in codes:
        new, old = now.get(code), before.get(code)
        total += abs((new.promotion if new else 0.0) - (old.promotion if old else 0.0))
        total += abs((new.quality if new else 0.0) - (old.quality if old else 0.0))
    return total / 2
