"""What operators publish: profiles, mutes, labels of texts; the headers that make several profiles one change."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

import msgspec

from marketpulse.contract.markets import MARKETS
from marketpulse.contract.portfolio import Market, Plan
from marketpulse.contract.wire import (
    CONTRACT_VERSION,
    UNREADABLE,
    Identifier,
    MarketCode,
    ShortText,
    Version,
    described,
)
from marketpulse.errors import MarketpulseError

APPLY_HEADER = "marketpulse-apply"
"""Header of a profile: the id of the apply that it belongs to, the same for all of its records."""
NUMBER_HEADER = "marketpulse-apply-n"
"""Header: which record of its apply this is, 1 first."""
COUNT_HEADER = "marketpulse-apply-of"
"""Header: how many records the apply has."""
Answer = Literal["negative", "neutral", "positive", "unclear"]
Predicted = Literal["negative", "neutral", "positive"]
LABELS: tuple[Predicted, ...] = get_args(Predicted)
"""In the order in which they are numbered: cells of a market-week, rows and columns of a confusion."""
LabelCode = Literal["not_json", "too_large", "bad_field", "unknown_version", "unknown_market", "bad_key"]
"""Why a record of `market.labels` is passed over."""
MAX_LABEL_BYTES = 8_192
"""Of a record's value: all fields at their longest, every character escaped, are less."""
MAX_WEEK = 521_722
"""The last whole UTC week before the year 9999 ends."""
MAX_EVENTS = 10**12

Events = Annotated[int, msgspec.Meta(ge=0, le=MAX_EVENTS)]
WeekNumber = Annotated[
    int,
    msgspec.Meta(ge=0, le=MAX_WEEK),
    described("number of the UTC week, Monday to Monday, that the event lies in; 0 holds 1970-01-01"),
]
PlaceOfEvent = Annotated[
    str,
    msgspec.Meta(pattern=r"^[A-Za-z0-9._~-]{1,249}-[0-9]{1,9}-[0-9]{1,18}$"),
    described("topic-partition-offset of the event, as the `id` in feedback.classified"),
]
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


class LabelRecord(msgspec.Struct, frozen=True):
    """What a person answered about one text, in `market.labels`, key = market, a blank, id; a tombstone takes it back.

    The newest record of a key counts. No text and no user: whoever may read `feedback` finds the event by its place.
    """

    id: PlaceOfEvent
    market: MarketCode
    week: WeekNumber
    predicted: Annotated[Predicted, described("label that the model gave the event: the cell that it was drawn from")]
    label: Annotated[Answer, described("label that the person gave it; unclear: it cannot be judged")]
    score: Annotated[float, msgspec.Meta(ge=0, le=1), described("e of the event in [0, 1], as in feedback.classified")]
    model: Annotated[Identifier, described("name and version of the model that gave `predicted`")]
    counts: Annotated[
        tuple[Events, Events, Events],
        described("events of the market-week that the model called negative, neutral, positive, when this was drawn"),
    ]
    at: Annotated[int, msgspec.Meta(ge=0), described("when it was answered, epoch ms")]
    language: Annotated[
        str, msgspec.Meta(pattern=r"^([a-z]{2,3})?$"), described("primary language of the text; empty = not known")
    ] = ""
    rater: Annotated[ShortText, described("who answered, as they call themselves; nobody checks it")] = ""
    v: Version = CONTRACT_VERSION


class BadLabel(MarketpulseError):
    """A record of `market.labels` breaks the contract: `why` is stable, the message names field and rule.

    Operator action: see who else writes to the topic.
    """

    def __init__(self, why: LabelCode, message: str) -> None:
        super().__init__(message)
        self.why: LabelCode = why


class _Version(msgspec.Struct):
    v: Any = CONTRACT_VERSION


def key_of_label(market: str, place: str) -> str:
    """Kafka key of the answer about an event."""
    return f"{market} {place}"


def decode_label(key: bytes | None, value: bytes) -> LabelRecord:
    """The answer that a record holds. Raises BadLabel, and nothing else whatever the bytes."""
    if len(value) > MAX_LABEL_BYTES:
        raise BadLabel("too_large", f"{len(value)} bytes; at most {MAX_LABEL_BYTES} are read")
    try:
        version = msgspec.json.decode(value, type=_Version).v
    except UNREADABLE:
        raise BadLabel("not_json", "the value is no JSON object") from None
    if version != CONTRACT_VERSION:
        raise BadLabel("unknown_version", f"this reader supports version {CONTRACT_VERSION}")
    try:
        record = msgspec.json.decode(value, type=LabelRecord)
    except msgspec.ValidationError as error:
        raise BadLabel("bad_field", f"{error}"[:200]) from None
    except UNREADABLE:
        raise BadLabel("not_json", "the value is no JSON object") from None
    if record.market not in MARKETS:
        raise BadLabel("unknown_market", "the market is no assigned ISO 3166-1 alpha-2 code")
    if (key or b"") != key_of_label(record.market, record.id).encode():
        raise BadLabel("bad_key", "the key is not that of market and id")
    return record
