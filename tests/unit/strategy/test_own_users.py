"""What a market's own users moved, and what those of others did: apart, with the right money."""

import re
from typing import Any

import pytest
from msgspec.structs import replace

from marketpulse.contract.allocation import Allocation
from marketpulse.contract.portfolio import Portfolio
from strategy.allocate import allocate
from strategy.portfolio import portfolio_of
from strategy.reasons.changes import basis_of
from strategy.uncertainty import Precision

DEFAULTS = {"culture": 0.95, "w": 1, "c": 55.0, "d": 40.0, "l": 15.0, "f": 25.0, "o": 20.0}
U = {"GB": 0.81, "GR": 0.67, "IT": 0.74, "SE": 0.79}
R = dict.fromkeys(U, 0.02)


def table(budget: float = 700.0, **c: float) -> Portfolio:
    """Four markets in EUR, two of them under one cap."""
    markets = {
        "GB": {"population": 67_081_000, "income": 46_000.0},
        "GR": {"population": 10_700_000, "income": 29_000.0, "region": "MED"},
        "IT": {"population": 59_550_000, "income": 42_000.0, "region": "MED"},
        "SE": {"population": 10_350_000, "income": 54_000.0},
    }
    named = {code: one | ({"c": c[code]} if code in c else {}) for code, one in markets.items()}
    plan = {"budget": budget, "currency": "EUR"}
    return portfolio_of({"plan": plan, "defaults": DEFAULTS, "regions": {"MED": {"cap": 300.0}}, "markets": named})


FIRST = allocate(table(), U, R)
UNSURE = Precision(dict.fromkeys(U, 40), dict.fromkeys(U, 0.1), dict.fromkeys(U, 0.1))
SURE = Precision(dict.fromkeys(U, 900), dict.fromkeys(U, 0.01), dict.fromkeys(U, 0.01))


def after(portfolio: Portfolio | None = None, precision: Precision | None = None, **u: float) -> Allocation:
    """The next answer, with these users new."""
    return allocate(portfolio or table(), U | u, R, FIRST.markets, precision, basis=basis_of(table()))


def test_a_market_that_the_users_of_another_moved_names_them_and_its_own_part() -> None:
    """Sweden's users are a little happier, which moved little; those of Britain are why its money goes."""
    answer = after(GB=0.63, SE=0.81)
    sweden = answer.markets["SE"]
    found = re.search(
        r": GB's users changed, and money does more there \((-[\d.]+)\); "
        r"users happier \(u \.79 to \.81\), so quality is worth less and promotion more \((-[\d.]+)\); goes to GB",
        sweden.reason,
    )
    assert found, sweden.reason
    others, own = map(float, found.groups())
    assert own == pytest.approx(after(SE=0.81).markets["SE"].change, abs=0.01)
    assert others + own == pytest.approx(sweden.change, abs=0.02)
    assert "users unhappier (u .81 to .63), so quality is worth more" in answer.markets["GB"].reason


def test_own_users_are_told_apart_under_the_table_of_before() -> None:
    """A dearer market and angry users in one answer: both parts, each with its money, and no amounts of half-ways."""
    britain = after(table(GB=90.0), GB=0.63).markets["GB"]
    found = re.search(
        r"users unhappier \(u \.81 to \.63\), so quality is worth more and promotion less \(([+-][\d.]+)\)",
        britain.reason,
    )
    assert found, britain.reason
    assert float(found.group(1)) == pytest.approx(after(GB=0.63).markets["GB"].change, abs=0.01)
    assert "its table changed (c 55 to 90), so the same costs more (" in britain.reason


def test_a_market_too_uncertain_to_move_names_the_cap_that_held_it_too() -> None:
    """More certainty alone would not give it money."""
    before = FIRST.markets
    assert "cap of MED" in before["IT"].binding
    answer = after(precision=UNSURE, IT=0.73)
    held = [code for code in ("GR", "IT") if "too uncertain to move" in answer.markets[code].binding]
    assert held
    for code in held:
        assert "cap of MED" in answer.markets[code].binding
        assert re.search(
            r"too uncertain to move \(\d+ % sure that a move pays\).*, at the cap of MED", answer.markets[code].reason
        )


def test_a_move_that_was_held_back_before_is_not_blamed_on_the_users_of_others() -> None:
    """It comes with nothing new from anybody; and a region that keeps its money exchanges it within."""
    held = after(precision=UNSURE, IT=0.73, GB=0.6)
    assert held.adopted
    assert ("GR",) == (held.uncertainty and held.uncertainty.held)
    answer = allocate(table(), U | {"IT": 0.73, "GB": 0.66}, R, held.markets, SURE, basis=basis_of(table()))
    released = "was held back before as too uncertain"
    assert f"GR -0.42 to 91.11: {released}; goes to IT (+0.42); at the cap of MED" == answer.markets["GR"].reason
    assert f"IT +0.42 to 208.89: GR {released}; taken from GR (-0.42); at the cap of MED" == answer.markets["IT"].reason
    assert "SE +0.45 to 149.87: GB's users changed, and money does more here" in answer.markets["SE"].reason
    assert "goes to SE (+0.45);" in answer.markets["GB"].reason


def test_users_have_their_part_where_only_the_table_makes_a_move_sure_enough() -> None:
    """Nobody is held in the answer, so nobody is on the way to it: what users moved is not the table's."""
    unsure = Precision(dict.fromkeys(U, 60), dict.fromkeys(U, 0.15), dict.fromkeys(U, 0.15))
    alone = after(precision=unsure, GB=0.83)
    assert {"GB", "SE"} <= {*(alone.uncertainty.held if alone.uncertainty else ())}
    answer = after(table(GB=95.0), unsure, GB=0.83)
    assert answer.uncertainty is not None
    assert () == answer.uncertainty.held
    assert "users happier (u .81 to .83" in answer.markets["GB"].reason
    assert "GB's users changed" in answer.markets["SE"].reason


def test_what_a_change_limit_kept_back_says_so_when_it_moves() -> None:
    """The next day, with nothing new."""
    low = allocate(table(), U | {"GB": 0.05}, R)
    limited = allocate(table(), U, R, low.markets, basis=basis_of(table()))
    assert ("change limit up",) == limited.markets["GB"].binding
    assert "may not rise further within 24 h (change limit)" in limited.markets["GB"].reason
    later = allocate(table(), U, R, limited.markets, basis=basis_of(table()))
    assert ": change limits allow it by now; " in later.markets["GB"].reason
    assert ": change limits of GB allow more by now; " in later.markets["SE"].reason


def test_who_pays_for_a_pin_elsewhere_is_not_sure_to_gain() -> None:
    """A pin is no exchange that pays."""
    answer = allocate(portfolio_with(table(), SE={"pinned": 170.0}), U, R, FIRST.markets, SURE, basis=basis_of(table()))
    britain = answer.markets["GB"]
    assert "GB -13.86 to 230.00: the table of SE (pinned none to 170) changed; goes to SE (+13.86)" == britain.reason
    assert britain.likely is None


def test_bounds_of_two_markets_are_two_causes() -> None:
    """One after the other, each with its part; markets that only one of them moved name that one."""
    before = portfolio_with(table(), SE={"pinned": 120.0})
    first = allocate(before, U, R)
    now = portfolio_with(table(), GB={"pinned": 250.0})
    britain, sweden = (
        allocate(now, U, R, first.markets, basis=basis_of(before)).markets[code].reason for code in ("GB", "SE")
    )
    assert "GB -30.00 to 250.00: pinned by hand; its table changed (pinned none to 250)" in britain
    assert "SE +30.00 to 150.00: its table changed (pinned 120 to none); taken from GB (-30.00)" == sweden


def test_a_region_that_gained_gives_nothing_to_markets_outside() -> None:
    """Nor does one that lost take anything from them: what moves within is named within."""
    before = portfolio_with(table(), IT={"pinned": 100.0})
    first = allocate(before, U, R)
    answer = allocate(portfolio_with(table(), GR={"spend_high": 70.0}), U, R, first.markets, basis=basis_of(before))
    assert answer.markets["GR"].change < -1
    assert answer.markets["IT"].change > 1
    assert "goes to IT" in answer.markets["GR"].reason
    for code in ("GB", "SE"):
        assert "GR" not in answer.markets[code].reason.partition("goes to")[2]


def portfolio_with(portfolio: Portfolio, **markets: dict[str, Any]) -> Portfolio:
    """The table with some markets otherwise."""
    changed = {code: replace(portfolio.markets[code], **fields) for code, fields in markets.items()}
    return Portfolio(portfolio.plan, portfolio.markets | changed)


def test_what_weighs_more_is_named_first() -> None:
    """In money: u and growth are a cause each."""
    answer = allocate(table(), U | {"GB": 0.79}, R | {"GB": -0.12}, FIRST.markets, basis=basis_of(table()))
    assert (
        "GB -7.36 to 236.50: growth slower (.02 to -.12 a day), so promotion is worth less (-8.79); users unhappier "
        "(u .81 to .79), so quality is worth more and promotion less (+1.43); goes to SE (+7.36)"
    ) == answer.markets["GB"].reason
    for moved, part in ((U | {"GB": 0.79}, R), (U, R | {"GB": -0.12})):
        one = allocate(table(), moved, part, FIRST.markets, basis=basis_of(table())).markets["GB"]
        assert pytest.approx(1.43 if part == R else -8.79, abs=0.05) == one.change


def test_a_change_that_two_decimals_do_not_show_is_shown_with_more() -> None:
    """It moves money like any other: its market has something new, and others say whose users it were."""
    answer = allocate(table(), U | {"GB": 0.814}, R, FIRST.markets, basis=basis_of(table()))
    assert "GB -0.32 to 243.54: users happier (u .810 to .814), so" in answer.markets["GB"].reason
    assert "SE +0.32 to 156.46: GB's users changed, and money does more here" in answer.markets["SE"].reason
    both = allocate(table(), U | {"GB": 0.814}, R | {"GB": 0.023}, FIRST.markets, basis=basis_of(table()))
    assert "growth faster (.020 to .023 a day), so promotion is worth more (+" in both.markets["GB"].reason
    assert "users happier (u .810 to .814), so quality is worth less and promotion more (-" in both.markets["GB"].reason


def test_no_market_is_sure_to_pay_that_nobody_was_heard_of() -> None:
    """Its assumed u has no error, which is no certainty."""
    heard = {code: value for code, value in U.items() if code != "SE"}
    answer = allocate(
        table(), heard | {"GB": 0.4}, R, FIRST.markets, Precision({}, dict.fromkeys(heard, 0.01), {}), basis=None
    )
    assert abs(answer.markets["SE"].change) > 1
    assert "sure to pay" not in answer.markets["SE"].reason


def test_two_tables_that_change_at_once_are_a_cause_each() -> None:
    """A cost that rose a little takes a little; what another market gave up is not blamed on it."""
    smaller = table(GB=56.0)
    markets = smaller.markets | {"SE": replace(smaller.markets["SE"], population=5_000_000)}
    both = after(replace(smaller, markets=markets)).markets["GB"]
    found = re.search(
        r"the table of SE changed \((\+[\d.]+)\); its table changed \(c 55 to 56\)[^;]* \(([-+][\d.]+)\)", both.reason
    )
    assert found, both.reason
    others, own = map(float, found.groups())
    assert own == pytest.approx(after(table(GB=56.0)).markets["GB"].change, abs=0.02)
    assert others + own == pytest.approx(both.change, abs=0.02)


def test_five_tables_that_change_at_once_name_the_others() -> None:
    """They are one cause, of the market's own and those of others."""
    wide = table(**dict.fromkeys(U, 58.0))
    extra = replace(wide, markets=wide.markets | {"DE": replace(wide.markets["SE"], c=61.0)})
    before = replace(table(), markets=table().markets | {"DE": table().markets["SE"]})
    first = allocate(before, U | {"DE": 0.7}, R | {"DE": 0.02})
    answer = allocate(extra, U | {"DE": 0.7}, R | {"DE": 0.02}, first.markets, basis=basis_of(before))
    moved = [one.reason for one in answer.markets.values() if abs(one.change) > 0.5]
    assert moved
    assert all(
        re.search(r"its table changed \(c 55 to (58|61)\) and those of \w\w, \w\w and 2 others", one) for one in moved
    )
