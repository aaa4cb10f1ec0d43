"""A dead letter as it may be shown: chosen fields of the contract alone, texts redacted, nothing that names a user."""

import re
from typing import Any

import msgspec

from marketpulse.contract.decode import parse_object
from marketpulse.contract.feedback import FeedbackEvent
from marketpulse.contract.markets import market_code
from streams.batches import LARGEST_LETTER_BYTES
from streams.kafka.dead_letters import RejectedRecord
from streams.privacy.redaction import redact
from streams.privacy.visible import visible

TEXT_CHARACTERS = 2_000
BYTES_LOOKED_AT = 8_000
LARGEST_NUMBER = 1_000
SHORT = 4  # characters of an id
TOPIC_CHARACTERS = 249
"""Of Kafka's names of topics, at most."""
_TIME = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?: ?(?:Z|[+-]\d\d(?::?\d\d)?))?)?")
LATEST_MS = 7_289_654_400_000
"""The year 2201 in epoch ms: a longer number is no time, and may be a card's."""
_WORD = re.compile(r"\w+")
_LETTER = re.compile(r"[^\W\d_]")
_DIGIT = re.compile(r"\d")
_CODE = re.compile(r"[A-Za-z*]{1,3}(-[A-Za-z]{2,4})?")
_FIELDS = frozenset((*FeedbackEvent.__struct_fields__, "specversion", "data", "source", "type", "subject", "time"))


def letter_text(one: RejectedRecord) -> str:
    """The value: of JSON the chosen fields, of anything else its shape, letters as x and digits as 9.

    It may take 50 ms for what somebody wrote for that: beside a loop that has other work, in a thread.
    """
    value = one.value or b""
    event = parse_object(value) if len(value) <= LARGEST_LETTER_BYTES else None
    if event is None:
        return _shape(value[:BYTES_LOOKED_AT].decode("utf-8", "replace"))
    return msgspec.json.format(msgspec.json.encode(_chosen(event)), indent=2).decode()


def letter_message(one: RejectedRecord) -> str:
    """Why it was rejected; the header that says it could have been written by anybody who may write the topic."""
    return redact(one.message)


def letter_topic(one: RejectedRecord) -> str:
    """The topic it came from, as its header says."""
    return redact(one.source_topic[:TOPIC_CHARACTERS])


def letter_market(one: RejectedRecord) -> str | None:
    """Its market where that is a code, or could have been meant as one; a longer text as its length."""
    return None if one.market is None else _market(one.market)


def _chosen(event: dict[str, Any]) -> dict[str, Any]:
    envelope = {}
    if "specversion" in event and isinstance(event.get("data"), dict):
        envelope = {name: shown for name in ("id", "time") if (shown := _value(name, event.get(name))) is not None}
        event = event["data"]
    found = {name: shown for name in CHOSEN if (shown := _value(name, event.get(name))) is not None}
    if (user := event.get("user")) is not None:
        envelope, found = _without(envelope, str(user)), _without(found, str(user)) | {"user": "[user]"}
    hidden = len(event) - len(found)
    if hidden:
        found["fields not shown"] = hidden
    return {"CloudEvent": envelope, "data": found} if envelope else found


def _without(found: dict[str, Any], user: str) -> dict[str, Any]:
    """What is shown where another field has the user's id too; a short one may be any word or number."""
    if len(user) < SHORT:
        return found
    return {
        name: shown if name == "market" else "[user]" if str(shown) == user
        else shown.replace(user, "[user]") if isinstance(shown, str) else shown
        for name, shown in found.items()
    }  # fmt: skip


def _value(name: str, value: object) -> object:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        largest = LATEST_MS if name in ("occurred_at", "time") else LARGEST_NUMBER
        return value if abs(value) <= largest else "[number]"
    if not isinstance(value, str):
        return "[object]" if isinstance(value, dict) else "[list]"
    return CHOSEN[name](value)


def _market(text: str) -> str:
    return text if _CODE.fullmatch(text) or market_code(text) else f"[{len(text)} characters]"


def _time(text: str) -> str:
    return text if _TIME.fullmatch(text) else _text(text)


def _text(text: str) -> str:
    return redact(text[:TEXT_CHARACTERS])


CHOSEN = {"id": _text, "market": _market, "lang": _market, "rating": _text, "occurred_at": _time, "text": _text,
          "time": _time}  # fmt: skip
"""Fields that are shown, and how a string in them is; every other one, and all that lies deeper, is counted alone."""


def _shape(text: str) -> str:
    """What could not be read, so that its mistake is seen and no word of it but names of fields."""
    return _WORD.sub(lambda word: word[0] if word[0] in _FIELDS else _masked(word[0]), visible(text))


def _masked(word: str) -> str:
    return _DIGIT.sub("9", _LETTER.sub("x", word))
