"""Metrics in, allocation out: which market gets how much, why, and the proof that no other plan is better."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from types import MappingProxyType

import msgspec
import numpy as np

from marketpulse.contract.allocation import Allocation, Basis
from marketpulse.contract.portfolio import Portfolio
from strategy.binding import NEAR
from strategy.bounds import clash, markets_in, problem_of
from strategy.certificate import certify
from strategy.dead_band import within_dead_band
from strategy.entry import choose
from strategy.objective import Vector, terms_of
from strategy.own_users import UsersMoves
from strategy.plans import Asked, Plans, Solved, Unsure, answer_of, whole
from strategy.portfolio import in_plan_currency
from strategy.problem import Problem
from strategy.reasons.answer import with_sentences
from strategy.reasons.causes import USERS, Part, parts_of
from strategy.reasons.changes import basis_of, changes_between, table_of
from strategy.uncertainty import (
    ROUNDS,
    Precision,
    Stance,
    drawn_values,
    expected_and_worst,
    gains_drawn,
    worst_value,
)
from strategy.water_filling import fill, own_prices

KEPT = 0.9  # share of a plan's expected improvement that must be left when unsure moves are held back


def allocate(
    portfolio: Portfolio,
    u: Mapping[str, float],
    r: Mapping[str, float | None],
    previous: Plans | None = None,
    precision: Precision | None = None,
    stance: Stance = "point",
    unheard: Collection[str] = (),
    day_ago: Mapping[str, float] = MappingProxyType({}),
    basis: Basis | None = None,
) -> Allocation:
    """The spend per market that does most good within budget, regional caps, bounds and change limit.

    Args:
        portfolio: markets, costs, bounds, budget.
        u: user experience per market in [0, 1]; markets without one take .5.
        r: market-expansion speed per day; None = unknown, taken as 0.
        previous: the plans in force; None = there is none, and no change limit.
        precision: how sure u and r are; None = not known, nothing is said of uncertainty.
        stance: what uncertain worth counts as; others than `point` need `precision`.
        unheard: markets whose metrics say nothing now: each keeps its previous spend, unless the budget is too small
            for that.
        day_ago: spend of 24 h ago without entry money, where known: change limits are measured from it, so that many
            answers in a day move no market further than one may.
        basis: the table that `previous` was made with; None = not known, reasons name no change of it.

    Raises:
        BadMetrics: a metric is not finite or out of range.
        BadPortfolio: a market's money is in a currency without a rate.
    """
    return _answered(portfolio, u, r, previous, precision, stance, unheard, day_ago, basis)[0]


def _answered(
    portfolio: Portfolio,
    u: Mapping[str, float],
    r: Mapping[str, float | None],
    previous: Plans | None,
    precision: Precision | None,
    stance: Stance,
    unheard: Collection[str],
    day_ago: Mapping[str, float],
    basis: Basis | None,
    hold: Collection[str] | None = None,
) -> tuple[Allocation, UsersMoves]:
    """The answer, and what of it the users of each market moved; `hold`: markets that stay, None = the unsure ones."""
    given, table = portfolio, None if previous is None else changes_between(basis, basis_of(portfolio))
    portfolio = in_plan_currency(portfolio)
    bounds = markets_in(portfolio, previous, day_ago, unheard)
    terms = terms_of(portfolio, tuple(bounds), u, r)
    if unheard and not problem_of(portfolio, bounds, terms).feasible:
        bounds = markets_in(portfolio, previous, day_ago)
    drawn = None
    if precision is not None and (precision.u_se or precision.r_se):
        drawn = drawn_values(terms, portfolio.plan, r, precision)
    asked = Asked(portfolio, u, r, previous, precision or Precision({}, {}, {}), bounds, terms, drawn, table)
    problem = problem_of(portfolio, bounds, terms)
    if not problem.feasible:
        why = clash(portfolio, bounds, problem)
        none = Allocation(
            "infeasible", False, why, portfolio.plan.budget, 0.0, 0.0, 0.0, dict(previous or {}),
            currency=portfolio.plan.currency,
        )  # fmt: skip
        return none, UsersMoves(problem, portfolio, u, r, previous or {})
    problem, solved = (problem, _solve(problem)) if drawn is None else _solve_stance(problem, drawn, stance)
    unsure = Unsure(np.full(len(bounds), np.nan), np.zeros(len(bounds), np.bool_), solved.filled.region_price)
    if drawn is not None and previous is not None:
        likely = _likely(asked, problem, solved)
        if hold is None:
            problem, solved, held = _hold_back(asked, problem, solved, likely)
        else:
            problem, solved, held = _held(asked, problem, solved, np.isin(terms.codes, [*hold]))
        unsure = replace(unsure, likely=likely, held=held)
    users = UsersMoves(problem, portfolio, u, r, previous or {})
    answer = answer_of(asked, solved, problem, unsure)
    if hold is not None:
        return answer, users  # a stage on the way to an answer: nobody reads its sentences
    parts: tuple[list[Part], tuple[str, ...]] = ([], (USERS,))
    if table is not None and basis is not None:
        staying = [code for code, one in zip(terms.codes, unsure.held, strict=True) if one]

        def solve(between: Portfolio) -> tuple[Plans, UsersMoves] | None:
            answer, users = _answered(between, u, r, previous, precision, stance, unheard, day_ago, None, staying)
            return None if answer.status == "infeasible" else (answer.markets, users)

        parts = parts_of(table_of(basis), given, solve)
    answer = with_sentences(answer, portfolio, previous, u.keys(), table, parts, users)
    return within_dead_band(answer, portfolio, previous), users


def _solve(problem: Problem) -> Solved:
    choice = choose(problem)
    part = problem.take(choice.on)
    filled = fill(part)
    certificate = msgspec.structs.replace(certify(part, filled), entry_gap=choice.gap)
    return Solved(choice.on, filled, certificate, choice.worth)


def _solve_stance(problem: Problem, drawn: Vector, stance: Stance) -> tuple[Problem, Solved]:
    """The answer for what uncertain worth counts as, with the problem that it answers."""

    def answer(value: Vector) -> tuple[Problem, Solved]:
        counted = replace(problem, terms=replace(problem.terms, value=value))
        return counted, _solve(counted)

    if stance == "point":
        return problem, _solve(problem)
    value = drawn.mean(axis=0)
    best = answer(value)
    if stance == "sampled":
        return best
    found, score = best, -np.inf
    for turn in range(ROUNDS):
        left = whole(found[1], found[1].filled.left, 1.0)
        worst = expected_and_worst(gains_drawn(drawn, left))[1]
        best, score = (found, worst) if worst > score else (best, score)
        value = value + (worst_value(drawn, left) - value) / (turn + 2)
        found = answer(value)
    return best


def _before(asked: Asked) -> Vector:
    """The previous spend without entry money (n,); NaN where there was none."""
    previous = asked.previous or {}
    plans = [previous.get(code) for code in asked.bounds]
    return np.array([np.nan if one is None else one.spend - one.entry for one in plans])


def _likely(asked: Asked, problem: Problem, solved: Solved) -> Vector:
    """Probability (n,) that a move pays: V(new) - V(old) >= L (new - old), under the draws; NaN where nothing moves.

    L is the price of money in its region: that of the budget, and what the region's cap adds to it. The old
    spend is split as the metrics of now have it.
    """
    assert asked.drawn is not None
    before, old_left = _before(asked), _left_before(asked)
    old = np.nan_to_num(before)
    new, new_left = whole(solved, solved.filled.spend, 0.0), whole(solved, solved.filled.left, 1.0)
    better = gains_drawn(asked.drawn, new_left) - gains_drawn(asked.drawn, old_left)
    price = solved.filled.price + solved.filled.region_price[problem.region]
    pays = (better >= price * (new - old)).mean(axis=0)
    moves = np.isfinite(before) & (np.abs(new - old) > NEAR * asked.portfolio.plan.budget)
    return np.where(moves, pays, np.nan)


def _hold_back(asked: Asked, problem: Problem, solved: Solved, likely: Vector) -> tuple[Problem, Solved, np.ndarray]:
    """Keep the least probable moves at the previous spend, as many as cost little of the expected improvement."""
    before = _before(asked)
    free = np.array([not one.optional and one.low < one.high for one in asked.bounds.values()], np.bool_)
    inside = (before >= problem.low) & (before <= problem.high)
    unsure = np.flatnonzero(free & inside & (np.nan_to_num(likely, nan=1.0) < asked.portfolio.plan.move_confidence))
    unsure = unsure[np.argsort(likely[unsure], kind="stable")]
    stay = _expected_before(asked)
    wanted = stay + KEPT * (_expected(asked, solved) - stay)
    best, held = (problem, solved), np.zeros(len(free), np.bool_)
    least, most = 0, len(unsure)
    while least < most:
        count = (least + most + 1) // 2
        fixed = np.isin(np.arange(len(free)), unsure[:count])
        low, high = (np.where(fixed, before, bound) for bound in (problem.low, problem.high))
        narrow = replace(problem, low=low, high=high)
        trial = _solve(narrow) if narrow.feasible else None
        if trial is not None and _expected(asked, trial) >= wanted:
            least, best, held = count, (narrow, trial), fixed
        else:
            most = count - 1
    return (*best, held)


def _held(asked: Asked, problem: Problem, solved: Solved, fixed: np.ndarray) -> tuple[Problem, Solved, np.ndarray]:
    """Keep these markets (n,) at the previous spend, where that is feasible."""
    before = _before(asked)
    fixed = fixed & (before >= problem.low) & (before <= problem.high)
    low, high = (np.where(fixed, before, bound) for bound in (problem.low, problem.high))
    narrow = replace(problem, low=low, high=high)
    if not fixed.any() or not narrow.feasible:
        return problem, solved, np.zeros(len(fixed), np.bool_)
    return narrow, _solve(narrow), fixed


def _expected(asked: Asked, solved: Solved) -> float:
    """Mean gain of an answer over the draws."""
    assert asked.drawn is not None
    return float((asked.drawn.mean(axis=0) * (1 - whole(solved, solved.filled.left, 1.0))).sum())


def _expected_before(asked: Asked) -> float:
    """Mean gain of the previous spend over the draws, split as the metrics of now have it."""
    assert asked.drawn is not None
    return float((asked.drawn.mean(axis=0) * (1 - _left_before(asked))).sum())


def _left_before(asked: Asked) -> Vector:
    old, terms = np.nan_to_num(_before(asked)), asked.terms
    settled = np.full(len(old), terms.price_range[1])
    return own_prices(terms, old, settled, settled)[1]
