"""Which markets may get money, from which table, within which bounds; and who loses it through an apply."""

from collections.abc import Mapping

import msgspec

from marketpulse.contract.portfolio import Market, Portfolio
from streams.pipeline.operators.profiles import Profiles

SHIPPED = "shipped example"


class Row(msgspec.Struct, frozen=True):
    """One market: where its entry comes from (`published`, `file`, `shipped example`), money in `currency`."""

    origin: str
    status: str
    spend: str
    currency: str


def origin_of(profiles: Profiles, name: str, own_file: bool) -> str:
    """Where the entry of a market (or `_plan`) comes from, in words."""
    return "published" if profiles.origin(name) == "topic" else ("file" if own_file else SHIPPED)


def rows_of(portfolio: Portfolio, origins: Mapping[str, str]) -> dict[str, Row]:
    """A row per market."""
    return {
        code: Row(origins[code], market.status, spend_words(market), market.currency or portfolio.plan.currency)
        for code, market in portfolio.markets.items()
    }


def may_spend(market: Market) -> bool:
    """Whether a market may get money at all."""
    return market.status != "excluded" and market.legal_ready and market.pinned != 0 and market.spend_high != 0


def spend_words(market: Market) -> str:
    """The bounds of a market's spend in words."""
    if market.status == "excluded":
        return "nothing: excluded"
    if not market.legal_ready:
        return "nothing more: not legally ready"
    if market.pinned is not None:
        return f"pinned at {market.pinned:,g}"
    low = f"{market.spend_low:,g}"
    bounds = f"{low} or more" if market.spend_high is None else f"{low} to {market.spend_high:,g}"
    return f"{bounds}, or nothing below {market.spend_minimum:,g}" if market.spend_minimum else bounds
