"""Which changes of the plan's table moved one market: budget, caps, weights, markets that came or went."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from marketpulse.contract.allocation import MarketPlan
from strategy.changes import CHANGE_LIMITS, SCALES, Changes, Pair, fell_or_rose, from_to

MOST_OF_A_CUT = 0.5  # a market that gives so much of a smaller budget says why
SAME_RETURN = 0.01  # relative: returns as close as this are equal


@dataclass(frozen=True)
class Moves:
    """Both plans and how the money moved; what is smaller than `small` is no move. Money in the plan's currency."""

    plans: Mapping[str, MarketPlan]
    before: Mapping[str, MarketPlan]
    changes: Mapping[str, float]
    small: float
    unspent: float

    def went(self, code: str, up: bool) -> bool:
        """Whether a market's spend moved that way."""
        change = self.changes.get(code, 0.0)
        return change > self.small if up else change < -self.small

    def limited(self, code: str) -> bool:
        """Whether a change limit holds a market, now or before."""
        names = [name for plans in (self.plans, self.before) if code in plans for name in plans[code].binding]
        return "change limit up" in names or "change limit down" in names


def shared_causes(moves: Moves, table: Changes, code: str) -> list[str]:
    """What changed for all and moved this market the way it went: facts, each as a clause."""
    return [*_caps(moves, table, code), *_budget(moves, table, code), *_coming_and_going(moves, table, code),
            *_rules(moves, table, code)]  # fmt: skip


def _caps(moves: Moves, table: Changes, code: str) -> list[str]:
    """Caps that moved it: its own region's the same way, another's the other way, by the money that this freed."""
    found = []
    for name, pair in table.caps.items():
        inside = [other for other in moves.changes if table.regions.get(other) == name]
        rose = _rose(pair)
        same_way = rose if code in inside else not rose
        mattered = _cap_mattered(moves, name, pair, inside) and any(moves.went(other, rose) for other in inside)
        if mattered and moves.went(code, same_way):
            found.append(fell_or_rose(f"the cap of {name}", pair))
    return found


def _cap_mattered(moves: Moves, name: str, pair: Pair, inside: list[str]) -> bool:
    """Whether a cap that rose held its region before or would not allow its plan; whether one that fell holds it."""
    limit, rose = f"cap of {name}", _rose(pair)
    plans = moves.before if rose else moves.plans
    held = any(limit in plans[code].binding for code in inside if code in plans)
    spent = sum(moves.plans[code].spend for code in inside if code in moves.plans)
    return held or (rose and spent > pair[0] + moves.small)


def _budget(moves: Moves, table: Changes, code: str) -> list[str]:
    pair = table.plan.get("budget")
    if pair is None:
        return []
    rose, total = _rose(pair), sum(moves.changes.values())
    spent = sum(plan.spend for plan in moves.before.values())
    full = spent >= pair[0] - moves.small if rose else spent > pair[1] + moves.small
    if not full or not moves.went(code, rose) or abs(total) <= moves.small or (total > 0) != rose:
        return []
    return [fell_or_rose("the budget", pair), *([] if rose else _why_this_gives(moves, code, total))]


def _why_this_gives(moves: Moves, code: str, total: float) -> list[str]:
    """Why most of a cut is taken here: the marginal returns before the cut, as the plan before has them."""
    old = moves.before.get(code)
    if old is None or moves.changes[code] > MOST_OF_A_CUT * total:
        return []
    others = [(one.marginal_return, other) for other, one in moves.before.items()
              if other != code and one.spend > moves.small and "pinned" not in one.binding]  # fmt: skip
    if not others:
        return ["no other market can give"]
    least, other = min(others)
    if old.marginal_return < least * (1 - SAME_RETURN):
        return [f"its last money gained least ({old.marginal_return:.3g} per unit, {other} {least:.3g})"]
    return []


def _coming_and_going(moves: Moves, table: Changes, code: str) -> list[str]:
    """Markets that left the table and gave it money, or came and took some."""
    left = [other for other in table.dropped if moves.went(other, False)] if moves.went(code, True) else []
    came = [other for other in table.added if moves.went(other, True)] if moves.went(code, False) else []
    found = [f"{_named(left)} no longer in the table"] if left else []
    return found + ([f"{_named(came)} new in the table"] if came else [])


def _named(codes: list[str]) -> str:
    names = ", ".join(codes[:2]) + (f" and {len(codes) - 2} others" if len(codes) > 2 else "")
    return f"{names} {'are' if len(codes) > 1 else 'is'}"


def _rules(moves: Moves, table: Changes, code: str) -> list[str]:
    """Weights, and change limits where they hold this market."""
    names = [name for name in (*SCALES, *(CHANGE_LIMITS if moves.limited(code) else ())) if name in table.plan]
    return (
        [f"the plan changed ({', '.join(f'{name} {from_to(*table.plan[name])}' for name in names)})"] if names else []
    )


def _rose(pair: tuple[Any, Any]) -> bool:
    """Whether a limit was raised or taken away."""
    before, now = pair
    return before is not None and (now is None or bool(now > before))
