"""The answer as a whole in words: what of the table changed, and why money stays unspent."""

from collections.abc import Mapping

from marketpulse.contract.allocation import MarketPlan
from strategy.limits import HELD, SATURATED, UNHEARD
from strategy.reasons.changes import Changes, all_changes

NAMED = 4  # markets of one limit
LONGEST = 480  # characters
UPPER = {
    "change limit up": "change limits of",
    "upper bound": "upper bounds of",
    "pinned": "pins of",
    "not legally ready": "not legally ready:",
    "already spent": "already spent in",
    UNHEARD: "nothing heard from the users of",
    HELD: "too uncertain to move:",
    SATURATED: "nothing more to buy in",
}
"""Limits of `binding` that keep money from being spent, in the order in which they are named."""


def why_of(first: bool, table: Changes | None, unspent: str) -> str:
    """For example `reallocated to maximize expected gain; table changed: budget 800 to 650; PL c 40 to 55`.

    Args:
        first: there was no allocation before.
        table: what of the table changed since; None = not known.
        unspent: a clause on money that stays, or empty.
    """
    words = "first allocation" if first else "reallocated to maximize expected gain"
    tail = f". {unspent}" if unspent else ""
    changed = [] if first or table is None else all_changes(table)
    return f"{_with_changes(words, changed, LONGEST - len(tail))}{tail}"


def unspent_words(money: str, budget: str, plans: Mapping[str, MarketPlan]) -> str:
    """For example `568.2 of 800.0 unspent: change limits of ES, IT; answers 24 h from now or later may go further`."""
    held: dict[str, list[str]] = {}
    for code, one in plans.items():
        names = [name for name in one.binding if name.startswith("cap of ")]
        names = names or [name for name in UPPER if name in one.binding]
        if one.spend > 0:  # a market that is off has no use for part of its least spend
            held.setdefault(names[0] if names else SATURATED, []).append(code)  # no limit: it has all there is to buy
    order = sorted(held, key=lambda name: (list(UPPER).index(name) if name in UPPER else -1, name))
    limits = [f"{UPPER[name]} {_few(held[name])}" if name in UPPER else name for name in order[:3]]
    words = f"{money} of {budget} unspent"
    if limits:
        words += f": {', '.join(limits)}"
    return words + ("; answers 24 h from now or later may go further" if "change limit up" in held else "")


def _few(codes: list[str]) -> str:
    return ", ".join(codes[:NAMED]) + (f" and {len(codes) - NAMED} others" if len(codes) > NAMED else "")


def _with_changes(words: str, changed: list[str], room: int) -> str:
    """As many changes as there is room for, and how many there are beside."""
    best = words
    for count in range(1, len(changed) + 1):
        more = f"; {len(changed) - count} more" if count < len(changed) else ""
        longer = f"{words}; table changed: {'; '.join(changed[:count])}{more}"
        if len(longer) <= room:
            best = longer
    return best
