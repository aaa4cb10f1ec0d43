"""A feedback event, its bounds, and the codes of what breaks them."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from marketpulse.contract.wire import CONTRACT_VERSION, MAX_ID_CHARACTERS, Identifier, ShortText

MAX_VALUE_BYTES = 262_144
MAX_TEXT_CHARACTERS = 8_192
MAX_ATTRIBUTES = 32

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
]


class FeedbackEvent(msgspec.Struct, frozen=True, gc=False):
    """One message of a user, as producers publish it to `feedback` (unknown fields are ignored)."""

    id: Identifier
    market: str
    text: str
    occurred_at: datetime | int
    v: int = CONTRACT_VERSION
    user: Annotated[str, msgspec.Meta(max_length=MAX_ID_CHARACTERS)] | None = None
    lang: Annotated[str, msgspec.Meta(max_length=35)] | None = None
    rating: Annotated[int, msgspec.Meta(ge=1, le=5)] | None = None
    channel: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    attributes: dict[ShortText, ShortText] | None = None
