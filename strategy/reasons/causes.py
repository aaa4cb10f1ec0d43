"""Which kind of change moved each market's money, and by how much: the plan solved again with one kind after another.

A cost that rose while the budget fell is no cause of the cut that it softened: each has its part, with its sign.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from msgspec.structs import replace

from marketpulse.contract.allocation import MarketPlan
from marketpulse.contract.portfolio import Market, Plan, Portfolio
from strategy.own_users import UsersMoves
from strategy.reasons.changes import BOUNDS, Changes, bounds_changed, fell_or_rose, from_to, own_changes

USERS, RATES, TABLES, BUDGET = "users", "rates", "tables", "budget"
TABLE_OF, BOUNDS_OF = "table of ", "bounds of "
MOST_APART = 4  # markets whose costs or bounds changed, each of which is one cause; more are one together
MOST_OF_A_CUT = 0.5  # a market that gives so much of a smaller budget says why
SAME_RETURN = 0.1  # relative: returns as close as this say nothing of who gives
NAMED = 2  # markets, caps or fields of one cause
APART = ("budget", "regions", "currencies")
"""Fields of the plan that are kinds of change of their own."""

Plans = Mapping[str, MarketPlan]
Solve = Callable[[Portfolio], tuple[Plans, UsersMoves] | None]
"""The best plans under a table with the metrics of now; None = it is infeasible."""
Change = Callable[[Portfolio], Portfolio]
"""A table with one kind of change more."""


@dataclass(frozen=True)
class Part:
    """Kinds of change (several where they are feasible only together), and the plans with these and all before.

    users: of a part that holds them, what those of each market alone did.
    """

    kinds: tuple[str, ...]
    plans: Plans
    users: UsersMoves


def parts_of(before: Portfolio, now: Portfolio, solve: Solve) -> tuple[list[Part], tuple[str, ...]]:
    """What changed, kind after kind: users, rules, rates, tables of markets, which markets, budget, bounds, caps.

    A kind that is not feasible yet waits until others have come that make it so; what is feasible only together, at the
    end, is one cause.

    Args:
        before: the table of the plan before.
        now: the table of now.
        solve: plans under a table between.

    Returns:
        The parts without the last one, whose plans are those of now, and the kinds of that.
    """
    found: list[Part] = []
    waiting: list[tuple[str, Change]] = []
    table = before
    users = solve(before)
    kinds: tuple[str, ...] = (USERS,)  # the metrics are those of now under every table: they wait for nothing
    if users is not None:
        found.append(Part(kinds, *users))
        kinds = ()
    for change in _changes(before, now):
        waiting.append(change)
        for kind, applied in [waiting[-1], *waiting[:-1]]:
            changed = applied(table)
            solved = None if changed == table else solve(changed)
            if changed == table:
                waiting.remove((kind, applied))
            elif solved is not None:
                found.append(Part((*kinds, kind), *solved))
                waiting.remove((kind, applied))
                table, kinds = changed, ()
    if waiting or kinds or not found:
        return found, (*kinds, *(kind for kind, _ in waiting))
    return found[:-1], found[-1].kinds


def _changes(before: Portfolio, now: Portfolio) -> Iterator[tuple[str, "Change"]]:
    """Each kind of change, in this order; some change nothing."""
    both = [code for code in now.markets if code in before.markets]
    # Bounds come late, as caps do: a bound is a cause where it holds with all else as it is now.
    sized = [code for code in both if _bounded(now, before, code) != before.markets[code]]
    bound = [code for code in both if _bounded(now, before, code) != now.markets[code]]
    yield (
        "rules",
        lambda table: _planned(table, replace(now.plan, **{name: getattr(table.plan, name) for name in APART})),
    )
    yield RATES, lambda table: _planned(table, _with_currencies(table.plan, now.plan))
    for kind, codes in _apart(TABLE_OF, TABLES, sized):
        yield kind, partial(_with_markets, now, codes, False)
    yield (
        "members",
        lambda table: Portfolio(
            replace(table.plan, currencies=now.plan.currencies),
            {code: table.markets.get(code, one) for code, one in now.markets.items()},
        ),
    )
    yield BUDGET, lambda table: _planned(table, replace(table.plan, budget=now.plan.budget))
    for kind, codes in _apart(BOUNDS_OF, BOUNDS_OF, bound):
        yield kind, partial(_with_markets, now, codes, True)
    yield "caps", lambda table: _planned(table, replace(table.plan, regions=now.plan.regions))


def _apart(each: str, together: str, codes: list[str]) -> list[tuple[str, list[str]]]:
    """Each market as a kind, or all as one where they are many."""
    return [(f"{each}{code}", [code]) for code in codes] if len(codes) <= MOST_APART else [(together, codes)]


def _planned(table: Portfolio, plan: Plan) -> Portfolio:
    return Portfolio(plan, table.markets)


def _with_currencies(plan: Plan, now: Plan) -> Plan:
    """With the rates of now, and those that are no more."""
    return replace(plan, currencies={**plan.currencies, **now.currencies})


def _bounded(portfolio: Portfolio, bounds: Portfolio, code: str) -> Market:
    """A market of one table with its bounds of another."""
    return replace(portfolio.markets[code], **{name: getattr(bounds.markets[code], name) for name in BOUNDS})


def _with_markets(now: Portfolio, codes: list[str], bounds: bool, table: Portfolio) -> Portfolio:
    """A table with some markets' bounds of now, or with all else of theirs."""
    there = [code for code in codes if code in table.markets]
    changed = {code: _bounded(table, now, code) if bounds else _bounded(now, table, code) for code in there}
    return Portfolio(table.plan, table.markets | changed)


def words_of(kind: str, table: Changes, code: str, rose: bool) -> str:
    """What changed of one kind, as a clause for a market whose spend this made rise or fall; empty for its users."""
    match kind:
        case "rules":
            rules = {name: pair for name, pair in table.plan.items() if name != "budget"}
            return f"the plan changed ({_few([f'{name} {from_to(*pair)}' for name, pair in rules.items()])})"
        case _ if kind == RATES:
            currency = table.currencies.get(code)
            changed = [currency] if currency is not None and currency in table.rates else [*table.rates]
            return _few([f"the rate of {name} changed ({from_to(*table.rates[name])})" for name in changed])
        case _ if kind == f"{TABLE_OF}{code}":
            dearer = rose and any(now > was for was, now in _costs(table, code))
            return f"{own_changes(table, code, BOUNDS, rates=False)}{', so the same costs more' if dearer else ''}"
        case _ if kind.startswith(TABLE_OF):
            return f"the table of {kind.removeprefix(TABLE_OF)} changed"
        case _ if kind == TABLES:
            others = [name for name, fields in table.markets.items() if set(fields) - {*BOUNDS} and name != code]
            own = own_changes(table, code, BOUNDS, rates=False)
            return f"{own} and those of {_few(others)}" if own else f"the tables of {_few(others)} changed"
        case _ if kind.startswith(BOUNDS_OF):
            bounds = bounds_changed(table)
            if only := kind.removeprefix(BOUNDS_OF):
                bounds = {only: bounds[only]}
            named = {
                name: _few([f"{field} {from_to(*pair)}" for field, pair in fields.items()])
                for name, fields in bounds.items()
            }
            if code in named:
                return f"its table changed ({named[code]})"
            return f"the table of {_few([f'{name} ({fields})' for name, fields in named.items()])} changed"
        case "members":
            left, came = (_named(table.dropped, "no longer"), _named(table.added, "new"))
            return (left or came) if rose else (came or left)
        case "caps":
            own = table.regions.get(code, "")
            names = [own] if own in table.caps else [*table.caps]
            return _few([fell_or_rose(f"the cap of {name}", table.caps[name]) for name in names])
        case _ if kind == BUDGET:
            return fell_or_rose("the budget", table.plan["budget"])
    return ""


def _costs(table: Changes, code: str) -> list[tuple[float, float]]:
    return [pair for name, pair in table.markets.get(code, {}).items() if name in ("c", "d", "l", "f", "g")]


def why_this_gives(before: Plans, parts: list[Part], code: str) -> str:
    """Why most of a smaller budget is taken here: the marginal returns right before the cut."""
    at = next(number for number, part in enumerate(parts) if part.kinds == (BUDGET,))
    cut, left = (parts[at - 1].plans if at else before), parts[at].plans
    given = {other: one.spend - (left[other].spend if other in left else 0.0) for other, one in cut.items()}
    old = cut.get(code)
    if old is None or given[code] < MOST_OF_A_CUT * sum(given.values()):
        return ""
    others = [(one.marginal_return, other) for other, one in cut.items()
              if other != code and one.spend > 0 and "pinned" not in one.binding]  # fmt: skip
    if not others:
        return "no other market can give"
    least, other = min(others)
    if old.marginal_return < least * (1 - SAME_RETURN):
        return f"its last money gained least ({old.marginal_return:.3g} per unit, {other} {least:.3g})"
    return ""


def _named(codes: tuple[str, ...], how: str) -> str:
    return f"{_few([*codes])} {'are' if len(codes) > 1 else 'is'} {how} in the table" if codes else ""


def _few(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} others" if len(names) > NAMED else "")
