"""One sentence per market, in plain words: what its money did, why, where it came from or went, what holds it.

A pure function of the answer and the plan before, with codes for markets and money in the plan's currency: the same
everywhere, since the journal's digest is made of it too.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from marketpulse.contract.allocation import MarketPlan
from marketpulse.contract.portfolio import Plan
from strategy.limits import HELD, SATURATED, UNHEARD

SEEN = 0.005  # smaller changes of u and r are not worth a word
SMALL = 1e-4  # of the budget: a smaller change of money is none
LONGEST = 240  # characters of a sentence

LIMITS = {
    "pinned": "pinned by hand",
    "lower bound": "at its lower bound",
    "upper bound": "at its upper bound",
    "change limit down": "may not fall faster (change limit)",
    "change limit up": "may not rise faster (change limit)",
    "already spent": "this much is spent already",
    "not legally ready": "not legally ready, so nothing new",
    "minimum viable spend": "at its minimum viable spend",
    UNHEARD: "nothing heard from its users, so its spend stays",
    HELD: "too uncertain to move, so its spend stays",
    SATURATED: "more money would buy nothing here",
}
"""What each name in `binding` means; `cap of <region>` is none of them."""
FIXED = ("pinned", "already spent", "not legally ready", UNHEARD, HELD)
"""Limits under which the spend is what it is, whatever the metrics are."""


@dataclass(frozen=True)
class _Story:
    """What all sentences of one answer share."""

    plans: Mapping[str, MarketPlan]
    before: Mapping[str, MarketPlan] | None
    plan: Plan
    heard: Collection[str]
    changes: Mapping[str, float]

    def money(self, value: float, sign: str = "") -> str:
        """An amount with as many decimals as the budget's size needs: 117.3 of 2,000; 915,000 of 15,600,000."""
        decimals = min(9, max(0, 4 - int(f"{self.plan.budget:e}".partition("e")[2])))
        return f"{value:{sign},.{decimals}f}"

    def moved(self, value: float) -> bool:
        """Whether an amount is worth a word."""
        return abs(value) > SMALL * self.plan.budget


def reasons(
    plans: Mapping[str, MarketPlan], before: Mapping[str, MarketPlan] | None, plan: Plan, heard: Collection[str]
) -> dict[str, str]:
    """For example `BR +35.8 to 112.4: users unhappier (u .77 to .61), so quality is worth more; taken from RU (-51.2)`.

    Args:
        plans: of every market, without its reason.
        before: the previous plan; None = there is none.
        plan: budget and weights.
        heard: markets with a measured u.
    """
    old = before or {}
    changes = {code: one.spend - (old[code].spend if code in old else 0.0) for code, one in plans.items()}
    changes |= {code: -one.spend for code, one in old.items() if code not in plans}
    story = _Story(plans, before, plan, heard, changes)
    return {code: _sentence(story, code) for code in plans}


def short(value: float) -> str:
    """Two decimals without the leading zero: .48, 1.20, -.05."""
    return f"{value:.2f}".replace("0.", ".", 1) if abs(value) < 0.995 else f"{value:.2f}"


def _sentence(story: _Story, code: str) -> str:
    market = story.plans[code]
    old = (story.before or {}).get(code)
    if story.before is None:
        head, clauses = f"{code} {story.money(market.spend)}", [f"first plan, {_state(story, code)}"]
    elif not story.moved(story.changes[code]):
        head, clauses = f"{code} unchanged at {story.money(market.spend)}", [_split(story, code)]
    else:
        head = f"{code} {story.money(story.changes[code], '+')} to {story.money(market.spend)}"
        clauses = [_cause(story, code, old), _flow(story, code)]
    if market.entry > 0:
        clauses.append(f"{story.money(market.entry)} of it is the cost of entry")
    fixed = bool(set(market.binding) & set(FIXED))
    clauses.insert(0 if fixed else len(clauses), _limits(market))
    if market.likely is not None and story.moved(story.changes[code]) and not fixed:
        clauses.append(f"{100 * market.likely:.0f} % sure to pay")
    return _joined(head, [clause for clause in clauses if clause])


def _joined(head: str, clauses: list[str]) -> str:
    """As many clauses as fit; a sentence never ends within one."""
    sentence = head
    for clause in clauses:
        longer = sentence + (": " if sentence == head else "; ") + clause
        if len(longer) > LONGEST:
            break
        sentence = longer
    return sentence


def _state(story: _Story, code: str) -> str:
    market = story.plans[code]
    if market.u is None or code not in story.heard:
        return "no users heard yet, u .50 assumed"
    events = "" if market.n is None else f" from {market.n:,} events"
    growth = "" if market.r is None else f", growth {short(market.r)} a day"
    return f"u {short(market.u)}{events}{growth}"


def _cause(story: _Story, code: str, old: MarketPlan | None) -> str:
    """What changed in the market itself and what that makes worth more or less; else where money does more."""
    market = story.plans[code]
    if set(market.binding) & set(FIXED):
        return ""
    if old is None:
        return f"new here, {_state(story, code)}"
    seen = _seen(story, code, old)
    if not seen:
        return f"nothing new from its users, {_elsewhere(story, code)}"
    effects = _effects(story, market, old)
    if effects:
        return f"{', '.join(seen)}, so {' and '.join(effects)}"
    return f"{', '.join(seen)}; {_elsewhere(story, code)}"


def _seen(story: _Story, code: str, old: MarketPlan) -> list[str]:
    """How the market's metrics changed since the plan before."""
    market, news = story.plans[code], []
    if market.u is not None and old.u is not None and code in story.heard and abs(market.u - old.u) >= SEEN:
        mood = "unhappier" if market.u < old.u else "happier"
        events = "" if market.n is None else f", {market.n:,} events"
        news.append(f"users {mood} (u {short(old.u)} to {short(market.u)}{events})")
    if market.r is not None and old.r is None and abs(market.r) >= SEEN:
        news.append(f"growth known now ({short(market.r)} a day)")  # it counted as 0 until then
    elif market.r is None and old.r is not None and abs(old.r) >= SEEN:
        news.append(f"growth no longer known ({short(old.r)} a day before)")
    elif market.r is not None and old.r is not None and abs(market.r - old.r) >= SEEN:
        verb = "slower" if market.r < old.r else "faster"
        news.append(f"growth {verb} ({short(old.r)} to {short(market.r)} a day)")
    return news


def _effects(story: _Story, market: MarketPlan, old: MarketPlan) -> list[str]:
    """What the metrics made worth more or less, where its money went the same way."""
    effects: list[str] = []
    pairs = (
        ("quality", _ratio_of_quality(market, old), old.quality, market.quality),
        ("promotion", _ratio_of_promotion(story.plan, market, old), old.promotion, market.promotion),
    )
    for name, ratio, then, now in pairs:
        if story.moved(now - then) and ratio * (now - then) > 0:
            word = "more" if ratio > 0 else "less"
            effects.append(f"{name}{'' if effects else ' is worth'} {word} ({story.money(then)} to {story.money(now)})")
    return effects


def _ratio_of_quality(market: MarketPlan, old: MarketPlan) -> float:
    """Sign of the change of what satisfaction is worth, 1 - u."""
    return 0.0 if market.u is None or old.u is None else old.u - market.u


def _ratio_of_promotion(plan: Plan, market: MarketPlan, old: MarketPlan) -> float:
    """Sign of the change of what penetration is worth, exp(rho r) u^theta."""
    if market.u is None or old.u is None:
        return 0.0
    experience = math.log(max(market.u, 0.05) / max(old.u, 0.05))
    growth = (market.r or 0.0) - (old.r or 0.0)
    return plan.rho * growth + plan.theta * experience


def _elsewhere(story: _Story, code: str) -> str:
    """Why money comes or goes for no reason of the market's own."""
    up = story.changes[code] > 0
    total, others = _others(story, code)
    if total:
        return f"there is {'more' if up else 'less'} money for all"
    if others and not up and set(_binding(story, others[0])) & {*FIXED, "lower bound"}:
        return "makes room for what is fixed"
    if others and up and (others[0] not in story.plans or set(_binding(story, others[0])) & {*FIXED, "upper bound"}):
        return "gets what became free elsewhere"
    return f"money does more {'here than where it was' if up else 'elsewhere'}"


def _flow(story: _Story, code: str) -> str:
    """Where most of the money came from or went: up to two markets that moved the other way, or the budget itself."""
    up = story.changes[code] > 0
    total, others = _others(story, code)
    if total:
        return f"all markets together {story.money(total, '+')}"
    named = " and ".join(f"{other} ({story.money(story.changes[other], '+')})" for other in others[:2])
    return f"{'taken from' if up else 'goes to'} {named}" if named else ""


def _others(story: _Story, code: str) -> tuple[float, list[str]]:
    """What all markets together gain or lose where that moved this market more than others did, else 0; who moved
    the other way, the largest move first.
    """
    up = story.changes[code] > 0
    others = sorted(
        (-abs(change), other)
        for other, change in story.changes.items()
        if other != code and story.moved(change) and (change < 0) == up
    )
    total = sum(story.changes.values())
    whole = story.moved(total) and (total > 0) == up and abs(total) >= -sum(size for size, _ in others)
    return (total if whole else 0.0), [other for _, other in others]


def _binding(story: _Story, code: str) -> tuple[str, ...]:
    return story.plans[code].binding if code in story.plans else ()


def _split(story: _Story, code: str) -> str:
    """What went from promotion to quality or back, though the spend itself did not move."""
    market, old = story.plans[code], (story.before or {}).get(code)
    if (
        old is None
        or not story.moved(market.quality - old.quality)
        or not story.moved(market.promotion - old.promotion)
    ):
        return ""
    seen = _seen(story, code, old)
    pairs = (("promotion", old.promotion, market.promotion), ("quality", old.quality, market.quality))
    return ", ".join([*seen, *(f"{name} {story.money(then)} to {story.money(now)}" for name, then, now in pairs)])


def _limits(market: MarketPlan) -> str:
    if market.spend == 0 and market.binding == ("minimum viable spend",):
        return "nothing: its minimum viable spend does more elsewhere"
    return ", ".join(LIMITS.get(name, f"at the {name}") for name in market.binding)
