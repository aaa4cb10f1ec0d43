"""Kafka record bytes in, a checked feedback event or one coded rejection out."""

import re
from codecs import BOM_UTF8
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from marketpulse.contract.feedback import (
    EARLIEST_MS,
    LATEST_MS,
    MAX_ATTRIBUTES,
    MAX_TEXT_CHARACTERS,
    MAX_VALUE_BYTES,
    DeadLetterCode,
    FeedbackEvent,
)
from marketpulse.contract.markets import MARKETS, market_code
from marketpulse.contract.units import DAY_MS, MINUTE_MS
from marketpulse.contract.wire import CONTRACT_VERSION, MAX_ID_CHARACTERS
from marketpulse.errors import MarketpulseError

TOO_LATE_MS = 7 * DAY_MS
FROM_THE_FUTURE_MS = 5 * MINUTE_MS
SMALL = 1_000  # a version up to here is quoted; what is larger may be anything

_event_decoder = msgspec.json.Decoder(FeedbackEvent)
_any_decoder = msgspec.json.Decoder()

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_SURROGATES = re.compile(  # pairs before halves, after an even number of backslashes
    rb"(?<!\\)((?:\\\\)*)"
    rb"(?:(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)

_OPTIONAL_TYPES: dict[str, type] = {"user": str, "lang": str, "rating": int, "channel": str, "attributes": dict}


Headers = Sequence[tuple[str, bytes]]


class Rejected(MarketpulseError):
    """The record breaks the contract: `code` is stable, the message names field and rule, never the text itself."""

    def __init__(self, code: DeadLetterCode, message: str) -> None:
        super().__init__(message)
        self.code: DeadLetterCode = code


class Decoded(NamedTuple):
    """One accepted event: `market` is assigned, `text` trimmed and within bounds, `occurred_ms` UTC epoch ms."""

    id: str
    market: str
    text: str
    occurred_ms: int
    user: str | None
    lang: str | None
    rating: int | None


def decode(value: bytes | None, record_ms: int, headers: Headers = ()) -> Decoded:
    """Decode one `feedback` value: plain, or a CloudEvent 1.0 in structured or binary mode.

    Args:
        value: the Kafka message value; None is a tombstone.
        record_ms: the record's own Kafka timestamp in epoch ms; late and future are judged against it.
        headers: the record's headers; `ce_*` make it a CloudEvent in binary mode.

    Raises:
        Rejected: the value breaks the contract; nothing else is ever raised, whatever the bytes.
    """
    if not value:
        raise Rejected("empty_value", "the record has no value")
    if len(value) > MAX_VALUE_BYTES:
        raise Rejected("too_large", f"the value has {len(value)} bytes, at most {MAX_VALUE_BYTES} are taken")
    try:
        event = _event_decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError):
        event = _second_look(value, record_ms, headers)
    if event.v != CONTRACT_VERSION:
        raise _unknown_version(event.v)
    market = event.market
    if market not in MARKETS:
        market = market_code(market) or ""
        if not market:
            raise Rejected("unknown_market", "market is not an assigned ISO 3166-1 alpha-2 code")
    text = event.text.strip()
    if not text:
        raise Rejected("text_empty", "text is empty after trimming")
    if len(text) > MAX_TEXT_CHARACTERS:
        raise Rejected("text_too_long", f"text has {len(text)} characters, at most {MAX_TEXT_CHARACTERS} are taken")
    if event.attributes and len(event.attributes) > MAX_ATTRIBUTES:
        raise Rejected("bad_value", f"attributes has {len(event.attributes)} entries, at most {MAX_ATTRIBUTES}")
    occurred_ms = _epoch_ms(event.occurred_at)
    if record_ms - occurred_ms > TOO_LATE_MS:
        raise Rejected("too_late", "occurred_at is more than 7 days before the record's own time")
    if occurred_ms - record_ms > FROM_THE_FUTURE_MS:
        raise Rejected("from_the_future", "occurred_at is more than 5 minutes after the record's own time")
    return Decoded(event.id, market, text, occurred_ms, event.user or None, event.lang, event.rating)


def _epoch_ms(occurred_at: datetime | int) -> int:
    """UTC epoch milliseconds of a decoded `occurred_at`; raises Rejected `bad_time`."""
    if isinstance(occurred_at, datetime):
        if occurred_at.tzinfo is None:
            raise Rejected("bad_time", "occurred_at has no offset from UTC")
        try:
            return int(occurred_at.timestamp() * 1000)
        except (OverflowError, ValueError):
            raise Rejected("bad_time", "occurred_at lies outside the calendar") from None
    if not EARLIEST_MS <= occurred_at <= LATEST_MS:
        raise Rejected("bad_time", "occurred_at is a number, but not epoch milliseconds")
    return occurred_at


def _unknown_version(version: object) -> Rejected:
    small = isinstance(version, int) and abs(version) < SMALL
    return Rejected("unknown_version", f"v is {version if small else 'large'}, this reader knows {CONTRACT_VERSION}")


def _second_look(value: bytes, record_ms: int, headers: Headers) -> FeedbackEvent:
    """The event inside a CloudEvent, or written in another way; else Rejected with the first rule that it breaks."""
    try:
        content = _any_decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError):
        content = lenient(value)
    if not isinstance(content, dict):
        raise Rejected("not_an_object", "the value is JSON, but not an object")
    content = _without_envelope(content, record_ms, headers)
    given = {name: _whole(one) for name, one in content.items() if one is not None}
    _check_fields(given)
    given["occurred_at"] = time_ms(given["occurred_at"])
    try:
        return msgspec.convert(given, FeedbackEvent)
    except (msgspec.ValidationError, RecursionError) as error:
        raise Rejected("bad_value", f"a field is outside its bounds: {_path_of(error)}") from None


def lenient(value: bytes) -> Any:
    """JSON after a byte order mark, or with half of a surrogate pair (a text cut by JavaScript), read as U+FFFD."""
    whole = repaired(value)
    if whole is value:
        raise Rejected("not_json", "the value is not UTF-8 JSON")
    try:
        return _any_decoder.decode(whole)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError):
        raise Rejected("not_json", "the value is not UTF-8 JSON") from None


def repaired(value: bytes) -> bytes:
    """The JSON without a byte order mark, half of a surrogate pair as U+FFFD; the same object if it has neither."""
    whole = value.removeprefix(BOM_UTF8)
    return _SURROGATES.sub(_whole_pair, whole) if _SURROGATE.search(whole) else whole


def _whole_pair(found: "re.Match[bytes]") -> bytes:
    backslashes, pair = found.groups()
    return found.group() if pair else backslashes + rb"\ufffd"


def _whole(value: Any) -> Any:
    """A whole number that was written with a decimal point, `5.0`, is that number, as in JSON Schema."""
    return int(value) if type(value) is float and value.is_integer() else value


def _without_envelope(content: dict[str, Any], record_ms: int, headers: Headers) -> dict[str, Any]:
    """The data of a CloudEvent, whose identity and time stand in where the data has no `id` and `occurred_at`."""
    envelope: dict[str, Any] = {}
    if "specversion" in content and isinstance(content.get("data"), dict):
        envelope, content = content, content["data"]
    elif headers:
        envelope = {
            name[3:]: text.decode("utf-8", "replace") for name, text in headers if name.startswith("ce_") and text
        }
    if "specversion" not in envelope:
        return content
    if envelope["specversion"] != "1.0":
        raise Rejected("unknown_version", "specversion of the CloudEvent is not 1.0")
    stand_in = {"id": _identity(envelope), "occurred_at": envelope.get("time", record_ms)}
    return stand_in | {name: value for name, value in content.items() if value is not None}


def _identity(envelope: dict[str, Any]) -> Any:
    """A CloudEvent is known by source and id together; by their SHA-256 where both are longer than an id may be."""
    own, source = envelope.get("id"), envelope.get("source")
    if not isinstance(own, str) or not isinstance(source, str) or not own or not source:
        return own
    both = f"{source} {own}"
    return both if len(both) <= MAX_ID_CHARACTERS else f"sha256:{sha256(both.encode('utf-8', 'replace')).hexdigest()}"


def _check_fields(content: dict[str, Any]) -> None:
    version = content.get("v", CONTRACT_VERSION)
    if type(version) is not int:
        raise Rejected("bad_type", "v must be an integer")
    if version != CONTRACT_VERSION:
        raise _unknown_version(version)
    for name in ("id", "market", "text", "occurred_at"):
        if content.get(name) is None:
            raise Rejected("missing_field", f"{name} is missing")
    for name in ("id", "market", "text"):
        if type(content[name]) is not str:
            raise Rejected("bad_type", f"{name} must be a string")
    time_ms(content["occurred_at"])
    for name, expected in _OPTIONAL_TYPES.items():
        if content.get(name) is not None and type(content[name]) is not expected:
            raise Rejected("bad_type", f"{name} must be of type {expected.__name__}")
    attributes = content.get("attributes") or {}
    if any(type(item) is not str for item in attributes.values()):
        raise Rejected("bad_type", "attributes must hold strings")


def time_ms(occurred_at: object) -> int:
    """UTC epoch milliseconds of a time in any spelling of ISO 8601 with an offset, or of a whole number of them."""
    if type(occurred_at) is int:
        return _epoch_ms(occurred_at)
    if type(occurred_at) is float:
        raise Rejected("bad_time", "occurred_at must be a time with offset or whole epoch milliseconds")
    if type(occurred_at) is not str:
        raise Rejected("bad_type", "occurred_at must be a string or an integer")
    written = occurred_at.strip()
    try:
        return _epoch_ms(msgspec.convert(written, datetime))
    except msgspec.ValidationError:
        pass
    try:
        return _epoch_ms(datetime.fromisoformat(written.upper()))
    except ValueError:
        raise Rejected("bad_time", "occurred_at is not an RFC 3339 time with an offset") from None


def _path_of(error: Exception) -> str:
    """The field that msgspec names in its message (`... - at `$.rating``), without any value."""
    return str(error).rpartition("`$.")[2].rstrip("`") or "unknown field"


def utc(epoch_ms: int) -> str:
    """RFC 3339 text of epoch milliseconds, in UTC with milliseconds."""
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_json = msgspec.json.Decoder()


def parse_object(line: bytes) -> dict[str, Any] | None:
    """The line as a JSON object, or None."""
    try:
        content = _json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def key_of(fields: dict[str, Any] | None) -> bytes | None:
    """Kafka key of an event: its user, else its id, where that is a string."""
    for name in ("user", "id"):
        value = (fields or {}).get(name)
        if isinstance(value, str) and value:
            return value.encode("utf-8", "replace")
    return None
