"""What holds a market's spend, by name, and whether anything does."""

from marketpulse.contract.allocation import MarketPlan
from strategy.bounds import Bounds
from strategy.limits import HELD, SATURATED

NEAR = 1e-9  # relative: as close to a limit is at it


def chosen(plan: MarketPlan, cut: bool) -> bool:
    """Whether a spend is a free exchange: no limit and no budget below the spend of before (`cut`) sets it."""
    scarce = plan.marginal_return > 0  # else it has all there is to buy, and what it gives gains nothing elsewhere
    free = HELD in plan.binding or set(plan.binding) <= {SATURATED}
    return scarce and free and not (cut and plan.change < 0)


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
