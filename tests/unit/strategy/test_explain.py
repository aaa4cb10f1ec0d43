"""The words of a plan: what moved, why, from whom, in money; the same in every currency."""

import re
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketpulse.contract.allocation import Allocation
from marketpulse.contract.portfolio import Market, Portfolio
from strategy.allocate import allocate
from strategy.limits import LIMITS
from strategy.portfolio import MONEY, load_portfolio
from strategy.reasons.explain import LONGEST, reasons
from strategy.uncertainty import Precision

SHIPPED = load_portfolio()
U, R = dict.fromkeys(SHIPPED.markets, 0.66), dict.fromkeys(SHIPPED.markets, 0.02)
FIRST = allocate(SHIPPED, U, R)


def changed(code: str, **fields: object) -> Portfolio:
    """The shipped table with one market otherwise."""
    return Portfolio(SHIPPED.plan, SHIPPED.markets | {code: msgspec.structs.replace(SHIPPED.markets[code], **fields)})


def times(portfolio: Portfolio, factor: float) -> Portfolio:
    """The same money in another unit."""
    markets = {code: in_unit(market, factor) for code, market in portfolio.markets.items()}
    plan = msgspec.structs.replace(
        portfolio.plan,
        budget=portfolio.plan.budget * factor,
        change_limit_floor=portfolio.plan.change_limit_floor * factor,
        regions={name: cap * factor for name, cap in portfolio.plan.regions.items()},
    )
    return Portfolio(plan, markets)


def in_unit(market: Market, factor: float) -> Market:
    fields = {name: value * factor for name in MONEY if (value := getattr(market, name)) is not None}
    return msgspec.structs.replace(market, **fields)


def words(reason: str) -> str:
    """A sentence without its amounts of money."""
    return re.sub(r"(?<![.\w])[+-]?\d+(,\d{3})*(\.\d+)?(?![\w%])", "#", reason)


def test_an_unhappy_market_says_what_became_worth_more_and_who_gets_the_rest() -> None:
    """Direction, cause, both parts in money."""
    said = allocate(SHIPPED, U | {"BR": 0.46}, R, FIRST.markets).markets
    assert said["BR"].reason == (
        "BR -24.0 to 93.3: users unhappier (u .66 to .46), so quality is worth more (65.4 to 93.3) and promotion "
        "less (51.9 to 0.0); goes to ID (+3.7) and RU (+3.6) and others"
    )
    assert said["ID"].reason == (
        "ID +3.7 to 112.9: BR's users changed, and money does more here; taken from BR (-24.0 in all)"
    )


def test_a_pin_is_named_as_the_cause_and_never_with_a_probability() -> None:
    """What a person fixed is not `right with probability .00`."""
    precision = Precision({"BR": 900}, dict.fromkeys(U, 0.01), dict.fromkeys(U, 0.01))
    said = allocate(changed("BR", pinned=400.0), U, R, FIRST.markets, precision).markets
    assert said["BR"].reason.startswith("BR +282.7 to 400.0: pinned by hand; taken from ")
    assert "%" not in said["BR"].reason
    assert "makes room for what is fixed; goes to BR (+282.7 in all)" in said["CN"].reason


def test_a_market_nobody_heard_of_says_that_its_u_is_assumed() -> None:
    """In the first plan."""
    said = allocate(SHIPPED, {"BR": 0.7}, {}, None, Precision({"BR": 3310}, {}, {})).markets
    assert "no users heard yet, u .50 assumed" in said["JP"].reason
    assert "first plan, u .70 from 3,310 events" in said["BR"].reason


def test_another_budget_is_where_the_money_comes_from() -> None:
    """Not from other markets."""
    plan = msgspec.structs.replace(SHIPPED.plan, budget=2_500.0)
    said = allocate(Portfolio(plan, SHIPPED.markets), U, R, FIRST.markets).markets["BR"].reason
    assert "nothing new from its users, there is more money for all; all markets together get 500.0 more" in said


def test_a_market_that_left_is_where_the_money_comes_from() -> None:
    """Its code, though it is in the plan no more."""
    rest = Portfolio(SHIPPED.plan, {code: one for code, one in SHIPPED.markets.items() if code != "CN"})
    said = allocate(rest, U, R, FIRST.markets).markets["BR"].reason
    assert said.endswith("gets what became free elsewhere; taken from CN (-299.3 in all)")


@pytest.mark.parametrize("factor", [1e-6, 7_800.0, 1e9])
def test_saturated_is_said_only_of_what_has_all_that_there_is_to_buy(factor: float) -> None:
    """In every currency: a market that the change limit holds far below its ceiling is not, one above it is."""
    shared = dict.fromkeys(U, 0.5)
    table = times(changed("BR", spend_high=5.0), factor)
    poor = allocate(table, shared, {}).markets
    assert ("upper bound",) == poor["BR"].binding
    rich = allocate(times(changed("BR", pinned=1_900.0), factor), shared, {}).markets
    assert "saturated" in rich["BR"].binding
    assert "more money would buy nothing here" in rich["BR"].reason
    for answer in (poor, rich):
        assert all("saturated" not in one.binding for code, one in answer.items() if code != "BR")


def test_a_market_of_little_money_in_a_large_budget_is_not_saturated() -> None:
    """20 EUR in a market that could take millions, as the default change limit floor gives in single EUR."""
    table = times(SHIPPED, 1e6)
    table = Portfolio(msgspec.structs.replace(table.plan, change_limit_floor=20.0), table.markets)
    before = allocate(table, U, R).markets
    before["BR"] = msgspec.structs.replace(before["BR"], spend=0.0, promotion=0.0, quality=0.0)
    assert ("change limit up",) == allocate(table, U, R, before).markets["BR"].binding


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), factor=st.sampled_from([2.0**-12, 7_800.0, 2.0**30]))
def test_the_same_money_in_another_currency_gives_the_same_words(seed: int, factor: float) -> None:
    """Bounds, status and sentences."""
    first, second = (story(np.random.default_rng(seed), one) for one in (1.0, factor))
    assert (first.status, first.adopted) == (second.status, second.adopted)
    for code, market in first.markets.items():
        assert market.binding == second.markets[code].binding
        clauses = [words(one.markets[code].reason).split("; ") for one in (first, second)]
        short, full = sorted(clauses, key=len)
        rest = iter(full)  # longer amounts may leave no room for a clause, and change none
        assert all(clause in rest for clause in short)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), factor=st.sampled_from([1e-9, 1.0, 1e12]))
def test_sentences_are_short_whole_and_of_the_answer_alone(seed: int, factor: float) -> None:
    """At most 400 characters, no old words, deterministic, every limit in plain words."""
    answer = story(np.random.default_rng(seed), factor)
    for code, market in answer.markets.items():
        assert len(market.reason) <= LONGEST
        assert market.reason.startswith(f"{code} ")
        for old in ("probability", "held by", "marginal return", "r is known", "nan", "inf", "  ", ": ;", "()"):
            assert old not in market.reason
    again = story(np.random.default_rng(seed), factor)
    assert [one.reason for one in answer.markets.values()] == [one.reason for one in again.markets.values()]


def story(rng: np.random.Generator, factor: float) -> Allocation:
    """An answer after something happened: metrics, a pin, a bound, a market that nobody hears; money times factor."""
    fields: dict[str, dict[str, Any]] = {"BR": {"pinned": 90.0}, "DE": {"spend_low": 250.0}, "JP": {"spend_high": 50.0}}
    table = SHIPPED
    for code in fields:
        if rng.random() < 0.5:
            market = msgspec.structs.replace(table.markets[code], **fields[code])
            table = Portfolio(table.plan, table.markets | {code: market})
    precision = Precision(dict.fromkeys(U, 900), dict.fromkeys(U, 0.02), dict.fromkeys(U, 0.01))
    u = {code: float(rng.uniform(0.2, 0.9)) if rng.random() < 0.4 else value for code, value in U.items()}
    r = {code: float(rng.uniform(-0.2, 0.2)) if rng.random() < 0.4 else None for code in U}
    before = allocate(times(SHIPPED, factor), U, R).markets
    unheard = ("US",) if rng.random() < 0.3 else ()
    return allocate(times(table, factor), u, r, before, precision if rng.random() < 0.5 else None, unheard=unheard)


def test_every_limit_of_the_contract_has_plain_words() -> None:
    """No name of `binding` is shown as it is, regional caps aside."""
    for name, meaning in LIMITS.items():
        market = msgspec.structs.replace(FIRST.markets["BR"], binding=(name,))
        assert meaning in reasons({"BR": market}, FIRST.markets, SHIPPED.plan, ("BR",))["BR"]
