"""Which market may be paid how much, and the name of the limit that says so."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from marketpulse.contract.allocation import MarketPlan
from marketpulse.contract.portfolio import Market, Plan, Portfolio
from strategy.costs import entry_money
from strategy.limits import UNHEARD
from strategy.objective import Terms, Vector, terms_of
from strategy.portfolio import in_plan_currency
from strategy.problem import Problem

TOLERANCE = 1e-9  # of the budget
CHANGE_LIMIT = "the change limit's least"
DEMANDS = {"change limit down": CHANGE_LIMIT}
"""What a limit demands, where its name does not say it."""


@dataclass(frozen=True)
class Bounds:
    """low <= spend <= high without entry money, and the names of both limits; `entry` is paid if the market enters."""

    low: float
    high: float
    low_name: str
    high_name: str
    entry: float
    optional: bool


def bounds_of(market: Market, plan: Plan, before: float | None) -> Bounds | None:
    """The bounds of one market; None = it is out, whatever its metrics.

    A spend that is pinned, legally forbidden or already gone is what it is; bounds count more than the change limit
    max(floor, share of the previous spend), which does not hold for what is pinned or begins. What is off may be off
    for good: below `spend_minimum` there is nothing between.

    Args:
        market: with money in the plan's currency.
        plan: budget and change limit.
        before: the spend without entry money that the change limit is measured from; None = none.
    """
    candidate = market.status == "candidate"
    if market.status == "excluded" or (candidate and (not market.legal_ready or market.pinned == 0)):
        return None
    entry = entry_money(market) if candidate else 0.0
    spent = max(0.0, market.spent - entry)
    if not market.legal_ready:
        return Bounds(spent, spent, "not legally ready", "not legally ready", entry, False)
    if market.pinned is not None:
        pinned = max(market.pinned, spent)
        return Bounds(pinned, pinned, "pinned", "pinned", entry, False)
    low, low_name = (spent, "already spent") if spent > market.spend_low else (market.spend_low, "lower bound")
    high = max(low, math.inf if market.spend_high is None else market.spend_high)
    high_name = "upper bound"
    if before is not None and not candidate and not (before == 0 and market.spend_minimum > 0):
        limit = max(plan.change_limit_floor, plan.change_limit_share * before)
        if before - limit > low:
            low, low_name = min(before - limit, high), "change limit down"
        if before + limit < high:
            high, high_name = max(before + limit, low, min(market.spend_minimum, high)), "change limit up"
    optional = (candidate and market.spent < max(entry, 1e-300)) or (market.spend_minimum > 0 and low <= 0)
    if market.spend_minimum > low:
        low, low_name = min(market.spend_minimum, max(high, low)), "minimum viable spend"
    return Bounds(low, max(high, low), low_name, high_name, entry, optional and low + entry > 0)


def markets_in(
    portfolio: Portfolio,
    previous: Mapping[str, MarketPlan] | None,
    day_ago: Mapping[str, float] = MappingProxyType({}),
    unheard: Collection[str] = (),
) -> dict[str, Bounds]:
    """The bounds of every market that may be paid, in the order of codes.

    The change limit is measured from the spend of `day_ago`, where that is known, else from the previous one.
    One of `unheard`, where nobody can tell how its users are, keeps the spend that it has, within its other bounds.
    """
    found = {}
    for code in sorted(portfolio.markets):
        old = None if previous is None else previous.get(code)
        before = None if old is None else day_ago.get(code, old.spend - old.entry)
        bounds = bounds_of(portfolio.markets[code], portfolio.plan, before)
        if bounds is None:
            continue
        if code in unheard and old is not None and not bounds.optional and bounds.low < bounds.high:
            kept = min(max(old.spend - old.entry, bounds.low), bounds.high)
            bounds = Bounds(kept, kept, UNHEARD, UNHEARD, bounds.entry, False)
        found[code] = bounds
    return found


def keeps_limits(portfolio: Portfolio, plans: Mapping[str, MarketPlan]) -> bool:
    """Whether a plan of before keeps today's bounds, regional caps and budget; the change limit aside."""
    regions = dict.fromkeys(portfolio.plan.regions, 0.0)
    near = TOLERANCE * portfolio.plan.budget
    for code, market in portfolio.markets.items():
        plan = plans.get(code)
        spend = 0.0 if plan is None else plan.spend - plan.entry
        bounds = bounds_of(market, portfolio.plan, None)
        low, high = (0.0, market.spent) if bounds is None else (bounds.low, bounds.high)
        off = spend <= near and (bounds is None or bounds.optional)
        if not off and not low - near <= spend <= high + near:
            return False
        if market.region in regions:
            regions[market.region] += spend
    caps = [(spend, portfolio.plan.regions[name]) for name, spend in regions.items()]
    caps.append((sum(plan.spend for plan in plans.values()), portfolio.plan.budget))
    return all(spend <= cap + near for spend, cap in caps)


def problem_of(portfolio: Portfolio, bounds: Mapping[str, Bounds], terms: Terms) -> Problem:
    """The decision in arrays. Money already gone in markets that may stay out is out of the budget either way."""
    markets = [portfolio.markets[code] for code in bounds]
    caps = portfolio.plan.regions
    at = {name: index for index, name in enumerate(sorted(caps))}
    region = np.array([at.get(one.region, len(at)) for one in markets], np.intp)
    optional = np.array([one.optional for one in bounds.values()], np.bool_)
    gone = np.array([one.spent for one in markets]) * optional
    outside = [
        (one.spent, at.get(one.region, len(at))) for code, one in portfolio.markets.items() if code not in bounds
    ]
    limits: Vector = np.array([*(caps[name] for name in at), np.inf])
    limits -= np.bincount(region, gone, len(at) + 1)
    for money, index in outside:
        limits[index] -= money
    return Problem(
        terms=terms,
        low=np.array([one.low for one in bounds.values()]),
        high=np.array([min(one.high, max(one.low, portfolio.plan.budget)) for one in bounds.values()]),
        fixed=np.array([one.entry for one in bounds.values()]) - gone,
        optional=optional,
        region=region,
        caps=limits,
        budget=portfolio.plan.budget - float(gone.sum()) - sum(money for money, _ in outside),
    )


def clash(portfolio: Portfolio, bounds: Mapping[str, Bounds], problem: Problem) -> str:
    """Which constraints cannot hold together, by name and market, and the nearest budget (and caps) that would do."""
    needed = np.where(problem.optional, 0.0, problem.fixed + problem.low)
    found = []
    total = float(needed.sum()) + portfolio.plan.budget - problem.budget
    if needed.sum() > problem.budget:
        found.append(
            f"{_demands(bounds, needed, np.ones(len(needed), np.bool_))} need {total:,.1f} of a budget of "
            f"{portfolio.plan.budget:,.1f}; the nearest feasible budget is {total:,.1f}"
        )
    for index, name in enumerate(sorted(portfolio.plan.regions)):
        inside = problem.region == index
        over = float(needed[inside].sum() - problem.caps[index])
        if over > 0:
            cap = portfolio.plan.regions[name]
            found.append(
                f"{_demands(bounds, needed, inside)} need {cap + over:,.1f} of the cap of {cap:,.1f} of region {name}; "
                f"the nearest feasible cap is {cap + over:,.1f}"
            )
    counted = "; change limits count from the spend of 24 h ago" if CHANGE_LIMIT in "".join(found) else ""
    return f"infeasible: {'; '.join(found)}{counted}"


def _demands(bounds: Mapping[str, Bounds], needed: np.ndarray, inside: np.ndarray) -> str:
    """For example `lower bound of BR (2,500.0) and entry money of CN (149.6), US (136.7)`."""
    by_name: dict[str, list[str]] = {}
    for (code, one), money, counts in zip(bounds.items(), needed, inside, strict=True):
        if counts and money > 0:
            name = DEMANDS.get(one.low_name, one.low_name) if one.low > 0 else "entry money"
            by_name.setdefault(name, []).append(f"{code} ({money:,.1f})")
    named = [f"{name} of {', '.join(who[:5])}{' and others' if len(who) > 5 else ''}" for name, who in by_name.items()]
    return " and ".join(named) or "money already spent"


def infeasible(
    portfolio: Portfolio,
    previous: Mapping[str, MarketPlan] | None = None,
    day_ago: Mapping[str, float] = MappingProxyType({}),
) -> str | None:
    """Why no plan can keep a table, with the nearest budget and caps that would do, as `allocate` says it; else None.

    Metrics do not matter for it; change limits do where there are plans to measure them from.
    """
    portfolio = in_plan_currency(portfolio)
    bounds = markets_in(portfolio, previous, day_ago)
    problem = problem_of(portfolio, bounds, terms_of(portfolio, tuple(bounds), {}, {}))
    return None if problem.feasible else clash(portfolio, bounds, problem)
