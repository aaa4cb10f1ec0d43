"""One sentence per market, in plain words: what its money did, why, where it came from or went, what holds it.

A pure function of the answer and the plan before, with codes for markets and money in the plan's currency: the same
everywhere, since the journal's digest is made of it too.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from marketpulse.contract.allocation import MarketPlan
from marketpulse.contract.portfolio import Market, Plan
from strategy.limits import FIXED, HELD, LEFT, LIMITS, SMALL, UNHEARD
from strategy.reasons.causes import BUDGET, USERS, Part, why_this_gives, words_of
from strategy.reasons.changes import Changes, own_changes
from strategy.reasons.story import Story, others_of, short, story_of
from strategy.reasons.users import effects_of_growth, effects_of_mood, growth_news, mood_news

HALF = 0.5  # of a move: who did as much of it is named
ASKED = 30  # markets with news that are tried as its cause, those that moved most
LONGEST = 400  # characters of a sentence
NAMED = 2  # markets that money came from or went to

RELEASED = {
    HELD: ("was held back before as too uncertain", "{} was held back before as too uncertain"),
    "change limit up": ("change limits allow it by now", "change limits of {} allow more by now"),
    "change limit down": ("change limits allow it by now", "change limits of {} allow more by now"),
    UNHEARD: ("silent users are heard again", "silent users of {} are heard again"),
}
"""By what held a market in the plan before: why its money moves though nothing is new, and why that of others does."""


@dataclass(frozen=True)
class _Move:
    """Money that one cause moved, with its words; `alone` where no other cause moved any, `more` after the amount."""

    money: float
    words: str
    alone: str = ""
    more: str = ""


def reasons(
    plans: Mapping[str, MarketPlan],
    before: Mapping[str, MarketPlan] | None,
    plan: Plan,
    heard: Collection[str],
    table: Changes | None = None,
    parts: Sequence[Part] = (),
    unspent: float = 0.0,
    capped: Mapping[str, str] = MappingProxyType({}),
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
        capped: market -> its region, of those in a region with a cap.
    """
    story = story_of(plans, before, plan, heard, table, [*parts], unspent, capped)
    return {code: _sentence(story, code) for code in plans}


def reasons_of_lost(
    plans: Mapping[str, MarketPlan], before: Mapping[str, MarketPlan] | None, plan: Plan, markets: Mapping[str, Market]
) -> dict[str, str]:
    """For example `AT -130.0 to 0.0: no longer in the table`, of every market that only the plan before gave money."""
    story = story_of(plans, before, plan, (), None, [], 0.0, {})
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


def _sentence(story: Story, code: str) -> str:
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
    fixed, limits = bool(set(market.binding) & set(FIXED)), _limits(market)
    clauses.insert(0 if fixed else len(clauses), limits)
    if market.likely is not None and code in story.heard and story.moved(story.changes[code]) and not fixed:
        clauses.append(f"{100 * market.likely:.0f} % sure to pay")
    return _joined(head, [clause for clause in clauses if clause], limits)


def _moved_to(story: Story, code: str, spend: float) -> str:
    return f"{story.money(story.changes[code], '+')} to {story.money(spend)}"


def _joined(head: str, clauses: list[str], limits: str) -> str:
    """As many clauses as fit, but what holds the market in any case; a sentence never ends within one."""
    left = LONGEST - len(head) - len(limits) - len("; ") * bool(limits)
    kept = []
    for clause in clauses:
        left -= 0 if clause == limits else len(clause) + len("; ")
        if left < 0 and clause != limits:
            continue
        kept.append(clause)
    return f"{head}: {'; '.join(kept)}" if kept else head


def _state(story: Story, code: str) -> str:
    market = story.plans[code]
    if market.u is None or code not in story.heard:
        return "no users heard yet, u .50 assumed"
    events = "" if market.n is None else f" from {market.n:,} events"
    growth = "" if market.r is None else f", growth {short(market.r)} a day"
    return f"u {short(market.u)}{events}{growth}"


def _causes(story: Story, code: str, old: MarketPlan | None) -> list[str]:
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


def _moves(story: Story, code: str, old: MarketPlan, part: Part, move: float) -> list[_Move]:
    """What one part moved here: by the market's own users, by those of others, by the table."""
    table = [] if story.table is None else [words_of(kind, story.table, code, move > 0) for kind in part.kinds]
    if USERS not in part.kinds or code not in part.plans:
        words = [LEFT if USERS in part.kinds else "", *table]
        why = why_this_gives(story.before or {}, story.parts, code) if part.kinds == (BUDGET,) and move < 0 else ""
        return [_Move(move, _and(words), more=f", {why}" if why else "")] if story.moved(move) else []
    users = story_of(
        part.plans, story.before, story.plan, story.heard, story.table, [part], story.unspent, story.capped
    )
    found = _own_moves(users, code, old, part)
    drift = _worth_a_word(story, part.users.drift(code)) if story.table is not None else 0.0
    rest = move - sum(each.money for each in found) - drift
    nothing = ""
    if not found:
        news = mood_news(users, code, old) or growth_news(users, code, old)
        nothing = f"{'little' if news else 'nothing'} new from its users, "
    if not story.moved(rest) and (found or drift):  # too little to name apart
        if found:
            found[0] = replace(found[0], money=found[0].money + rest)
        else:
            drift += rest
        rest = 0.0
    if drift:
        found.append(_Move(drift, _released(users, code, drift, nothing)))
    if story.moved(rest):
        found.append(_Move(rest, _and([_elsewhere(users, code, rest, nothing), *table])))
    return found


def _own_moves(users: Story, code: str, old: MarketPlan, part: Part) -> list[_Move]:
    """What its own u and growth moved, the larger first; where one of them moved too little, it is in the other."""
    both = part.users.by(code, code)
    by_mood = part.users.by(code, code, growth=False)
    kinds = [
        (by_mood, mood_news(users, code, old), effects_of_mood),
        (both - by_mood, growth_news(users, code, old), effects_of_growth),
    ]
    named = sorted((kind for kind in kinds if kind[1]), key=lambda kind: -abs(kind[0]))
    if len(named) > 1 and not users.moved(named[1][0]):
        named = [(both, *named[0][1:])]
    found = [
        _Move(money, *(_so(news, effects(users, code, old, amounts)) for amounts in (False, True)))
        for money, news, effects in named
        if users.moved(money)
    ]
    return found if users.moved(both) or len(found) > 1 else []


def _worth_a_word(story: Story, money: float) -> float:
    return money if story.moved(money) else 0.0


def _so(news: str, effects: list[str]) -> str:
    return news + (f", so {' and '.join(effects)}" if effects else "")


def _and(clauses: Sequence[str]) -> str:
    return " and ".join(clause for clause in clauses if clause)


def _own(story: Story, code: str) -> str:
    """What of the market's own table changed."""
    return "" if story.table is None else own_changes(story.table, code)


def _elsewhere(story: Story, code: str, move: float, nothing: str) -> str:
    """Why money comes or goes for no reason of the market's own; `nothing` leads in where its users say nothing new."""
    up = move > 0
    total, others = others_of(story, code, up)
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
    mover = _mover(story, code, move)
    if mover:
        return f"{mover}'s users changed, and money does more {'here' if up else 'there'}"
    return f"{nothing}money does more {'here than where it was' if up else 'elsewhere'}"


def _mover(story: Story, code: str, move: float) -> str:
    """The market whose users alone move at least half of it; empty where there is none among those that moved most."""
    before = story.before or {}
    new = [
        other
        for other in story.plans
        if other != code
        and other in before
        and (mood_news(story, other, before[other]) or growth_news(story, other, before[other]))
    ]
    new.sort(key=lambda other: (-abs(story.changes[other]), other))
    effects = [(story.parts[0].users.by(other, code) / move, other) for other in new[:ASKED]] if story.parts else []
    share, mover = max(effects, default=(0.0, ""))
    return mover if share >= HALF else ""


def _released(story: Story, code: str, move: float, nothing: str) -> str:
    """Why money moves with nothing new from anybody: what held it, or others, before holds no more."""
    before = story.before or {}
    for name in before[code].binding:
        if name in RELEASED:
            return RELEASED[name][0]
    # Who was held, and moves the other way now that it is not: the largest of them.
    drifts = {other: story.parts[0].users.drift(other) for other in before if other != code}
    for other in sorted(drifts, key=lambda name: (-abs(drifts[name]), name)):
        for name in before[other].binding:
            if name in RELEASED and drifts[other] * move < 0 and story.moved(drifts[other]):
                return RELEASED[name][1].format(other)
    return f"{nothing}money does more {'here than where it was' if move > 0 else 'elsewhere'}"


def _flow(story: Story, code: str) -> str:
    """Where most of the money came from or went: two markets that moved the other way, or three that are all; or the
    budget itself.
    """
    up = story.changes[code] > 0
    total, others = others_of(story, code, up)
    if total:
        unspent = f", {story.money(story.unspent)} of the budget unspent" if story.moved(story.unspent) else ""
        return f"all markets together get {story.money(abs(total))} {'more' if total > 0 else 'less'}{unspent}"
    whole = abs(story.changes[code]) + SMALL * story.plan.budget
    named = " and ".join(
        f"{other} ({story.money(story.changes[other], '+')}{' in all' if abs(story.changes[other]) > whole else ''})"
        for other in (others if len(others) == NAMED + 1 else others[:NAMED])
    )
    more = " and others" if len(others) > NAMED + 1 else ""
    return f"{'taken from' if up else 'goes to'} {named}{more}" if named else ""


def _binding(story: Story, code: str) -> tuple[str, ...]:
    return story.plans[code].binding if code in story.plans else ()


def _split(story: Story, code: str) -> str:
    """What went from promotion to quality or back, though the spend itself did not move."""
    market, old = story.plans[code], (story.before or {}).get(code)
    if (
        old is None
        or not story.moved(market.quality - old.quality)
        or not story.moved(market.promotion - old.promotion)
    ):
        return ""
    seen = [news for news in (mood_news(story, code, old), growth_news(story, code, old)) if news]
    pairs = (("promotion", old.promotion, market.promotion), ("quality", old.quality, market.quality))
    parts = (f"{name} {story.money(then)} to {story.money(now)}" for name, then, now in pairs)
    return f"{', '.join([*seen, ''])}within its spend {', '.join(parts)}"


def _limits(market: MarketPlan) -> str:
    if market.spend == 0 and market.binding == ("minimum viable spend",):
        return "nothing: its minimum viable spend does more elsewhere"
    sure = "" if market.likely is None else f" ({100 * market.likely:.0f} % sure that a move pays)"
    named = [LIMITS.get(name, f"at the {name}") for name in market.binding]
    return ", ".join(named).replace(HELD, f"{HELD}{sure}")
