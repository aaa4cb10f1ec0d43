"""An answer in arrays, and the same as people get it: a plan for each market, with what holds it."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np

from marketpulse.contract.allocation import Allocation, Certificate, MarketPlan, Uncertainty
from marketpulse.contract.portfolio import Portfolio
from strategy.binding import chosen, leaves_less, names_of
from strategy.bounds import Bounds
from strategy.limits import SMALL
from strategy.objective import DEFAULT_U, Terms, Vector
from strategy.problem import Problem
from strategy.reasons.changes import Changes
from strategy.reasons.explain import reasons_of_lost
from strategy.reasons.story import amount
from strategy.reasons.whole import unspent_words, why_of
from strategy.uncertainty import DRAWS, Precision, expected_and_worst, gains_drawn
from strategy.water_filling import Filled

Plans = Mapping[str, MarketPlan]


@dataclass(frozen=True)
class Solved:
    """An answer in arrays: of the markets that are on, by their place in the whole."""

    on: np.ndarray
    filled: Filled
    certificate: Certificate
    worth: Vector


@dataclass(frozen=True)
class Unsure:
    """What is known of moves: likely (n,), the probability that each pays; held (n,), whether it is held back for that;
    free_region_price (regions,), what the caps cost with nobody held back.
    """

    likely: Vector
    held: np.ndarray
    free_region_price: Vector


@dataclass(frozen=True)
class Asked:
    """Everything that one question is made of.

    drawn: None where the metrics' errors are not known. table: None where the table of before is not.
    """

    portfolio: Portfolio
    u: Mapping[str, float]
    r: Mapping[str, float | None]
    previous: Plans | None
    precision: Precision
    bounds: dict[str, Bounds]
    terms: Terms
    drawn: Vector | None
    table: Changes | None


def whole(solved: Solved, values: Vector, otherwise: float) -> Vector:
    """Values (..., markets that are on) as (..., n)."""
    full = np.full((*values.shape[:-1], len(solved.on)), otherwise)
    full[..., solved.on] = values
    return full


def answer_of(asked: Asked, solved: Solved, problem: Problem, unsure: Unsure) -> Allocation:
    """What the arrays say, in the contract's form; sentences are still missing."""
    filled, plan = solved.filled, asked.portfolio.plan
    left = whole(solved, filled.left, 1.0)
    exact = solved.certificate.entry_gap == 0
    known = None
    if asked.drawn is not None:
        expected, worst = expected_and_worst(gains_drawn(asked.drawn, left))
        names = tuple(code for code, one in zip(asked.bounds, unsure.held, strict=True) if one)
        known = Uncertainty(expected, worst, DRAWS, names)
    spent = float(filled.spend.sum() + problem.fixed[solved.on].sum()) + plan.budget - problem.budget
    unspent = plan.budget - spent
    markets = _plans(asked, solved, left, unsure)
    kept = ""
    if unspent > SMALL * plan.budget:
        kept = unspent_words(amount(plan, unspent), amount(plan, plan.budget), markets)
    return Allocation(
        status="optimal" if exact else "near_optimal",
        adopted=True,
        why=why_of(asked.previous is None, asked.table, kept),
        budget=plan.budget,
        spent=spent,
        gain=float(asked.terms.gains(left).sum()),
        marginal_value_of_budget=filled.price,
        markets=markets,
        certificate=solved.certificate,
        marginal_value_of_caps=dict(zip(sorted(plan.regions), filled.region_price.tolist(), strict=False)),
        uncertainty=known,
        currency=plan.currency,
        lost=reasons_of_lost(markets, asked.previous, plan, asked.portfolio.markets),
    )


def _plans(asked: Asked, solved: Solved, left: Vector, unsure: Unsure) -> dict[str, MarketPlan]:
    terms, filled, previous = asked.terms, solved.filled, asked.previous or {}
    z, y = 1 - left
    caps = asked.portfolio.plan.regions
    holding = [
        {name for name, price in zip(sorted(caps), prices, strict=False) if price > 0}
        for prices in (filled.region_price, unsure.free_region_price)
    ]
    rows = zip(
        asked.bounds.items(), solved.on.tolist(), whole(solved, filled.spend, 0.0).tolist(),
        *terms.costs(left).tolist(),
        whole(solved, filled.idle, 0.0).tolist(), (terms.p0 + z * (terms.p_max - terms.p0)).tolist(),
        (terms.u + y * (1 - terms.u)).tolist(), whole(solved, filled.own_price, 0.0).tolist(), unsure.likely.tolist(),
        unsure.held.tolist(), solved.worth.tolist(), terms.most.tolist(), strict=True,
    )  # fmt: skip
    plans = {}
    for (code, bounds), on, spend, promotion, quality, idle, p, q, own, sure, kept, worth, most in rows:
        market, before = asked.portfolio.markets[code], previous.get(code)
        if not on and market.status == "candidate":
            continue
        total = spend + bounds.entry if on else market.spent
        binding = names_of(bounds, spend, most, kept) if on else ("minimum viable spend",)
        one = MarketPlan(
            spend=total,
            promotion=promotion,
            quality=quality,
            entry=bounds.entry if on else 0.0,
            idle=idle,
            p=p,
            q=q,
            marginal_return=own if on else worth,
            change=0.0 if asked.previous is None else total - (0.0 if before is None else before.spend),
            binding=(*binding, f"cap of {market.region}") if market.region in holding[kept] else binding,
            reason="",
            left=max(0.0, total - market.spent),
            u=asked.u.get(code, DEFAULT_U),
            r=asked.r.get(code),
            n=asked.precision.n.get(code),
            likely=None if np.isnan(sure) else sure,
        )
        plans[code] = one
    cut = leaves_less(plans, previous, asked.portfolio.plan.budget)
    return {code: one if chosen(one, cut) else msgspec.structs.replace(one, likely=None) for code, one in plans.items()}
