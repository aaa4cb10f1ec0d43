"""What is new about a market's users, in words, and what that made worth more or less."""

from marketpulse.contract.allocation import MarketPlan
from strategy.reasons.story import Story, short


def mood_news(story: Story, code: str, old: MarketPlan) -> str:
    """How the market's u changed since the plan before; empty where it did not."""
    market = story.plans[code]
    if market.u is None or old.u is None or market.u == old.u or code not in story.heard:
        return ""
    events = "" if market.n is None else f", {market.n:,} events"
    return f"users {'unhappier' if market.u < old.u else 'happier'} (u {_from_to(old.u, market.u)}{events})"


def growth_news(story: Story, code: str, old: MarketPlan) -> str:
    """How its r changed, which counts as 0 while it is not known; empty where it did not."""
    now, then = story.plans[code].r, old.r
    if (now or 0.0) == (then or 0.0):
        return ""
    if then is None:
        return f"growth known now ({short(now or 0.0)} a day)"
    if now is None:
        return f"growth no longer known ({short(then)} a day before)"
    return f"growth {'slower' if now < then else 'faster'} ({_from_to(then, now)} a day)"


def _from_to(then: float, now: float) -> str:
    """Both with two decimals, or as many more as it takes to see that they differ."""
    for decimals in range(2, 7):
        before, after = short(then, decimals), short(now, decimals)
        if before != after:
            break
    return f"{before} to {after}"


def effects_of_mood(story: Story, code: str, old: MarketPlan, amounts: bool) -> list[str]:
    """What u made worth more or less; with `amounts`, what was and is spent on it."""
    market = story.plans[code]
    if market.u is None or old.u is None:
        return []
    # Satisfaction is worth 1 - u, penetration u^theta.
    return _effects(story, code, old, amounts, old.u - market.u, story.plan.theta * (market.u - old.u))


def effects_of_growth(story: Story, code: str, old: MarketPlan, amounts: bool) -> list[str]:
    """The same of r: penetration is worth exp(rho r)."""
    return _effects(story, code, old, amounts, 0.0, story.plan.rho * ((story.plans[code].r or 0.0) - (old.r or 0.0)))


def _effects(
    story: Story, code: str, old: MarketPlan, amounts: bool, on_quality: float, on_promotion: float
) -> list[str]:
    """The last two: signs of what satisfaction and penetration are worth now against then.

    With amounts, which are of the whole plan, only those whose money went the same way.
    """
    market, effects = story.plans[code], list[str]()
    pairs = (
        ("quality", on_quality, old.quality, market.quality),
        ("promotion", on_promotion, old.promotion, market.promotion),
    )
    for name, sign, then, now in pairs:
        if sign and (not amounts or (story.moved(now - then) and sign * (now - then) > 0)):
            word = "more" if sign > 0 else "less"
            parts = f" ({story.money(then)} to {story.money(now)})" if amounts else ""
            effects.append(f"{name}{'' if effects else ' is worth'} {word}{parts}")
    return effects
