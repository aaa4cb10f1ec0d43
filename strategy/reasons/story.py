"""What all sentences of one answer share: both plans, the market table's changes, money in words, who exchanged it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from marketpulse.contract.allocation import MarketPlan
from marketpulse.contract.portfolio import Plan
from strategy.limits import SMALL
from strategy.reasons.causes import Part
from strategy.reasons.changes import Changes


@dataclass(frozen=True)
class Story:
    """What all sentences of one answer share."""

    plans: Mapping[str, MarketPlan]
    before: Mapping[str, MarketPlan] | None
    plan: Plan
    heard: Collection[str]
    changes: Mapping[str, float]
    table: Changes | None
    parts: list[Part]
    unspent: float
    capped: Mapping[str, str]

    def money(self, value: float, sign: str = "") -> str:
        """An amount in words, see `amount`."""
        return amount(self.plan, value, sign)

    def moved(self, value: float) -> bool:
        """Whether an amount is worth a word."""
        return abs(value) > SMALL * self.plan.budget


def story_of(
    plans: Mapping[str, MarketPlan],
    before: Mapping[str, MarketPlan] | None,
    plan: Plan,
    heard: Collection[str],
    table: Changes | None,
    parts: list[Part],
    unspent: float,
    capped: Mapping[str, str],
) -> Story:
    """With what the plans change of each market's spend, also of those that only the plans before have."""
    old = before or {}
    changes = {code: one.spend - (old[code].spend if code in old else 0.0) for code, one in plans.items()}
    changes |= {code: -one.spend for code, one in old.items() if code not in plans}
    return Story(plans, before, plan, heard, changes, table, parts, unspent, capped)


def amount(plan: Plan, value: float, sign: str = "") -> str:
    """Money with as many decimals as the budget's size needs: 117.3 of 2,000; 915,000 of 15,600,000."""
    decimals = min(9, max(0, 4 - int(f"{plan.budget:e}".partition("e")[2])))
    return f"{value:{sign},.{decimals}f}"


def short(value: float, decimals: int = 2) -> str:
    """Two decimals, or others, without the leading zero: .48, 1.20, -.05."""
    text = f"{value:.{decimals}f}"
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def others_of(story: Story, code: str, up: bool) -> tuple[float, list[str]]:
    """What all markets together gain or lose where that moved this market more than others did, else 0; who moved
    the other way and may have exchanged money with it, the largest move first.
    """
    outside = _exchanges_outside(story, code, up)
    others = sorted(
        (-abs(change), other)
        for other, change in story.changes.items()
        if other != code
        and story.moved(change)
        and (change < 0) == up
        and (
            (outside and _exchanges_outside(story, other, not up))
            or story.capped.get(other, other) == story.capped.get(code)
        )
    )
    total = sum(story.changes.values())
    whole = outside and story.moved(total) and (total > 0) == up and abs(total) >= -sum(size for size, _ in others)
    return (total if whole else 0.0), [other for _, other in others]


def _exchanges_outside(story: Story, code: str, up: bool) -> bool:
    """Whether money came to a market that rose, or went from one that fell, across its region's cap."""
    region = story.capped.get(code)
    if region is None:
        return True
    net = sum(change for other, change in story.changes.items() if story.capped.get(other) == region)
    return story.moved(net) and (net > 0) == up
