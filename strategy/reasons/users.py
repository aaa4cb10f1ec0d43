"""What is new about a market's users, in words, and what that made worth more or less."""

import math

from marketpulse.contract.allocation import MarketPlan
from marketpulse.contract.portfolio import Plan
from strategy.reasons.story import Story, short

SEEN = 0.005  # smaller changes of u and r are not worth a word


def seen_news(story: Story, code: str, old: MarketPlan) -> list[str]:
    """How the market's metrics changed since the plan before."""
    market, news = story.plans[code], list[str]()
    if market.u is not None and old.u is not None and code in story.heard and _differ(market.u, old.u):
        mood = "unhappier" if market.u < old.u else "happier"
        events = "" if market.n is None else f", {market.n:,} events"
        news.append(f"users {mood} (u {short(old.u)} to {short(market.u)}{events})")
    if market.r is not None and old.r is None and abs(market.r) >= SEEN:
        news.append(f"growth known now ({short(market.r)} a day)")  # it counted as 0 until then
    elif market.r is None and old.r is not None and abs(old.r) >= SEEN:
        news.append(f"growth no longer known ({short(old.r)} a day before)")
    elif market.r is not None and old.r is not None and _differ(market.r, old.r):
        verb = "slower" if market.r < old.r else "faster"
        news.append(f"growth {verb} ({short(old.r)} to {short(market.r)} a day)")
    return news[::-1] if _growth_weighs_more(story.plan, market, old) else news


def _growth_weighs_more(plan: Plan, market: MarketPlan, old: MarketPlan) -> bool:
    """Whether growth changed the worth of promotion by a larger factor than u that of promotion and quality."""
    if market.u is None or old.u is None:
        return False
    growth, experience = _of_growth(plan, market, old), _of_experience(plan, market, old)
    return abs(growth) > abs(experience) + abs(market.u - old.u) / max(1 - old.u, 0.05)


def _differ(value: float, other: float) -> bool:
    """Whether a difference is worth a word, and can be seen in what is shown."""
    return abs(value - other) >= SEEN and short(value) != short(other)


def effects_of(story: Story, code: str, old: MarketPlan, amounts: bool) -> list[str]:
    """What the metrics made worth more or less, where its money went the same way; from and to which amounts."""
    market, effects = story.plans[code], list[str]()
    pairs = (
        ("quality", _ratio_of_quality(market, old), old.quality, market.quality),
        ("promotion", _ratio_of_promotion(story.plan, market, old), old.promotion, market.promotion),
    )
    for name, ratio, then, now in pairs:
        if story.moved(now - then) and ratio * (now - then) > 0:
            word = "more" if ratio > 0 else "less"
            parts = f" ({story.money(then)} to {story.money(now)})" if amounts else ""
            effects.append(f"{name}{'' if effects else ' is worth'} {word}{parts}")
    return effects


def _ratio_of_quality(market: MarketPlan, old: MarketPlan) -> float:
    """Sign of the change of what satisfaction is worth, 1 - u."""
    return 0.0 if market.u is None or old.u is None else old.u - market.u


def _ratio_of_promotion(plan: Plan, market: MarketPlan, old: MarketPlan) -> float:
    """Sign of the change of what penetration is worth, exp(rho r) u^theta."""
    if market.u is None or old.u is None:
        return 0.0
    return _of_growth(plan, market, old) + _of_experience(plan, market, old)


def _of_growth(plan: Plan, market: MarketPlan, old: MarketPlan) -> float:
    """Change of the logarithm of what penetration is worth, through r."""
    return plan.rho * ((market.r or 0.0) - (old.r or 0.0))


def _of_experience(plan: Plan, market: MarketPlan, old: MarketPlan) -> float:
    """The same, through u."""
    return plan.theta * math.log(max(market.u or 0.0, 0.05) / max(old.u or 0.0, 0.05))
