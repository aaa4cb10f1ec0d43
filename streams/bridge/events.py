"""One record of a foreign topic as records of `feedback`, or as a dead letter."""

import itertools
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import msgspec

from marketpulse.contract.decode import Rejected, lenient
from marketpulse.contract.feedback import MAX_VALUE_BYTES, DeadLetterCode
from marketpulse.contract.wire import MAX_ID_CHARACTERS
from streams.batches import DeadLetter
from streams.bridge.envelopes import opened
from streams.bridge.schemas import FRAMED, Schemas
from streams.contract.ids import bounded
from streams.kafka.publish import Record
from streams.kafka.tolerant import unreadable
from streams.sources.json_values import written
from streams.sources.mapped import MappedForm
from streams.telemetry.logs import get_logger

log = get_logger("bridge")
MOST_EVENTS = 1_000
MAX_RECORD_BYTES = 1_048_576
"""Of a foreign record, before it is parsed."""
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
    `envelopes`: whether what they are wrapped in is opened. `schemas`: what reads Schema Registry's framing.
    """

    name: str
    form: MappedForm | None = None
    envelopes: bool = True
    schemas: Schemas | None = None

    async def read(self, record: Any) -> "Converted":
        """What a consumer's record becomes, by its schema where it has one.

        Raises:
            Unavailable: the Schema Registry does not answer.
            OperatorNeeded: it refuses this client, or is none.
        """
        value = record.value or b""
        if self.schemas is None or not value.startswith(FRAMED) or len(value) > MAX_RECORD_BYTES:
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
        refused: list[Rejected] = []
        try:
            if len(record.value) > MAX_RECORD_BYTES:
                raise Rejected("too_large", f"a record has at most {MAX_RECORD_BYTES:,} bytes")
            if framed is None and record.value.startswith(FRAMED):
                raise Rejected("not_json", SCHEMA_REGISTRY)
            value = _content(record.value if framed is None else framed)
            for number, content in enumerate(opened(value) if self.envelopes else [value]):
                if max(number, len(found.events)) >= MOST_EVENTS:
                    raise Rejected(
                        "too_large", f"a record holds at most {MOST_EVENTS:,} events; the others are left out"
                    )
                found.events += self._events(record, number, content, refused)
        except Rejected as why:
            refused.append(why)
        except Exception as error:  # whatever it is in another's record: it must not end the bridge at every start
            log.exception("record_not_read", partition=record.partition, offset=record.offset)
            refused.append(Rejected("bad_value", f"it cannot be read: {type(error).__name__}"))
        if refused:
            more = f", and {len(refused) - 1} more of this record" if len(refused) > 1 else ""
            found.letter = _letter(record, refused[0].code, f"{refused[0]}{more}", record.offset)
        return found

    async def close(self) -> None:
        """End what reads by schemas."""
        if self.schemas is not None:
            await self.schemas.close()

    def _events(self, record: Any, number: int, content: Any, refused: list[Rejected]) -> list[Record]:
        if not isinstance(content, dict):
            refused.append(Rejected("not_an_object", "the record is JSON, but not an object"))
            return []
        place = f"{self.name}/{record.topic}/"
        if self.form is None:
            fields = [content]
        else:
            own = {name: value for name, value in content.items() if name.partition(".")[0] != "kafka"}

            def refuse(_: int, why: str) -> None:
                refused.append(Rejected("bad_value", why))

            mapped = self.form.events([(number, own | {"kafka": _kafka(record)})], refuse)
            fields = list(itertools.islice(mapped, MOST_EVENTS))
            if next(mapped, None) is not None:
                refuse(number, f"its list has more than {MOST_EVENTS:,} events; the others are left out")
        if any(str(event.get("id")).startswith(place) for event in fields):
            refused.append(Rejected("bad_value", "id: it has the form of those that a bridge gives by the place"))
            return []
        given = f"{place}{record.partition}/{record.offset}" + (f"/{number}" if number else "")
        identity = {"id": bounded(given, MAX_ID_CHARACTERS)}
        fields = [event if event.get("id") is not None else event | identity for event in fields]
        events = list(map(written, fields))
        if large := [event for event in events if len(event.value) > MAX_VALUE_BYTES]:
            refused += [Rejected("too_large", f"an event has at most {MAX_VALUE_BYTES:,} bytes")] * len(large)
        return [event for event in events if len(event.value) <= MAX_VALUE_BYTES]


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
