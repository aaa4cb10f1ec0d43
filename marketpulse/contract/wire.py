"""What all records share: version, lengths, encoding."""

from typing import Annotated

import msgspec

CONTRACT_VERSION = 1
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError)
"""What decoding bytes can raise, whoever wrote them: not UTF-8, too deep, too large, or against the contract."""


MAX_ID_CHARACTERS = 128


Identifier = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID_CHARACTERS)]
ShortText = Annotated[str, msgspec.Meta(max_length=256)]


def encode(record: msgspec.Struct) -> bytes:
    """The record as compact UTF-8 JSON with a stable order of fields."""
    return msgspec.json.encode(record)
