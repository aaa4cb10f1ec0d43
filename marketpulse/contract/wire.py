"""What all records share: version, lengths, encoding."""

from typing import Annotated, Any

import msgspec

CONTRACT_VERSION = 1
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError)
"""What decoding bytes can raise, whoever wrote them: not UTF-8, too deep, too large, or against the contract."""


MAX_ID_CHARACTERS = 128
MAX_SHORT_CHARACTERS = 256


Identifier = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID_CHARACTERS)]
ShortText = Annotated[str, msgspec.Meta(max_length=MAX_SHORT_CHARACTERS)]


def described(description: str, **schema: Any) -> msgspec.Meta:
    """What the JSON Schema says of a field; `schema` is for readers of it: decoding does not look at it."""
    return msgspec.Meta(description=description, extra_json_schema=schema or None)


MarketCode = Annotated[str, described("ISO 3166-1 alpha-2 code of the market")]
EpochMs = Annotated[int, described("epoch ms")]
Version = Annotated[int, described("version of the contract; absent means 1")]
Label = Annotated[str, described("sentiment", enum=["negative", "neutral", "positive"])]
Evidence = Annotated[dict[str, Any], described("what it rests on; which fields there are depends on the kind")]


def encode(record: msgspec.Struct) -> bytes:
    """The record as compact UTF-8 JSON with a stable order of fields."""
    return msgspec.json.encode(record)
