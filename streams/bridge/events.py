"""One record of a foreign topic as records of `feedback`, or as a dead letter."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import msgspec

from marketpulse.contract.decode import Rejected, decode, lenient
from marketpulse.contract.feedback import DeadLetterCode, FeedbackEvent
from marketpulse.contract.wire import MAX_ID_CHARACTERS
from streams.batches import DeadLetter
from streams.bridge.envelopes import opened
from streams.bridge.schemas import FRAMED, Schemas
from streams.clock import epoch_ms
from streams.contract.ids import bounded
from streams.kafka.publish import Record
from streams.kafka.tolerant import unreadable
from streams.sources.json_values import written
from streams.sources.mapped import MappedForm
from streams.telemetry.logs import get_logger

log = get_logger("bridge")
MOST_EVENTS, MOST_EVENT_BYTES = 1_000, 4_194_304
"""What a record may give: a mapping may put what is beside a list into every event of it."""
MAX_RECORD_BYTES = 1_048_576
"""Of a foreign record's key and value, before they are parsed."""
BY_PLACE = "bridge:"
"""Begins the id of an event that is known by its place in the foreign topic; no record may bring such an id."""
FIELDS = tuple(field.name for field in msgspec.structs.fields(FeedbackEvent))
_any = msgspec.json.Decoder()
_BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError)
SCHEMA_REGISTRY = (
    "the value begins with byte 0, as Schema Registry frames Avro, Protobuf and JSON Schema, and there is no "
    "--schema-registry"
)


@dataclass(frozen=True)
class Converter:
    """How records of one topic become events.

    `name`: of the source, in ids of events that have none. `form`: of a mapping; None = they are of the contract.
    `envelopes`: whether what they are wrapped in is opened. `schemas`: what reads Schema Registry's framing. `now_ms`:
    the clock (epoch ms) that events are judged by, as workers will.
    """

    name: str
    form: MappedForm | None = None
    envelopes: bool = True
    schemas: Schemas | None = None
    now_ms: Callable[[], int] = epoch_ms

    async def read(self, record: Any) -> "Converted":
        """What a consumer's record becomes, by its schema where it has one.

        Raises:
            Unavailable: the Schema Registry does not answer.
            OperatorNeeded: it refuses this client, or is none.
        """
        value = record.value or b""
        large = len(value) + len(record.key or b"") > MAX_RECORD_BYTES
        if self.schemas is None or not value.startswith(FRAMED) or large:
            return self.converted(record)
        try:
            return self.converted(record, await self.schemas.json_of(value))
        except Rejected as why:
            return self.converted(record, why)

    def converted(self, record: Any, framed: bytes | Rejected | None = None) -> "Converted":
        """What a consumer's record becomes; `framed`: the JSON of what Schema Registry frames, or why there is none."""
        found = Converted(record.offset + 1)
        if (stretch := unreadable(record)) is not None:
            found.letter = _letter(record, "unreadable_batch", stretch.why, stretch.first, stretch.last)
            return found
        if record.value is None:
            return found
        refused = _Refused()
        try:
            if len(record.value) + len(record.key or b"") > MAX_RECORD_BYTES:
                raise Rejected("too_large", f"key and value of a record have at most {MAX_RECORD_BYTES:,} bytes")
            if framed is None and record.value.startswith(FRAMED):
                raise Rejected("not_json", SCHEMA_REGISTRY)
            value = _content(record.value if framed is None else framed)
            contents = opened(value) if self.envelopes else iter([value])
            found.events = self._events(record, contents, refused)
        except Rejected as why:
            refused.add(why)
        except Exception as error:  # whatever it is in another's record: it must not end the bridge at every start
            log.exception("record_not_read", partition=record.partition, offset=record.offset)
            refused.add(Rejected("bad_value", f"it cannot be read: {type(error).__name__}"))
        if refused.first is not None:
            more = f", and {refused.number - 1} more of this record" if refused.number > 1 else ""
            found.letter = _letter(record, refused.first.code, f"{refused.first}{more}", record.offset)
        return found

    async def close(self) -> None:
        """End what reads by schemas."""
        if self.schemas is not None:
            await self.schemas.close()

    def _events(self, record: Any, contents: Iterator[Any], refused: "_Refused") -> list[Record]:
        """Events as a worker takes them; of what comes behind the first thousand, events or not, none is looked at."""
        known, now_ms = {"kafka": _kafka(record)}, self.now_ms()
        place = f"{record.topic}/{record.partition}/{record.offset}"
        events: list[Record] = []
        left, room = MOST_EVENTS, MOST_EVENT_BYTES
        for number, content in enumerate(contents):
            if left == 0:
                refused.add(
                    Rejected("too_large", f"a record holds at most {MOST_EVENTS:,} events; the others are left out")
                )
                break
            fields, looked_at = self._fields(number, content, known, left, refused)
            left -= looked_at
            for event in fields:
                if str(event.get("id")).startswith(BY_PLACE):
                    refused.add(Rejected("bad_value", f"id: {BY_PLACE} begins those that a bridge gives by the place"))
                    continue
                if event.get("id") is None:
                    name = f"{self.name}/{place}" + (f"/{number}" if number else "")
                    event["id"] = BY_PLACE + bounded(name, MAX_ID_CHARACTERS - len(BY_PLACE))
                one = written(event)
                try:
                    decode(one.value, now_ms)
                except Rejected as why:
                    refused.add(why)
                    continue
                room -= len(one.value)
                if room < 0:
                    most = f"the events of a record have at most {MOST_EVENT_BYTES:,} bytes"
                    refused.add(Rejected("too_large", f"{most}; the others are left out"))
                    return events
                events.append(one)
        return events

    def _fields(
        self, number: int, content: Any, known: dict[str, Any], most: int, refused: "_Refused"
    ) -> tuple[list[dict[str, Any]], int]:
        """Fields of the contract that a value holds, of each event of it, and how many were looked at, at most `most`.

        Nothing else goes over, so that a worker sees in an event what was looked at here.
        """
        if not isinstance(content, dict):
            refused.add(Rejected("not_an_object", "the record is JSON, but not an object"))
            return [], 1
        if self.form is None:
            return [{name: content[name] for name in FIELDS if content.get(name) is not None}], 1

        def refuse(_: int, why: str) -> None:
            refused.add(Rejected("bad_value", why))

        before = refused.number
        events = list(self.form.events([(number, content)], refuse, most, known))
        return events, max(1, len(events) + refused.number - before)


class _Refused:
    """Why parts of a record are none: the first reason, and how many there are."""

    def __init__(self) -> None:
        self.first: Rejected | None = None
        self.number = 0

    def add(self, why: Rejected) -> None:
        self.first = self.first or why
        self.number += 1


@dataclass
class Converted:
    """Events of a record, and the dead letter of what cannot become one; neither of a tombstone or a delete.

    `next_offset`: the record's own plus one.
    """

    next_offset: int
    events: list[Record] = field(default_factory=list)
    letter: DeadLetter | None = None


def _content(value: bytes | Rejected) -> Any:
    """The JSON of a record. Raises Rejected."""
    if isinstance(value, Rejected):
        raise value
    try:
        return _any.decode(value)
    except _BROKEN:
        return lenient(value)


def _kafka(record: Any) -> dict[str, Any]:
    """What a mapping may read of a record beside its value: `kafka.timestamp` and so on."""
    key = record.key
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": None if key is None else key.decode("utf-8", "replace"),
    }


def _letter(record: Any, code: DeadLetterCode, why: str, offset: int, last_offset: int | None = None) -> DeadLetter:
    """Where the record is and why it is none, without its bytes: they are another team's, and what erases a user here
    would not find them in another form."""
    value = record.value or b""
    return DeadLetter(
        code, why, record.partition, offset, None, None, (), record.timestamp or 0, last_offset,
        cut=("value",), value_bytes=len(value), value_sha256=sha256(value).hexdigest(),
    )  # fmt: skip
