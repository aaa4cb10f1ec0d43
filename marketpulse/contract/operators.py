"""What operators publish: profiles and mutes; the headers that make several profiles one change."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import msgspec

from marketpulse.contract.portfolio import Market, Plan
from marketpulse.contract.wire import CONTRACT_VERSION, Identifier, ShortText

APPLY_HEADER = "marketpulse-apply"
"""Header of a profile: the id of the apply that it belongs to, the same for all of its records."""
NUMBER_HEADER = "marketpulse-apply-n"
"""Header: which record of its apply this is, 1 first."""
COUNT_HEADER = "marketpulse-apply-of"
"""Header: how many records the apply has."""
AlertName = Annotated[str, msgspec.Meta(pattern="^[a-z_]{1,64}$")]
MutedMarket = Annotated[str, msgspec.Meta(pattern=r"^([A-Z]{2}|\*)$")]
_ID = re.compile(r"[0-9A-Za-z_.-]{1,64}")
_NUMBER = re.compile(r"[1-9][0-9]{0,4}")


def profiles_transaction(prefix: str) -> str:
    """Transactional id under which profiles are applied: one for all, so that no two applies mix."""
    return f"{prefix}.profiles"


@dataclass(frozen=True, slots=True)
class ApplyMark:
    """Which record of which apply a profile is: `number` from 1 to `count`."""

    apply: str
    number: int
    count: int


def apply_headers(mark: ApplyMark) -> list[tuple[str, bytes]]:
    """The headers of one profile of an apply."""
    content = ((APPLY_HEADER, mark.apply), (NUMBER_HEADER, mark.number), (COUNT_HEADER, mark.count))
    return [(name, str(value).encode()) for name, value in content]


def apply_of(headers: Iterable[tuple[str, bytes | None]]) -> ApplyMark | None:
    """What a profile's headers say; None for a single record, also where they cannot be read."""
    words = {name: (value or b"").decode("ascii", "replace") for name, value in headers}
    apply, number, count = (words.get(name, "") for name in (APPLY_HEADER, NUMBER_HEADER, COUNT_HEADER))
    if not (_ID.fullmatch(apply) and _NUMBER.fullmatch(number) and _NUMBER.fullmatch(count)):
        return None
    return ApplyMark(apply, int(number), int(count)) if int(number) <= int(count) else None


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
    """A silence in `market.mutes`, key = its id; a tombstone ends it. None stands for any; times in epoch ms.

    It holds for 90 days from its record on at most, whatever `until` says; of all silences the 1,000 that end last
    hold. author: who wrote it, as they called themselves; empty in records of earlier versions.
    """

    id: Identifier
    until: int
    created_at: int
    kind: AlertName | None = None
    market: MutedMarket | None = None
    topic: ShortText | None = None
    comment: ShortText = ""
    v: int = CONTRACT_VERSION
    author: ShortText = ""
