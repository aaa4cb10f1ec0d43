"""The sentences of an answer, put into its plans."""

from collections.abc import Collection, Mapping

import msgspec

from marketpulse.contract.allocation import Allocation, MarketPlan
from marketpulse.contract.portfolio import Portfolio
from strategy.own_users import UsersMoves
from strategy.reasons.causes import Part
from strategy.reasons.changes import Changes
from strategy.reasons.explain import reasons


def with_sentences(
    answer: Allocation,
    portfolio: Portfolio,
    previous: Mapping[str, MarketPlan] | None,
    heard: Collection[str],
    table: Changes | None,
    parts: tuple[list[Part], tuple[str, ...]],
    users: UsersMoves,
) -> Allocation:
    """The same answer with a sentence per market; see `reasons`, and `parts_of` for the parts and the last kinds."""
    before, kinds = parts
    found = reasons(
        answer.markets,
        previous,
        portfolio.plan,
        heard,
        table,
        [*before, Part(kinds, answer.markets, users)],
        answer.budget - answer.spent,
        {code: one.region for code, one in portfolio.markets.items() if one.region in portfolio.plan.regions},
    )
    markets = {code: msgspec.structs.replace(one, reason=found[code]) for code, one in answer.markets.items()}
    return msgspec.structs.replace(answer, markets=markets)
