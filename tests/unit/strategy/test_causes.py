"""Kinds of change on the way from one market table to another."""

from collections.abc import Callable
from typing import Any, cast

from msgspec.structs import replace

from marketpulse.contract.portfolio import Portfolio
from strategy.own_users import UsersMoves
from strategy.portfolio import load_portfolio
from strategy.reasons.causes import parts_of

BEFORE = load_portfolio()


def changed(budget: float = 2_000.0, caps: dict[str, float] | None = None, **markets: dict[str, Any]) -> Portfolio:
    """The shipped table, with some of it otherwise."""
    plan = replace(BEFORE.plan, budget=budget, regions=caps or {})
    own = {code: replace(BEFORE.markets[code], **fields) for code, fields in markets.items()}
    return Portfolio(plan, BEFORE.markets | own)


def kinds(now: Portfolio, feasible: Callable[[Portfolio], bool], before: Portfolio = BEFORE) -> list[tuple[str, ...]]:
    """The kinds of each part, the last one too, where only some tables between are feasible."""

    def solve(table: Portfolio) -> tuple[dict[str, Any], UsersMoves] | None:
        return ({}, cast(UsersMoves, None)) if feasible(table) else None

    found, last = parts_of(before, now, solve)
    return [*(part.kinds for part in found), last]


def test_kinds_come_one_after_another() -> None:
    """Users first, then costs, the budget, bounds, caps."""
    now = changed(1_800.0, {"EU": 300.0}, BR={"c": 90.0}, US={"pinned": 100.0})
    expected = [("users",), ("table of BR",), ("budget",), ("bounds of US",), ("caps",)]
    assert expected == kinds(now, lambda _: True)
    assert [("users",)] == kinds(BEFORE, lambda _: True)


def test_rules_that_come_late_keep_what_came_before_them() -> None:
    """Smaller change limits that hold only under the new cap: the table in the end is that of now."""
    now = changed(1_800.0, {"EU": 300.0})
    now = Portfolio(replace(now.plan, change_limit_share=0.1), now.markets)
    tables: list[Portfolio] = []

    def feasible(table: Portfolio) -> bool:
        tables.append(table)
        return table.plan.change_limit_share != 0.1 or bool(table.plan.regions)

    assert [("users",), ("budget",), ("caps",), ("rules",)] == kinds(now, feasible)
    assert now == tables[-1]


def test_what_is_not_feasible_yet_waits() -> None:
    """Until others have come; also what comes last is a part of its own then."""
    now = changed(1_800.0, None, US={"pinned": 100.0})
    assert [("users",), ("bounds of US",), ("budget",)] == kinds(
        now, lambda table: table.plan.budget == 2_000.0 or table.markets["US"].pinned == 100.0
    )


def test_what_is_feasible_only_together_is_one_part() -> None:
    """And metrics of now that are feasible under no table before belong to the first that is."""
    now = changed(1_800.0, {"EU": 300.0}, BR={"c": 90.0})

    def both(table: Portfolio) -> bool:
        return (table.plan.budget == 1_800.0) == bool(table.plan.regions)

    assert [("users",), ("table of BR",), ("budget", "caps")] == kinds(now, both)
    assert [("users", "table of BR"), ("budget",), ("caps",)] == kinds(now, lambda table: table.markets["BR"].c == 90.0)
    assert [("users", "table of BR", "budget", "caps")] == kinds(now, lambda table: table == now and False)
