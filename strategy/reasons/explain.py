"""One sentence per market, in plain words: what its money did, why, where it came from or went, what holds it.

A pure function of the answer and the plan before, with codes for markets and money in the plan's currency: the same
everywhere, since the journal's digest is made of it too.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from marketpulse.contract.allocation import MarketPlan
from marketpulse.contract.portfolio import Market, Plan
from strategy.limits import FIXED, HELD, LEFT, LIMITS
from strategy.reasons.causes import BUDGET, USERS, Part, why_this_gives, words_of
from strategy.reasons.changes import Changes, own_changes

SEEN = 0.005  # smaller changes of u and r are not worth a word
SMALL = 1e-4  # of the budget: a smaller change of money is none
LONGEST = 320  # characters of a sentence
NAMED = 2  # markets that money came from or went to


@dataclass(frozen=True)
class _Move:
    """Money that one cause moved, with its words; `alone` where no other cause moved any, `more` after the amount."""

    money: float
    words: str
    alone: str = ""
    more: str = ""


@dataclass(frozen=True)
class _Story:
    """What all sentences of one answer share."""

    plans: Mapping[str, MarketPlan]
    before: Mapping[str, MarketPlan] | None
    plan: Plan
    heard: Collection[str]
    changes: Mapping[str, float]
    table: Changes | None
    parts: list[Part]
    unspent: float

    def money(self, value: float, sign: str = "") -> str:
        """An amount in words, see `amount`."""
        return amount(self.plan, value, sign)

    def moved(self, value: float) -> bool:
        """Whether an amount is worth a word."""
        return abs(value) > SMALL * self.plan.budget


def amount(plan: Plan, value: float, sign: str = "") -> str:
    """Money with as many decimals as the budget's size needs: 117.3 of 2,000; 915,000 of 15,600,000."""
    decimals = min(9, max(0, 4 - int(f"{plan.budget:e}".partition("e")[2])))
    return f"{value:{sign},.{decimals}f}"


def reasons(
    plans: Mapping[str, MarketPlan],
    before: Mapping[str, MarketPlan] | None,
    plan: Plan,
    heard: Collection[str],
    table: Changes | None = None,
    parts: Sequence[Part] = (),
    unspent: float = 0.0,
) -> dict[str, str]:
    """For example `BR +35.8 to 112.4: users unhappier (u .77 to .61), so quality is worth more; taken from RU (-51.2)`.

    Args:
        plans: of every market, without its reason.
        before: the previous plan; None = there is none.
        plan: budget and weights.
        heard: markets with a measured u.
        table: what of the market table changed since the plan before; None = not known.
        parts: the plans with one kind of change after another, the last those of now; none = users alone.
        unspent: money that no market may take.
    """
    story = _story(plans, before, plan, heard, table, [*parts], unspent)
    return {code: _sentence(story, code) for code in plans}


def reasons_of_lost(
    plans: Mapping[str, MarketPlan], before: Mapping[str, MarketPlan] | None, plan: Plan, markets: Mapping[str, Market]
) -> dict[str, str]:
    """For example `AT -130.0 to 0.0: no longer in the table`, of every market that only the plan before gave money."""
    story = _story(plans, before, plan, (), None, [], 0.0)
    lost = (code for code in sorted(before or {}) if code not in plans and story.changes[code] != 0)
    return {code: f"{code} {_moved_to(story, code, 0.0)}: {_lost(markets.get(code))}" for code in lost}


def _lost(market: Market | None) -> str:
    if market is None:
        return "no longer in the table"
    if market.status == "excluded":
        return "excluded by the table"
    if not market.legal_ready:
        return LIMITS["not legally ready"]
    return LIMITS["pinned"] if market.pinned == 0 else LEFT


def _story(
    plans: Mapping[str, MarketPlan],
    before: Mapping[str, MarketPlan] | None,
    plan: Plan,
    heard: Collection[str],
    table: Changes | None,
    parts: list[Part],
    unspent: float,
) -> _Story:
    old = before or {}
    changes = {code: one.spend - (old[code].spend if code in old else 0.0) for code, one in plans.items()}
    changes |= {code: -one.spend for code, one in old.items() if code not in plans}
    return _Story(plans, before, plan, heard, changes, table, parts, unspent)


def short(value: float) -> str:
    """Two decimals without the leading zero: .48, 1.20, -.05."""
    return f"{value:.2f}".replace("0.", ".", 1) if abs(value) < 0.995 else f"{value:.2f}"


def _sentence(story: _Story, code: str) -> str:
    market = story.plans[code]
    old = (story.before or {}).get(code)
    if story.before is None:
        head, clauses = f"{code} {story.money(market.spend)}", [f"first plan, {_state(story, code)}"]
    elif not story.moved(story.changes[code]):
        head, clauses = f"{code} unchanged at {story.money(market.spend)}", [_own(story, code), _split(story, code)]
        if not market.binding:
            clauses.append("no other spend would gain more")
    else:
        head = f"{code} {_moved_to(story, code, market.spend)}"
        clauses = [*_causes(story, code, old), _flow(story, code)]
    if market.entry > 0:
        clauses.append(f"{story.money(market.entry)} of it is the cost of entry")
    fixed = bool(set(market.binding) & set(FIXED))
    clauses.insert(0 if fixed else len(clauses), _limits(market))
    if market.likely is not None and code in story.heard and story.moved(story.changes[code]) and not fixed:
        clauses.append(f"{100 * market.likely:.0f} % sure to pay")
    return _joined(head, [clause for clause in clauses if clause])


def _moved_to(story: _Story, code: str, spend: float) -> str:
    return f"{story.money(story.changes[code], '+')} to {story.money(spend)}"


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


def _causes(story: _Story, code: str, old: MarketPlan | None) -> list[str]:
    """Each kind of change that moved the market, the largest first, with its part of the money if it is not alone."""
    fixed = bool(set(story.plans[code].binding) & set(FIXED))
    if old is None:
        new = "new in the table" if story.table is not None and code in story.table.added else "new here"
        return [new if fixed else f"{new}, {_state(story, code)}"]
    if fixed:
        return [_own(story, code)]
    moves, spend = [], old.spend
    for part in story.parts:
        now = part.plans[code].spend if code in part.plans else 0.0
        moves += _moves(story, code, old, part, now - spend)
        spend = now
    if len(moves) == 1:
        return [moves[0].alone or f"{moves[0].words}{moves[0].more}"]
    moves.sort(key=lambda one: -abs(one.money))
    return [f"{move.words} ({story.money(move.money, '+')}){move.more}" for move in moves]


def _moves(story: _Story, code: str, old: MarketPlan, part: Part, move: float) -> list[_Move]:
    """What one part moved here: by the market's own users, by those of others, by the table."""
    table = [] if story.table is None else [words_of(kind, story.table, code, move > 0) for kind in part.kinds]
    if USERS not in part.kinds or code not in part.plans:
        words = [LEFT if USERS in part.kinds else "", *table]
        why = why_this_gives(story.before or {}, story.parts, code) if part.kinds == (BUDGET,) and move < 0 else ""
        return [_Move(move, _and(words), more=f", {why}" if why else "")] if story.moved(move) else []
    users = _story(part.plans, story.before, story.plan, story.heard, story.table, [part], story.unspent)
    seen = _seen(users, code, old)
    own = part.own(code) if seen else 0.0
    own = 0.0 if not story.moved(own) else own if story.moved(move - own) else move
    found = []
    if own:
        brief, whole = (_so(seen, _effects(users, code, old, amounts)) for amounts in (False, True))
        found.append(_Move(own, brief, alone=whole))
    if story.moved(move - own):
        nothing = "" if seen else "nothing new from its users, "
        found.append(_Move(move - own, _and([_elsewhere(users, code, move - own, nothing), *table])))
    return found


def _so(seen: list[str], effects: list[str]) -> str:
    return ", ".join(seen) + (f", so {' and '.join(effects)}" if effects else "")


def _and(clauses: Sequence[str]) -> str:
    return " and ".join(clause for clause in clauses if clause)


def _own(story: _Story, code: str) -> str:
    """What of the market's own table changed."""
    return "" if story.table is None else own_changes(story.table, code)


def _seen(story: _Story, code: str, old: MarketPlan) -> list[str]:
    """How the market's metrics changed since the plan before."""
    market, news = story.plans[code], []
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
    return news


def _differ(value: float, other: float) -> bool:
    """Whether a difference is worth a word, and can be seen in what is shown."""
    return abs(value - other) >= SEEN and short(value) != short(other)


def _effects(story: _Story, code: str, old: MarketPlan, amounts: bool) -> list[str]:
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
    experience = math.log(max(market.u, 0.05) / max(old.u, 0.05))
    growth = (market.r or 0.0) - (old.r or 0.0)
    return plan.rho * growth + plan.theta * experience


def _elsewhere(story: _Story, code: str, move: float, nothing: str) -> str:
    """Why money comes or goes for no reason of the market's own; `nothing` leads in where its users say nothing new."""
    up = move > 0
    total, others = _others(story, code, up)
    if total:
        other_budget = story.table is None and (up or not story.moved(story.unspent))
        what = "there is {} money for all" if other_budget else "{} of the budget may be spent"
        return nothing + what.format("more" if up else "less")
    capped = [name for name in _binding(story, code) if name.startswith("cap of ")]
    if capped and not up and story.table is None:
        return f"{nothing}the {capped[0]} leaves no more"
    if others and not up and set(_binding(story, others[0])) & {*FIXED, "lower bound"}:
        return f"{nothing}makes room for what is fixed"
    if others and up and (others[0] not in story.plans or set(_binding(story, others[0])) & {*FIXED, "upper bound"}):
        return f"{nothing}gets what became free elsewhere"
    for other in others[:NAMED]:
        if abs(_own_move(story, other)) >= abs(move) / 2:
            return f"{other}'s users changed, and money does more {'here' if up else 'there'}"
    return f"{nothing}money does more {'here than where it was' if up else 'elsewhere'}"


def _own_move(story: _Story, code: str) -> float:
    """What the market's own users moved, where they are heard and there was a plan before."""
    old = (story.before or {}).get(code)
    seen = old is not None and code in story.plans and _seen(story, code, old)
    return story.parts[0].own(code) if seen and story.parts else 0.0


def _flow(story: _Story, code: str) -> str:
    """Where most of the money came from or went: up to two markets that moved the other way, or the budget itself."""
    up = story.changes[code] > 0
    total, others = _others(story, code, up)
    if total:
        unspent = f", {story.money(story.unspent)} of the budget unspent" if story.moved(story.unspent) else ""
        return f"all markets together get {story.money(abs(total))} {'more' if total > 0 else 'less'}{unspent}"
    whole = abs(story.changes[code]) + SMALL * story.plan.budget
    named = " and ".join(
        f"{other} ({story.money(story.changes[other], '+')}{' in all' if abs(story.changes[other]) > whole else ''})"
        for other in others[:NAMED]
    )
    return f"{'taken from' if up else 'goes to'} {named}" if named else ""


def _others(story: _Story, code: str, up: bool) -> tuple[float, list[str]]:
    """What all markets together gain or lose where that moved this market more than others did, else 0; who moved
    the other way, the largest move first.
    """
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
    parts = (f"{name} {story.money(then)} to {story.money(now)}" for name, then, now in pairs)
    return f"{', '.join([*seen, ''])}within its spend {', '.join(parts)}"


def _limits(market: MarketPlan) -> str:
    if market.spend == 0 and market.binding == ("minimum viable spend",):
        return "nothing: its minimum viable spend does more elsewhere"
    sure = "" if market.likely is None else f" ({100 * market.likely:.0f} % sure to pay)"
    named = [LIMITS.get(name, f"at the {name}") for name in market.binding]
    return ", ".join(named).replace(HELD, f"{HELD}{sure}")
