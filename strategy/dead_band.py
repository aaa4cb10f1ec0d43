"""A plan that would move next to nothing is not adopted."""

from collections.abc import Mapping

import msgspec

from marketpulse.contract.allocation import Allocation, MarketPlan
from marketpulse.contract.portfolio import Portfolio
from strategy.bounds import keeps_limits


def within_dead_band(
    allocation: Allocation, portfolio: Portfolio, previous: Mapping[str, MarketPlan] | None
) -> Allocation:
    """Reject a plan that would move less than the dead-band's share of the budget (see ADR 3).

    Not where the one before breaks a limit that holds by now: a limit is no matter of degree.
    """
    if previous is None or not allocation.adopted:
        return allocation
    moved = money_moved(allocation.markets, previous)
    band = portfolio.plan.dead_band * portfolio.plan.budget
    if moved >= band or not keeps_limits(portfolio, previous):
        return allocation
    why = f"within the dead-band: {moved:.1f} would move, {band:.1f} is the least worth moving; the previous plan stays"
    return msgspec.structs.replace(allocation, status="within_dead_band", adopted=False, why=why)


def money_moved(now: Mapping[str, MarketPlan], before: Mapping[str, MarketPlan]) -> float:
    """Half the sum of absolute changes, promotion and quality counted apart, over all markets."""
    codes = sorted(set(now) | set(before))
    total = 0.0
    for code in codes:
        new, old = now.get(code), before.get(code)
        total += abs((new.promotion if new else 0.0) - (old.promotion if old else 0.0))
        total += abs((new.quality if new else 0.0) - (old.quality if old else 0.0))
    return total / 2
