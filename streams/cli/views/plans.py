"""Tables of plans: one, several side by side, along a number, and the answers so far."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Column, Table

from marketpulse.contract.allocation import Allocation, MarketPlan
from marketpulse.contract.records import AllocationRecord
from marketpulse.contract.words import clock
from streams.cli import output

if TYPE_CHECKING:
    from strategy.scenarios import Point

MOVES_SHOWN = 4  # of an answer in the history
CHANGES_SHOWN = 60  # characters of what changed in the table, in the history
UNSPENT = 1e-4  # of the budget: less is not worth a word


def _rows(allocation: Allocation) -> dict[str, MarketPlan]:
    """The plan's markets; none where there is no plan: what is infeasible carries the plan of before."""
    return {} if allocation.status == "infeasible" else allocation.markets


def print_reasons(console: Console, allocation: Allocation) -> None:
    """A sentence per market, also of those that have no part any more."""
    if allocation.status == "infeasible":
        return
    for reason in [*(market.reason for market in allocation.markets.values()), *allocation.lost.values()]:
        console.print(output.cell(reason), soft_wrap=True)


def one_plan(allocation: Allocation, unit: str, what: str) -> Table:
    """One plan; `what` begins its title."""
    title = f"{what}{allocation.why}"
    if allocation.status == "within_dead_band":
        title += ". Shown: the plan that is not adopted"
    columns = ("market", "spend", "promotion", "quality", "p", "q", "marginal return")
    table = Table(*columns, title=output.cell(title))
    for code, one in _rows(allocation).items():
        table.add_row(
            output.cell(code), *(f"{value:,.1f}" for value in (one.spend, one.promotion, one.quality)),
            *(f"{value:.3f}" for value in (one.p, one.q)), f"{one.marginal_return:.5f}",
        )  # fmt: skip
    unspent = allocation.budget - allocation.spent
    within = unspent > UNSPENT * allocation.budget and allocation.status in ("optimal", "near_optimal")
    caption = (
        f"{allocation.status}{' within the limits' if within else ''}; "
        f"{allocation.spent:,.1f} of {allocation.budget:,.1f} ({unit})"
        f"{f', {unspent:,.1f} unspent' if within else ''}; "
        f"marginal value of budget {value_words(allocation, 5)}"
    )
    if allocation.uncertainty is not None:
        known = allocation.uncertainty
        caption += f"; gain {known.expected:.1f} expected, {known.worst:.1f} in the worst 5 %"
    table.caption = output.cell(caption)
    return table


def value_words(allocation: Allocation, decimals: int) -> str:
    """The marginal value of budget; in words where all money is spent and whoever could take more is held back."""
    held = () if allocation.uncertainty is None else allocation.uncertainty.held
    unspent = allocation.budget - allocation.spent
    if held and allocation.marginal_value_of_budget == 0 and unspent <= UNSPENT * allocation.budget:
        return f"not known while {', '.join(held)} {'is' if len(held) == 1 else 'are'} too uncertain to move"
    return f"{allocation.marginal_value_of_budget:.{decimals}f}"


def side_by_side(scenarios: Mapping[str, Allocation], unit: str) -> Table:
    """Spend per market of several."""
    table = Table("spend", *(Column(output.cell(name)) for name in scenarios), title=output.cell(f"Scenarios ({unit})"))
    for code in sorted({code for one in scenarios.values() for code in one.markets}):
        spends = (one.markets.get(code) for one in scenarios.values())
        table.add_row(output.cell(code), *("-" if plan is None else f"{plan.spend:,.1f}" for plan in spends))
    table.add_section()
    table.add_row("budget", *(f"{one.budget:,.1f}" for one in scenarios.values()))
    table.add_row("gain", *(f"{one.gain:,.2f}" for one in scenarios.values()))
    table.add_row("marginal value", *(output.cell(value_words(one, 5)) for one in scenarios.values()))
    table.add_row("status", *(one.status for one in scenarios.values()))
    return table


def curve_table(name: str, points: Sequence["Point"]) -> Table:
    """How the plan moves along a number."""
    title = output.cell(f"The plan along {name}")
    table = Table(Column(output.cell(name)), "gain", "marginal value of budget", "most spend", "status", title=title)
    for point in points:
        most = sorted(point.spend.items(), key=lambda pair: -pair[1])[:3]
        table.add_row(
            f"{point.value:,.3f}", f"{point.gain:,.2f}", f"{point.marginal_value_of_budget:.5f}",
            output.cell(", ".join(f"{code} {spend:,.0f}" for code, spend in most)), point.status,
        )  # fmt: skip
    return table


def history_of(answers: Sequence[AllocationRecord]) -> Table:
    """A row per answer: since when, to what, whether it was adopted, and the largest moves."""
    table = Table("stream time", "answer", "status", "moves", title="Answers, oldest first")
    for one in answers:
        least = UNSPENT * one.allocation.budget  # as the sentences, which call less unchanged
        seen = [(market, money) for market, money in one.moves.items() if abs(money) > least]
        largest = sorted(seen, key=lambda move: -abs(move[1]))[:MOVES_SHOWN]
        moves = ", ".join(f"{market} {money:+,.1f}" for market, money in largest) or "none"
        answered = cause_words(one)
        if changed := one.why.partition("table changed: ")[2]:
            answered += f" ({changed if len(changed) <= CHANGES_SHOWN else changed[: CHANGES_SHOWN - 1] + '…'})"
        table.add_row(*map(output.cell, (clock(one.stream_time), answered, one.status, moves)))
    return table


def cause_words(record: AllocationRecord) -> str:
    """What an answer is to, in words."""
    match record.cause:
        case "initial":
            return "the first one"
        case "profile":
            return "after a change of the table"
    return f"after a shift of {record.market}"
