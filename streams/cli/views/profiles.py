"""Tables of who may get money, what is in force, and how much of each region's cap is used."""

from collections.abc import Mapping
from typing import TypedDict

from rich.table import Table

from marketpulse.contract.portfolio import Market, Plan, Portfolio
from streams.cli.output import cell
from streams.pipeline.operators.spenders import Row


class Region(TypedDict):
    """A region's cap, and its markets' spend in force (None = not known), in the plan's currency."""

    cap: float
    used: float | None
    markets: list[str]


def budget_words(plan: Plan) -> str:
    """For example `budget 800 (EUR thousand) per 30 days`."""
    return f"budget {plan.budget:,g} ({plan.currency}) {period_words(plan)}"


def period_words(plan: Plan) -> str:
    """For example `per 30 days`."""
    return "per day" if plan.period_days == 1 else f"per {plan.period_days:,g} days"


def spenders(rows: Mapping[str, Row], plan: Plan) -> Table:
    """Who may get money."""
    table = Table("market", "from", "status", "spend", "currency", caption=cell(budget_words(plan)))
    for code, row in rows.items():
        table.add_row(*map(cell, (code, row.origin, row.status, row.spend, row.currency)))
    return table


def markets_in_force(now: Portfolio, origins: Mapping[str, str], spend: Mapping[str, float]) -> Table:
    """Every market in force; `spend`: what the allocation in force gives it, in the plan's currency."""
    table = Table(
        "market", "origin", "status", "spend in force", "low", "high", "p0", "p max", "costs c d l f o", "limits"
    )
    for code, one in now.markets.items():
        bounds = ("-" if value is None else f"{value:,.0f}" for value in (one.spend_low, one.spend_high))
        costs = " ".join(f"{value:,.0f}" for value in (one.c, one.d, one.l, one.f, one.o))
        given = f"{spend[code]:,.1f}".removesuffix(".0") if code in spend else "-"
        row = (code, origins[code], one.status, given, *bounds, f"{one.p0:.2f}", f"{one.p_max:.2f}", costs)
        table.add_row(*map(cell, row), cell(_limits(one, now.plan)))
    return table


def regions_in_force(used: Mapping[str, Region], plan: Plan) -> Table:
    """Every region's cap and how much of it is used."""
    table = Table("region", "cap", "used", "markets", caption=cell(f"({plan.currency}) {period_words(plan)}"))
    for name, one in used.items():
        use = "-" if one["used"] is None else f"{one['used']:,.1f}".removesuffix(".0")
        table.add_row(cell(name), f"{one['cap']:,g}", use, cell(", ".join(one["markets"])))
    return table


def regions_of(now: Portfolio, spend: Mapping[str, float]) -> dict[str, Region]:
    """Region -> cap, spend in force (None = not known) and markets."""
    found: dict[str, Region] = {}
    for name, cap in sorted(now.plan.regions.items()):
        markets = [code for code, one in now.markets.items() if one.region == name]
        used = sum(spend.get(code, 0.0) for code in markets) if spend else None
        found[name] = {"cap": cap, "used": used, "markets": markets}
    return found


def _limits(market: Market, plan: Plan) -> str:
    """The rarer limits of a market in words."""
    named = [
        ("pinned", market.pinned), ("at least", market.spend_minimum or None), ("spent", market.spent or None),
        ("spends in fact", market.spend),
    ]  # fmt: skip
    words = [f"{name} {value:,.0f}" for name, value in named if value is not None]
    words += [] if market.legal_ready else ["not legally ready"]
    currency = None if market.currency == plan.currency else market.currency
    words += [f"in {one}" for one in (market.region, currency) if one]
    return ", ".join(words)
