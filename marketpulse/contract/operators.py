"""What operators publish: profiles and mutes."""

import msgspec

from marketpulse.contract.portfolio import Market, Plan
from marketpulse.contract.wire import CONTRACT_VERSION, Identifier, ShortText


class MarketProfile(Market, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """One market in `market.profiles`, key = its code; stands in for the file's entry, a tombstone takes it away."""

    v: int = CONTRACT_VERSION


class PlanProfile(Plan, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """What holds for all markets together in `market.profiles`, key `_plan`; a tombstone takes it away.

    replaces: only published markets get money; those of the workers' file do not, as long as this plan is published.
    """

    replaces: bool = False
    v: int = CONTRACT_VERSION


class MuteRecord(msgspec.Struct, frozen=True):
    """A silence in `market.mutes`, key = its id; a tombstone ends it. None stands for any; times in epoch ms."""

    id: Identifier
    until: int
    created_at: int
    kind: str | None = None
    market: str | None = None
    topic: str | None = None
    comment: ShortText = ""
    v: int = CONTRACT_VERSION
