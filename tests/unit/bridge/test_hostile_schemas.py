"""Framed values that nobody's serializer would write: each costs itself, in the process that reads them."""

import json
import os
import signal
from typing import Any

import pytest

from marketpulse.errors import Unavailable
from streams.bridge import registry as registry_module
from streams.bridge import schemas as schemas_module
from streams.bridge.registry import MAX_SCHEMA_BYTES
from streams.bridge.schemas import MAX_SCHEMAS, Schemas
from tests.support.framing import framed, read, refusal
from tests.support.schema_registry import SchemaRegistry

serde = pytest.importorskip(
    "tests.support.serde",
    reason="needs the extra schemas and confluent-kafka's serializers: make setup installs them",
    exc_type=ImportError,
)


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
    number, other = served.add("PROTOBUF", serde.descriptor([], ".p.A", fields)), served.add("AVRO", '"string"')
    code, why = await refusal(schemas, framed(number, b"\0" + value))
    assert code in ("too_large", "bad_value"), why
    assert "a" == await read(schemas, framed(other, b"\2a"))


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
