"""A feedback event, its bounds, and the codes of what breaks them."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from marketpulse.contract.markets import MARKETS
from marketpulse.contract.wire import CONTRACT_VERSION, MAX_ID_CHARACTERS, Identifier, ShortText, described

MAX_VALUE_BYTES = 262_144
MAX_TEXT_CHARACTERS = 8_192
MAX_ATTRIBUTES = 32
EARLIEST_MS = 0
LATEST_MS = 7_258_118_400_000  # year 2200: beyond it a number is no epoch milliseconds (nanoseconds, say)

DeadLetterCode = Literal[
    "not_json",
    "not_an_object",
    "empty_value",
    "too_large",
    "unknown_version",
    "missing_field",
    "bad_type",
    "bad_value",
    "unknown_market",
    "text_empty",
    "text_too_long",
    "bad_time",
    "too_late",
    "from_the_future",
    "model_failed",
    "bad_profile",
    "unreadable_batch",
    "unknown_schema",
]


_DATE_TIME = (
    "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,6})?"
    "(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
_NOT_BLANK = r"[^\s\u001c-\u001f\u0085\ufeff]"
_Time = Annotated[
    datetime,
    msgspec.Meta(
        description="RFC 3339 with an offset from UTC", extra_json_schema={"format": "date-time", "pattern": _DATE_TIME}
    ),
]
_EpochMs = Annotated[
    int,
    msgspec.Meta(description="epoch ms", extra_json_schema={"minimum": EARLIEST_MS, "maximum": LATEST_MS}),
]


class FeedbackEvent(msgspec.Struct, frozen=True, gc=False):
    """One message of a user, as producers publish it to `feedback`; unknown fields are ignored.

    At most 262,144 bytes; `occurred_at` from 7 days before the record's own time to 5 minutes after it.
    """

    id: Annotated[Identifier, described("its own: a second event with the same id is not counted")]
    market: Annotated[str, described("ISO 3166-1 alpha-2 code", enum=sorted(MARKETS))]
    text: Annotated[
        str, described("what the user wrote", minLength=1, maxLength=MAX_TEXT_CHARACTERS, pattern=_NOT_BLANK)
    ]
    occurred_at: _Time | _EpochMs
    v: Annotated[int, described("version of the contract", const=CONTRACT_VERSION)] = CONTRACT_VERSION
    user: (
        Annotated[str, msgspec.Meta(max_length=MAX_ID_CHARACTERS, description="one and the same for one user")] | None
    ) = None
    lang: (
        Annotated[str, msgspec.Meta(max_length=35, description="BCP 47 tag of the text, as pt-BR; pt_BR is understood")]
        | None
    ) = None
    rating: Annotated[int, msgspec.Meta(ge=1, le=5, description="stars, 5 = best")] | None = None
    channel: Annotated[str, msgspec.Meta(max_length=64, description="where it was written")] | None = None
    attributes: (
        Annotated[dict[ShortText, ShortText], described("anything else", maxProperties=MAX_ATTRIBUTES)] | None
    ) = None
