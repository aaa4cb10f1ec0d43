"""Whatever operators set: a plan that keeps every limit and proves itself, or a refusal that names the clash."""

import re
from typing import Any
from unittest import mock

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketpulse.contract.allocation import Allocation
from marketpulse.contract.portfolio import Market, Portfolio
from strategy.allocate import allocate
from strategy.limits import SMALL
from strategy.portfolio import checked_market, load_portfolio
from strategy.reasons.changes import basis_of
from strategy.uncertainty import Precision

SHIPPED = load_portfolio()
CODES = tuple(SHIPPED.markets)
U = dict.fromkeys(CODES, 0.66)
PART = re.compile(r"(?<![A-Z]{2} )\(([+-][\d,.]+)\)")
"""A cause's part of the money; where money came from and went has a market before it."""
SEEDS = st.integers(0, 2**32 - 1)


def any_market(rng: np.random.Generator, market: Market) -> Market:
    """The market with limits of every kind, each rare enough that most portfolios are feasible."""
    fields: dict[str, Any] = {}
    if rng.random() < 0.3:
        fields["status"] = str(rng.choice(["candidate", "excluded"]))
    if rng.random() < 0.2:
        fields["spend_low"] = float(rng.uniform(0, 100))
    if rng.random() < 0.2:
        fields["spend_high"] = fields.get("spend_low", 0.0) + float(rng.uniform(0, 200))
    if rng.random() < 0.2:
        fields["spend_minimum"] = float(rng.uniform(0, 1) * fields.get("spend_high", 300.0))
    if rng.random() < 0.1:
        fields["pinned"] = float(rng.uniform(fields.get("spend_low", 0.0), fields.get("spend_high", 150.0)))
    elif rng.random() < 0.1 and "spend_low" not in fields:
        fields["legal_ready"] = False
    if rng.random() < 0.2:
        fields["spent"] = float(rng.uniform(0, 80))
    fields |= {name: 0.0 for name in ("c", "d", "l", "g", "f") if rng.random() < 0.1}
    fields["region"] = str(rng.choice(["", "A", "B"]))
    return checked_market(msgspec.structs.replace(market, **fields))


def any_portfolio(rng: np.random.Generator) -> Portfolio:
    plan = msgspec.structs.replace(
        SHIPPED.plan,
        budget=float(rng.uniform(300, 4_000)),
        regions={"A": float(rng.uniform(100, 2_000)), "B": float(rng.uniform(100, 2_000))},
    )
    return Portfolio(plan, {code: any_market(rng, one) for code, one in SHIPPED.markets.items()})


def check(portfolio: Portfolio, answer: Allocation) -> None:
    """Budget, caps, bounds, legal readiness, minimum viable spend and proof; or a clash with its numbers."""
    near = 1e-6
    if answer.status == "infeasible":
        assert "the nearest feasible" in answer.why
        return
    assert answer.certificate is not None
    assert answer.certificate.duality_gap <= 1e-8
    assert answer.certificate.kkt_residual <= 1e-5
    assert answer.certificate.overspent <= near
    assert answer.spent <= portfolio.plan.budget + near
    for name, cap in portfolio.plan.regions.items():
        paid = sum(
            answer.markets[code].spend if code in answer.markets else one.spent
            for code, one in portfolio.markets.items()
            if one.region == name
        )
        assert paid <= cap + near
    for code, one in answer.markets.items():
        market = portfolio.markets[code]
        running = one.spend - one.entry
        assert "excluded" != market.status
        assert one.spend >= market.spent - near
        assert one.promotion + one.quality <= running + near
        if not market.legal_ready:
            assert pytest.approx(market.spent) == one.spend
        elif market.pinned is not None:
            assert pytest.approx(max(market.pinned, market.spent - one.entry)) == running
        elif running > near:
            high = np.inf if market.spend_high is None else market.spend_high
            assert running <= max(high, market.spent) + near
            assert running >= market.spend_minimum - near or running >= high - near


@settings(max_examples=150, deadline=None)
@given(SEEDS)
def test_every_limit_holds_or_its_clash_is_named(seed: int) -> None:
    """First plans, and plans after one with other metrics, uncertain ones too."""
    rng = np.random.default_rng(seed)
    portfolio = any_portfolio(rng)
    first = allocate(portfolio, U, {})
    check(portfolio, first)
    u = {code: float(rng.uniform(0, 1)) for code in CODES}
    precision = Precision({}, {code: float(rng.uniform(0, 0.1)) for code in CODES}, {})
    for known in (None, precision):
        check(portfolio, allocate(portfolio, u, {}, first.markets, known))


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_the_budget_that_an_infeasible_plan_asks_for_is_enough(seed: int) -> None:
    """And a thousandth less is not."""
    rng = np.random.default_rng(seed)
    portfolio = any_portfolio(rng)
    portfolio = Portfolio(msgspec.structs.replace(portfolio.plan, budget=1.0, regions={}), portfolio.markets)
    first = allocate(portfolio, U, {})
    if first.status != "infeasible":
        return
    needed = float(first.why.rpartition("the nearest feasible budget is ")[2].replace(",", ""))
    for budget, feasible in ((needed + 0.06, True), (needed * 0.999 - 0.06, False)):
        plan = msgspec.structs.replace(portfolio.plan, budget=budget)
        assert feasible == ("infeasible" != allocate(Portfolio(plan, portfolio.markets), U, {}).status)


@pytest.mark.parametrize(
    ("fields", "spent"),
    [
        ({"status": "excluded"}, 0.0),
        ({"pinned": 200.0}, 2_000.0),
        ({"legal_ready": False}, 0.0),
        ({"status": "candidate", "c": 1e6}, 0.0),
        ({"spend_high": 0.0}, 0.0),
        ({"spend_minimum": 2_500.0}, 0.0),
        ({"spent": 200.0}, 2_000.0),
        ({"c": 0.0, "d": 0.0, "g": 0.0, "f": 0.0, "l": 0.0}, 0.0),
    ],
)
def test_what_leaves_nothing_to_decide_is_a_plan_too(fields: dict[str, Any], spent: float) -> None:
    """The same extreme for all: nobody to pay, nothing to pay for, or no freedom; also a second, robust time."""
    markets = {code: msgspec.structs.replace(one, **fields) for code, one in SHIPPED.markets.items()}
    portfolio = Portfolio(SHIPPED.plan, markets)
    first = allocate(portfolio, U, {})
    check(portfolio, first)
    assert ("optimal", pytest.approx(spent)) == (first.status, first.spent)
    again = allocate(portfolio, U, {}, first.markets, Precision({}, dict.fromkeys(CODES, 0.2), {}), "robust")
    check(portfolio, again)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS)
def test_every_change_of_table_has_words_and_parts_that_add_up(seed: int) -> None:
    """From any table to any other, with other metrics: parts are the whole move, where there is room for all."""
    rng = np.random.default_rng(seed)
    before, now = any_portfolio(rng), any_portfolio(rng)
    kept = rng.choice(CODES, 8, replace=False)
    now = Portfolio(now.plan, {code: one for code, one in now.markets.items() if code in kept})
    first = allocate(before, U, {})
    u = {code: float(rng.uniform(0.3, 0.9)) if rng.random() < 0.3 else value for code, value in U.items()}
    with mock.patch("strategy.reasons.explain.LONGEST", 10_000):
        answer = allocate(now, u, {}, first.markets or None, basis=basis_of(before))
    if "infeasible" in (first.status, answer.status):
        return
    for market in answer.markets.values():
        parts = [float(one.replace(",", "")) for one in PART.findall(market.reason)]
        assert len(parts) < 2 or sum(parts) == pytest.approx(market.change, abs=SMALL * now.plan.budget * 6)
