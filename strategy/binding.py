"""What holds a market's spend, by name, and whether anything does."""

from collections.abc import Mapping

from marketpulse.contract.allocation import MarketPlan
from strategy.bounds import Bounds
from strategy.limits import HELD, SATURATED, SMALL

FORCED = {"pinned", "already spent", "not legally ready", "lower bound", "minimum viable spend"}
"""Names under which a market has money that others then lack, whatever its users say."""
NEAR = 1e-9  # relative: as close to a limit is at it


def chosen(plan: MarketPlan, cut: bool) -> bool:
    """Whether a spend is a free exchange: no limit sets it, and if it falls, nobody had to give (`cut`)."""
    scarce = plan.marginal_return > 0  # else it has all there is to buy, and what it gives gains nothing elsewhere
    free = HELD in plan.binding or set(plan.binding) <= {SATURATED}
    return scarce and free and not (cut and plan.change < 0)


def leaves_less(plans: Mapping[str, MarketPlan], previous: Mapping[str, MarketPlan], budget: float) -> bool:
    """Whether budget and what is fixed leave less for the others than they had: then some of them must give."""
    fixed = {code for code, one in plans.items() if set(one.binding) & FORCED}
    room = budget - sum(plans[code].spend for code in sorted(fixed))
    had = sum(one.spend for code, one in previous.items() if code in plans and code not in fixed)
    return had > room + SMALL * budget


def names_of(bounds: Bounds, spend: float, most: float, held: bool) -> tuple[str, ...]:
    """Names of what holds a spend, in any currency's scale; `most` buys all there is to buy in this market."""
    if held:
        return (HELD,)
    found = []
    if spend <= bounds.low * (1 + NEAR) and bounds.low > 0:
        found.append(bounds.low_name)
    if spend >= bounds.high * (1 - NEAR) and (bounds.high_name != bounds.low_name or not found):
        found.append(bounds.high_name)
    if spend > most * (1 + NEAR):
        found.append(SATURATED)
    return tuple(found)
