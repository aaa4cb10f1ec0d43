"""Values in Schema Registry's framing, as confluent-kafka writes them, and what nobody's serializer would write."""

import base64
import json
import os
import signal
import ssl
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import trustme

from marketpulse.contract.decode import Rejected
from marketpulse.errors import OperatorNeeded, Unavailable
from streams.bridge import registry as registry_module
from streams.bridge import schemas as schemas_module
from streams.bridge.events import Converter
from streams.bridge.registry import MAX_SCHEMA_BYTES, Access, Registry
from streams.bridge.schemas import MAX_SCHEMAS, REFUSED_S, Schemas, require_libraries
from streams.errors import BadInput
from streams.sources.mapped import mapped_form
from streams.sources.mapping_file import load_mapping
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
def served() -> Iterator[SchemaRegistry]:
    with SchemaRegistry() as running:
        yield running


@pytest.fixture
async def schemas(served: SchemaRegistry) -> AsyncIterator[Schemas]:
    made = Schemas(Registry(Access(served.url)))
    yield made
    await made.close()


@pytest.fixture
def client(served: SchemaRegistry) -> Iterator[serde.SchemaRegistryClient]:
    with serde.SchemaRegistryClient({"url": served.url}) as made:
        yield made


async def read(schemas: Schemas, value: bytes | None) -> Any:
    """What a framed value becomes."""
    assert value is not None
    return json.loads(await schemas.json_of(value))


async def refusal(schemas: Schemas, value: bytes) -> tuple[str, str]:
    with pytest.raises(Rejected) as caught:
        await read(schemas, value)
    return caught.value.code, str(caught.value)


def framed(number: int, value: bytes) -> bytes:
    return b"\0" + number.to_bytes(4, "big") + value


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


def descriptor(dependency: list[str], kind: str, fields: int = 1) -> str:
    """The base64 of a file whose message has repeated fields of a kind, and further ones of itself."""
    file = serde.descriptor_pb2.FileDescriptorProto(name="a", package="p", syntax="proto3", dependency=dependency)
    made = [
        serde.descriptor_pb2.FieldDescriptorProto(name=f"f{n}", number=n, label=3, type=11, type_name=name)
        for n, name in enumerate((kind, *[".p.A"] * fields), 1)
    ]
    file.message_type.add(name="A", field=made)
    return base64.b64encode(file.SerializeToString()).decode()


async def test_imports_that_nobody_has(schemas: Schemas, served: SchemaRegistry) -> None:
    """Of options alone they are left out, of types they make the schema one that cannot be used."""
    of_options = served.add("PROTOBUF", descriptor(["confluent/meta.proto"], ".p.A"))
    assert {"f1": [{"f1": [], "f2": []}], "f2": []} == await read(schemas, framed(of_options, b"\0\x0a\0"))
    of_types = served.add("PROTOBUF", descriptor(["other.proto"], ".other.B"))
    assert "unknown_schema" == (await refusal(schemas, framed(of_types, b"\0")))[0]


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        pytest.param(2_000, b"\x0a\0" * 500_000, id="empty messages of many fields"),
        pytest.param(1, b"\x0a\0" * 500_000, id="as JSON"),
        pytest.param(1, b"\x0b" * 1_000_000, id="groups a million deep"),
    ],
)
async def test_protobuf_costs_itself_too(
    schemas: Schemas, served: SchemaRegistry, monkeypatch: pytest.MonkeyPatch, fields: int, value: bytes
) -> None:
    """What its messages would take in memory, and how deep they are."""
    monkeypatch.setattr(schemas_module, "MEMORY_BYTES", 100_000_000)
    number, other = served.add("PROTOBUF", descriptor([], ".p.A", fields)), served.add("AVRO", '"string"')
    code, why = await refusal(schemas, framed(number, b"\0" + value))
    assert code in ("too_large", "bad_value"), why
    assert "a" == await read(schemas, framed(other, b"\2a"))


async def test_a_framed_record_becomes_an_event(
    schemas: Schemas, client: serde.SchemaRegistryClient, tmp_path: Path
) -> None:
    """By a mapping; without a registry it is a dead letter that names the option."""
    client.register_schema("author", serde.Schema(json.dumps(AUTHOR), "AVRO"))
    value = avro(client, REVIEW, [serde.SchemaReference("crm.Author", "author", 1)])(WRITTEN, CONTEXT)
    (file := tmp_path / "crm.toml").write_text(MAPPING)
    converter = Converter("c1", mapped_form(load_mapping(str(file)), ""), schemas=schemas)
    found = await converter.read(given := record(value))
    assert None is found.letter, found.letter
    (event,) = values(found)
    assert {
        "id": "00000000-0000-0000-0000-000000000007", "market": "BR", "text": "lento", "user": "u1", "rating": 2,
        "occurred_at": "2026-11-30T12:00:00.250Z",
    } == event  # fmt: skip
    plain = record({"key": 1, "author": {"land": "BR"}, "body": "x", "millis": 1_700_000_000})
    assert 1 == len((await converter.read(plain)).events)
    letter = Converter("c1").converted(given).letter
    assert letter is not None
    assert ("not_json", True) == (letter.code, "--schema-registry" in letter.message)


async def test_what_the_registry_does_not_know_is_a_dead_letter(served: SchemaRegistry) -> None:
    """Which is asked for again after a minute."""
    now = [0.0]
    schemas = Schemas(Registry(Access(served.url)), lambda: now[0])
    converter = Converter("c1", schemas=schemas)
    given = record(framed(1, b"\2a"))
    for _ in range(2):
        letter = (await converter.read(given)).letter
        assert letter is not None
        assert ("unknown_schema", "the Schema Registry knows no schema 1") == (letter.code, letter.message)
    assert 1 == len(served.asked)
    assert 1 == served.add("AVRO", '"string"')
    now[0] = REFUSED_S
    assert "a" == await read(schemas, given.value)
    await schemas.close()


NULLS = {"type": "array", "items": "null"}
LIST = {"type": "record", "name": "L", "fields": [{"name": "next", "type": ["null", "L"]}]}
NOTHING = {"type": "record", "name": "N0", "fields": []}
LAUGHS: dict[str, Any] = NOTHING
for _depth in range(1, 40):
    LAUGHS = {
        "type": "record", "name": f"N{_depth}",
        "fields": [{"name": "a", "type": LAUGHS}, {"name": "b", "type": f"N{_depth - 1}"}],
    }  # fmt: skip
ENUM = {
    "type": "array",
    "items": {"type": "enum", "name": "E", "symbols": ["x" * 500_000]},
}


def varint(number: int) -> bytes:
    """Avro's form of a long."""
    number <<= 1
    parts = []
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        pytest.param(NULLS, varint(2**60) + b"\0", id="2^60 nulls"),
        pytest.param({"type": "array", "items": NOTHING}, varint(2**60) + b"\0", id="2^60 empty records"),
        pytest.param(LIST, b"\2" * 1_000_000 + b"\0", id="a million deep"),
        pytest.param(LAUGHS, b"", id="2^40 records of no byte"),
        pytest.param(ENUM, varint(500_000) + bytes(500_001), id="long symbols"),
        pytest.param({"type": "array", "items": "boolean"}, varint(1_000_000) + bytes(1_000_001), id="as JSON"),
    ],
)
async def test_what_would_take_all_memory_is_too_large(
    schemas: Schemas, served: SchemaRegistry, monkeypatch: pytest.MonkeyPatch, schema: Any, value: bytes
) -> None:
    """It costs itself: the next value is read. With less memory than in use, which is filled sooner."""
    monkeypatch.setattr(schemas_module, "MEMORY_BYTES", 100_000_000)
    number, other = served.add("AVRO", json.dumps(schema)), served.add("AVRO", '"string"')
    assert "a" == await read(schemas, framed(other, b"\2a"))
    assert "too_large" == (await refusal(schemas, framed(number, value)))[0]
    assert "a" == await read(schemas, framed(other, b"\2a"))


@pytest.mark.parametrize(
    ("kind", "schema", "value", "code", "why"),
    [
        ("AVRO", '"string"', b"\4a", "bad_value", "EOFError"),
        ("AVRO", '"string"', b"\2ab", "bad_value", "longer"),
        ("AVRO", '"string"', b"\1a", "bad_value", "EOFError"),
        ("AVRO", '"nothing"', b"\2a", "unknown_schema", "UnknownType: nothing"),
        ("AVRO", "{", b"\2a", "unknown_schema", "JSONDecodeError"),
        ("AVRO", "[" * 100_000, b"\2a", "unknown_schema", "RecursionError"),
        ("PROTOBUF", "CgVhYmNkZQ==", b"\0", "bad_value", "has no message [0]"),
        ("PROTOBUF", "CgVhYmNkZQ==", b"\xff\xff\xff\xff\xff\xff", "bad_value", "beyond all bounds"),
        ("PROTOBUF", "CgVhYmNkZQ==", b"\x7e", "bad_value", "63 message indexes"),
        ("PROTOBUF", "/////w==", b"\0", "unknown_schema", "DecodeError"),
        ("THRIFT", "", b"", "unknown_schema", "of a kind that is not read"),
    ],
)
async def test_what_does_not_fit_is_refused(
    schemas: Schemas, served: SchemaRegistry, kind: str, schema: str, value: bytes, code: str, why: str
) -> None:
    """With a reason that quotes no value."""
    assert (code, True) == (
        (found := await refusal(schemas, framed(served.add(kind, schema), value)))[0],
        why in found[1],
    ), found


async def test_a_reference_that_is_missing_is_named(schemas: Schemas, served: SchemaRegistry) -> None:
    """By subject and version, which may need quotes in a URL."""
    number = served.add("AVRO", '"crm.B"', "main", [{"name": "crm.B", "subject": "a/b c", "version": 3}])
    why = "the Schema Registry knows no subject a/b c, version 3"
    assert ("unknown_schema", why) == await refusal(schemas, framed(number, b""))


async def test_a_frame_without_an_id_is_no_json(schemas: Schemas) -> None:
    """Nor is there a schema to ask for."""
    assert "not_json" == (await refusal(schemas, b"\0\0\1"))[0]


async def test_schemas_are_bounded(schemas: Schemas, served: SchemaRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest go, here and in the process that reads; sizes and numbers of references are bounded too."""
    for number in range(MAX_SCHEMAS + 1):
        served.add("AVRO", json.dumps({"type": "string", "doc": str(number)}))
    for number in range(1, MAX_SCHEMAS + 2):
        assert "a" == await read(schemas, framed(number, b"\2a"))
    assert MAX_SCHEMAS == len(schemas._kept)
    asked = len(served.asked)
    await read(schemas, framed(MAX_SCHEMAS + 1, b"\2a"))
    await read(schemas, framed(1, b"\2a"))
    assert asked + 1 == len(served.asked)
    large = served.add("AVRO", json.dumps({"type": "string", "doc": "x" * MAX_SCHEMA_BYTES}))
    assert ("unknown_schema", True) == (
        (found := await refusal(schemas, framed(large, b"\2a")))[0],
        "at most" in found[1],
    )
    served.add("AVRO", '"int"', "int")
    references = [{"name": f"r{n}", "subject": "int", "version": 1} for n in range(2)]
    monkeypatch.setattr(registry_module, "MAX_REFERENCES", 0)
    deep = served.add("AVRO", '"long"', "deep", references)
    assert "unknown_schema" == (await refusal(schemas, framed(deep, b"\2")))[0]


async def test_a_registry_that_is_away_is_waited_for(
    schemas: Schemas, served: SchemaRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few tries, then the bridge decides; nothing is kept of it."""
    monkeypatch.setattr(
        registry_module.tenacity, "wait_exponential_jitter", lambda **_: registry_module.tenacity.wait_none()
    )
    value = framed(served.add("AVRO", '"string"'), b"\2a")
    served.script = [503, 429]
    assert "a" == await read(schemas, value)
    served.script = [500] * 3
    with pytest.raises(Unavailable, match="HTTP 500"):
        await schemas.json_of(framed(9, b""))
    gone = Registry(Access("http://127.0.0.1:1"))
    with pytest.raises(Unavailable, match="does not answer: ClientConnector"):
        await gone.schema(1)
    await gone.close()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (401, "refuses this client"),
        (403, "refuses this client"),
        (302, "does not answer as a Schema Registry"),
        (404, "does not answer as a Schema Registry"),
        (b"<html>", "does not answer as a Schema Registry"),
        (b'{"schema": 3}', "does not answer as a Schema Registry"),
    ],
)
async def test_what_an_operator_must_correct_ends_the_bridge(
    schemas: Schemas, served: SchemaRegistry, answer: int | bytes, why: str
) -> None:
    """Dead letters of a whole topic would be no help."""
    served.script = [answer]
    with pytest.raises(OperatorNeeded, match=why):
        await schemas.json_of(framed(1, b""))


async def test_a_registry_without_descriptors_is_named(schemas: Schemas, served: SchemaRegistry) -> None:
    """Protobuf as text needs its compiler."""
    number = served.add("PROTOBUF", 'syntax = "proto3"; message A {}')
    with pytest.raises(OperatorNeeded, match="format=serialized"):
        await schemas.json_of(framed(number, b"\0"))


async def test_login_and_authority(tmp_path: Path) -> None:
    """Basic authentication over TLS; an authority that is not known is an operator's matter."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with SchemaRegistry(context) as served:
        number = served.add("AVRO", '"string"')
        known = Registry(Access(served.url, ("ann", "wörd:"), tmp_path / "ca.pem"))
        assert '"string"' == (await known.schema(number)).text
        assert [(f"/schemas/ids/{number}", "Basic YW5uOnfDtnJkOg==")] == served.asked
        await known.close()
        unknown = Registry(Access(served.url))
        with pytest.raises(OperatorNeeded, match="MARKETPULSE_SCHEMA_REGISTRY_CA"):
            await unknown.schema(number)
        await unknown.close()


@pytest.mark.parametrize(
    ("url", "ca", "why"),
    [
        ("registry:8081", None, "no URL"),
        ("ftp://registry", None, "no URL"),
        ("http://registry:x", None, "no URL"),
        ("https://registry/?a=b", None, "no URL"),
        ("https://ann:secret-word@registry", None, "MARKETPULSE_SCHEMA_REGISTRY_USERNAME"),
        ("http://registry", Path("ca.pem"), "goes with https"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused(url: str, ca: Path | None, why: str) -> None:
    """Without what is secret in it."""
    with pytest.raises(BadInput, match=why) as caught:
        Access(url, None, ca)
    assert "secret-word" not in str(caught.value)


@pytest.mark.parametrize("missing", ["fastavro", "google.protobuf"])
def test_without_the_extra_it_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the start, before a record is read."""
    require_libraries()

    def find(name: str) -> object:
        if name != missing:
            return object()
        if "." in name:
            raise ModuleNotFoundError
        return None

    monkeypatch.setattr(schemas_module, "find_spec", find)
    with pytest.raises(BadInput, match=rf"needs {missing}, .*the extra `schemas`"):
        require_libraries()


async def test_a_process_that_is_full_judges_no_value(
    schemas: Schemas, served: SchemaRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What those before it left there is not its fault: it is read again alone."""
    first, second = served.add("AVRO", '"string"'), served.add("AVRO", '"bytes"')
    assert "a" == await read(schemas, framed(first, b"\2a"))
    process = schemas._process
    before, asked = process._running, process._asked

    async def full(*given: Any) -> Any:
        return ("too_large", "MemoryError") if process._running is before else await asked(*given)

    monkeypatch.setattr(process, "_asked", full)
    assert "a" == await read(schemas, framed(second, b"\2a"))


async def test_who_ends_the_process_loses_no_record(schemas: Schemas, served: SchemaRegistry) -> None:
    """A signal to all processes of a bridge does not end it; by SIGKILL the bridge begins again where it was."""
    value = framed(served.add("AVRO", '"string"'), b"\2a")
    assert "a" == await read(schemas, value)
    running = schemas._process._running
    assert running is not None
    os.kill(running.pid, signal.SIGTERM)
    assert "a" == await read(schemas, value)
    running.kill()
    with pytest.raises(Unavailable):
        await read(schemas, value)
    assert "a" == await read(schemas, value)
