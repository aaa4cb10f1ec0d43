"""Values in Schema Registry's framing, as confluent-kafka writes them."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from streams.bridge.events import Converter
from streams.bridge.schemas import Schemas
from streams.sources.mapped import mapped_form
from streams.sources.mapping_file import load_mapping
from tests.support.framing import framed, read, refusal
from tests.support.schema_registry import SchemaRegistry
from tests.unit.bridge.test_events import record, values

serde = pytest.importorskip(
    "tests.support.serde",
    reason="needs the extra schemas and confluent-kafka's serializers: make setup installs them",
    exc_type=ImportError,
)

CONTEXT = serde.context()
AT = datetime(2026, 11, 30, 12, 0, 0, 250_000, tzinfo=UTC)
AUTHOR = {
    "type": "record", "name": "Author", "namespace": "crm",
    "fields": [{"name": "user", "type": "string"}, {"name": "land", "type": ["null", "string"]}],
}  # fmt: skip
REVIEW = {
    "type": "record", "name": "Review", "namespace": "crm",
    "fields": [
        {"name": "author", "type": "Author"},
        {"name": "body", "type": "string"},
        {"name": "stars", "type": "int"},
        {"name": "millis", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "micros", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "local", "type": {"type": "long", "logicalType": "local-timestamp-millis"}},
        {"name": "hour", "type": {"type": "int", "logicalType": "time-millis"}},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
        {"name": "key", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "channel", "type": {"type": "enum", "name": "Channel", "symbols": ["APP", "WEB"]}},
        {"name": "note", "type": ["null", "string", "long"]},
        {"name": "raw", "type": {"type": "fixed", "name": "Raw", "size": 2}},
        {"name": "tags", "type": {"type": "map", "values": {"type": "array", "items": "string"}}},
    ],
}  # fmt: skip
WRITTEN = {
    "author": {"user": "u1", "land": "BR"}, "body": "lento", "stars": 2, "millis": AT, "micros": AT,
    "local": AT.replace(tzinfo=None), "hour": time(9, 30),
    "day": date(2026, 11, 30), "price": Decimal("12.50"), "key": UUID(int=7), "channel": "WEB", "note": 3,
    "raw": b"\xff\x00", "tags": {"a": ["b"]},
}  # fmt: skip
READ = WRITTEN | {
    "millis": "2026-11-30T12:00:00.250000Z", "micros": "2026-11-30T12:00:00.250000Z",
    "local": "2026-11-30T12:00:00.250000", "hour": "09:30:00", "day": "2026-11-30",
    "price": 12.5, "key": "00000000-0000-0000-0000-000000000007", "raw": "/wA=",
}  # fmt: skip
MAPPING = """
id = "key"
user = "author.user"
[market]
from = "author.land"
[text]
from = "body"
[occurred_at]
from = "millis"
[rating]
from = "stars"
"""


@pytest.fixture
def client(served: SchemaRegistry) -> Iterator[serde.SchemaRegistryClient]:
    with serde.SchemaRegistryClient({"url": served.url}) as made:
        yield made


def avro(
    client: serde.SchemaRegistryClient, schema: object, references: list[serde.SchemaReference] | None = None
) -> Any:
    """A serializer that registers its schema."""
    return serde.AvroSerializer(client, serde.Schema(json.dumps(schema), "AVRO", references or []))


async def test_avro_becomes_what_a_mapping_reads(schemas: Schemas, client: serde.SchemaRegistryClient) -> None:
    """Times, decimals, enumerations, unions and references, a union of references too, and plain schemas."""
    client.register_schema("author", serde.Schema(json.dumps(AUTHOR), "AVRO"))
    author = serde.SchemaReference("crm.Author", "author", 1)
    assert READ == await read(schemas, avro(client, REVIEW, [author])(WRITTEN, CONTEXT))
    client.register_schema("review", serde.Schema(json.dumps(REVIEW), "AVRO", [author]))
    either = [author, serde.SchemaReference("crm.Review", "review", 1)]
    assert READ == await read(schemas, avro(client, ["crm.Author", "crm.Review"], either)(WRITTEN, CONTEXT))
    assert "text" == await read(schemas, avro(client, {"type": "string"})("text", CONTEXT))


async def test_json_schema_is_json(schemas: Schemas, client: serde.SchemaRegistryClient) -> None:
    """Whatever the schema says of it."""
    schema = {"title": "Review", "type": "object", "properties": {"body": {"type": "string"}}}
    serializer = serde.JSONSerializer(json.dumps(schema), client, lambda value, _: value)
    assert {"body": "lento"} == await read(schemas, serializer({"body": "lento"}, CONTEXT))


def messages() -> dict[str, Any]:
    """Classes of two files, of which the second imports the first."""

    def field(name: str, number: int, kind: str | int, label: int = 1, **more: Any) -> Any:
        made = serde.descriptor_pb2.FieldDescriptorProto(name=name, number=number, label=label, **more)
        if isinstance(kind, int):
            made.type = kind  # type: ignore[assignment]
        else:
            made.type_name, made.type = f".{kind}", 14 if kind.endswith("Channel") else 11
        return made

    text, int64, data, boolean = 9, 3, 12, 8
    people = serde.descriptor_pb2.FileDescriptorProto(name="crm/people.proto", package="crm", syntax="proto3")
    people.message_type.add(name="Author", field=[field("user", 1, text), field("land", 2, text)])
    reviews = serde.descriptor_pb2.FileDescriptorProto(
        name="crm/reviews.proto", package="crm", syntax="proto3",
        dependency=["crm/people.proto", "google/protobuf/timestamp.proto", "google/protobuf/wrappers.proto"],
    )  # fmt: skip
    reviews.enum_type.add(name="Channel").value.extend(
        [serde.descriptor_pb2.EnumValueDescriptorProto(name=name, number=n) for n, name in enumerate(("APP", "WEB"))]
    )
    first = reviews.message_type.add(name="Empty")
    assert not first.field
    review = reviews.message_type.add(name="Outer").nested_type.add(
        name="Review",
        field=[
            field("author", 1, "crm.Author"),
            field("body", 2, text),
            field("stars", 3, int64),
            field("millis", 4, "google.protobuf.Timestamp"),
            field("channel", 5, "crm.Channel"),
            field("note", 6, text, oneof_index=0, proto3_optional=True),
            field("seen", 7, boolean),
            field("raw", 8, data),
            field("tags", 9, text, 3),
            field("counts", 10, "crm.Outer.Review.CountsEntry", 3),
            field("size", 11, "google.protobuf.Int64Value"),
        ],
    )
    review.oneof_decl.add(name="_note")
    entry = review.nested_type.add(name="CountsEntry", field=[field("key", 1, text), field("value", 2, int64)])
    entry.options.map_entry = True
    names = ["crm.Empty", "crm.Outer.Review"]
    return dict(zip(names, serde.message_classes(names, people, reviews), strict=True))


async def test_protobuf_becomes_what_a_mapping_reads(schemas: Schemas, client: serde.SchemaRegistryClient) -> None:
    """Nested messages by their indexes, imports, enumerations by name, numbers as numbers, defaults."""
    kinds = messages()
    review = kinds["crm.Outer.Review"](
        author={"user": "u1", "land": "BR"}, body="lento", stars=2**60, channel=1, raw=b"\xff\x00", tags=["a", "b"],
        counts={"x": 3}, size={"value": 7},
    )  # fmt: skip
    review.millis.FromDatetime(AT)
    found = await read(schemas, serde.ProtobufSerializer(kinds["crm.Outer.Review"], client)(review, CONTEXT))
    assert {
        "author": {"user": "u1", "land": "BR"}, "body": "lento", "stars": 2**60, "millis": "2026-11-30T12:00:00.250Z",
        "channel": "WEB", "seen": False, "raw": "/wA=", "tags": ["a", "b"], "counts": {"x": 3}, "size": 7,
    } == found  # fmt: skip
    first = serde.ProtobufSerializer(kinds["crm.Empty"], client)(kinds["crm.Empty"](), CONTEXT)
    assert (b"\0", {}) == (first[5:], await read(schemas, first))


async def test_imports_that_nobody_has(schemas: Schemas, served: SchemaRegistry) -> None:
    """Of options alone they are left out, of types they make the schema one that cannot be used."""
    of_options = served.add("PROTOBUF", serde.descriptor(["confluent/meta.proto"], ".p.A"))
    assert {"f1": [{"f1": [], "f2": []}], "f2": []} == await read(schemas, framed(of_options, b"\0\x0a\0"))
    of_types = served.add("PROTOBUF", serde.descriptor(["other.proto"], ".other.B"))
    assert "unknown_schema" == (await refusal(schemas, framed(of_types, b"\0")))[0]


async def test_a_framed_record_becomes_an_event(
    schemas: Schemas, client: serde.SchemaRegistryClient, tmp_path: Path
) -> None:
    """By a mapping; without a registry it is a dead letter that names the option."""
    client.register_schema("author", serde.Schema(json.dumps(AUTHOR), "AVRO"))
    value = avro(client, REVIEW, [serde.SchemaReference("crm.Author", "author", 1)])(WRITTEN, CONTEXT)
    (file := tmp_path / "crm.toml").write_text(MAPPING)
    form, at_ms = mapped_form(load_mapping(str(file)), ""), int(AT.timestamp() * 1000)
    converter = Converter("c1", form, schemas=schemas, now_ms=lambda: at_ms)
    found = await converter.read(given := record(value))
    assert None is found.letter, found.letter
    (event,) = values(found)
    assert {
        "id": "00000000-0000-0000-0000-000000000007", "market": "BR", "text": "lento", "user": "u1", "rating": 2,
        "occurred_at": "2026-11-30T12:00:00.250Z",
    } == event  # fmt: skip
    plain = record({"key": 1, "author": {"land": "BR"}, "body": "x", "millis": at_ms})
    assert 1 == len((await converter.read(plain)).events)
    letter = Converter("c1").converted(given).letter
    assert letter is not None
    assert ("not_json", True) == (letter.code, "--schema-registry" in letter.message)
