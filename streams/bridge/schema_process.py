"""Avro and Protobuf values as JSON on standard output, in a process of their own with little memory and time.

Their libraries build what a schema and a value describe before anybody can measure it: ten bytes of Avro are an array
of 2^60 nulls, and what holds itself is read on C's stack. It is run by its path and imports nothing of this package. A
frame is four bytes of length and that many of MessagePack. A question: the schema's id, its kind, text and references
or None where it was given before, the value. An answer: None and the JSON, or a dead letter's code and the reason.
"""

import base64
import contextlib
import importlib
import io
import json
import re
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

MAX_JSON_BYTES = 4_194_304
MAX_SECONDS = 2
"""Of the processor for a value, and up to one more: a clock would judge how busy the machine is."""
MAX_INDEXES = 32
TOO_LARGE = "too_large"
LIBRARIES = ("fastavro", "google.protobuf.json_format", "google.protobuf.message_factory")
SHIPPED = re.compile(r"google/(protobuf|type)/\w+\.proto")
"""Files that Protobuf's packages bring, which no registry lists as references."""
WELL_KNOWN = frozenset(
    f"google.protobuf.{name}" for name in ("Timestamp", "Duration", "FieldMask", "Struct", "Value", "ListValue")
)
WRAPPERS = frozenset(
    f"google.protobuf.{name}Value"
    for name in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
)

Texts = Sequence[tuple[str, str]]
"""Names and texts of the schemas that one refers to, each behind those that it refers to itself."""
Reader = Callable[[bytes], Any]


class Refused(Exception):
    """A value cannot be read; `code`: of its dead letter."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code


class Exactly(io.BytesIO):
    """Bytes that end with an error: fastavro takes what is left for what it asked for."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Of `size` bytes. Raises EOFError."""
        found = super().read(size)
        if len(found) != size:
            raise EOFError
        return found


def avro_reader(text: str, references: Texts) -> Reader:
    """How values of an Avro schema become objects."""
    from fastavro import parse_schema, schemaless_reader

    named: dict[str, Any] = {}
    for _, other in references:
        parse_schema(json.loads(other), named_schemas=named)
    # A record of one field is written as the field is. As a record any schema, also a union, keeps the named ones.
    record = {"type": "record", "name": "Framed", "fields": [{"name": "value", "type": json.loads(text)}]}
    parsed = parse_schema(record, named_schemas=named)

    def read(value: bytes) -> Any:
        content = Exactly(value)
        found: Any = schemaless_reader(content, parsed)
        if content.tell() != len(value):
            raise Refused("bad_value", "the value is longer than its schema says")
        return found["value"]

    return read


def protobuf_reader(text: str, references: Texts) -> Reader:
    """How values of a Protobuf schema, a FileDescriptorProto in base64, become objects."""
    from google.protobuf import descriptor_pool, message_factory
    from google.protobuf.descriptor_pb2 import FileDescriptorProto

    pool = descriptor_pool.DescriptorPool()
    added: set[str] = set()

    def add(name: str, file: Any) -> None:
        """With what it imports of the shipped ones; what nobody has may be of options alone, and is left out."""
        for dependency in file.dependency:
            if dependency not in added and (other := shipped_file(dependency)) is not None:
                add(dependency, other)
        kept = [dependency for dependency in file.dependency if dependency in added]
        public = [file.dependency[place] for place in file.public_dependency]
        file.name, file.dependency[:] = name, kept
        file.public_dependency[:] = [kept.index(dependency) for dependency in public if dependency in added]
        del file.weak_dependency[:]
        pool.Add(file)
        added.add(name)

    for name, other in references:
        if name not in added:
            add(name, FileDescriptorProto.FromString(base64.b64decode(other)))
    main = FileDescriptorProto.FromString(base64.b64decode(text))
    add(".value", main)
    kinds: dict[tuple[int, ...], Any] = {}

    def kind_at(indexes: tuple[int, ...]) -> Any:
        """The class of the message at this place of the file."""
        names, messages = [main.package] if main.package else [], main.message_type
        for index in indexes:
            if not 0 <= index < len(messages):
                raise Refused("bad_value", f"its schema has no message {list(indexes)}")
            names.append(messages[index].name)
            messages = messages[index].nested_type
        return message_factory.GetMessageClass(pool.FindMessageTypeByName(".".join(names)))

    def read(value: bytes) -> Any:
        indexes, content = message_indexes(value)
        if indexes not in kinds:
            kinds[indexes] = kind_at(indexes)
        return object_of(kinds[indexes].FromString(content))

    return read


def shipped_file(name: str) -> Any:
    """The FileDescriptorProto of a file that Protobuf's packages bring; None: they do not."""
    from google.protobuf.descriptor_pb2 import FileDescriptorProto

    if SHIPPED.fullmatch(name) is None:
        return None
    try:
        module = importlib.import_module(name.removesuffix(".proto").replace("/", ".") + "_pb2")
    except ModuleNotFoundError:
        return None
    return FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb)


def message_indexes(value: bytes) -> tuple[tuple[int, ...], bytes]:
    """Which message of its file a value is, from the outermost one inwards, and the bytes behind. Raises Refused."""
    content = Exactly(value)
    count = _zigzag(content)
    if not 0 <= count <= MAX_INDEXES:
        raise Refused("bad_value", f"it has {count} message indexes, and 0 to {MAX_INDEXES} are read")
    return tuple(_zigzag(content) for _ in range(count)) or (0,), value[content.tell() :]


def _zigzag(content: Exactly) -> int:
    number = shift = 0
    while shift < 35:
        (part,) = content.read(1)
        number |= (part & 0x7F) << shift
        if part < 0x80:
            return number >> 1 ^ -(number & 1)
        shift += 7
    raise Refused("bad_value", "a message index is beyond all bounds")


def object_of(message: Any) -> Any:
    """A message as JSON has it: fields by their names in the schema, numbers as numbers, enumerations by name.

    A field that knows whether it was set is there when it was; others have their value or their default.
    """
    from google.protobuf import json_format

    kind = message.DESCRIPTOR
    if kind.full_name in WELL_KNOWN:
        return json_format.MessageToDict(message)
    if kind.full_name in WRAPPERS:
        return message.value
    return {
        field.name: _field_value(field, getattr(message, field.name))
        for field in kind.fields
        if not field.has_presence or message.HasField(field.name)
    }


def _field_value(field: Any, value: Any) -> Any:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        inner = field.message_type.fields_by_name["value"]
        return {_key(key): _single(inner, value[key]) for key in value}
    return [_single(field, each) for each in value] if field.is_repeated else _single(field, value)


def _single(field: Any, value: Any) -> Any:
    if field.message_type is not None:
        return object_of(value)
    if field.enum_type is not None and value in field.enum_type.values_by_number:
        return field.enum_type.values_by_number[value].name
    return value


def _key(key: Any) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)


def plain(value: Any) -> Any:
    """A value whose bytes are text: as UTF-8 where they are, else base64. msgspec writes all others as JSON."""
    match value:
        case bytes():
            try:
                return value.decode()
            except UnicodeDecodeError:
                return base64.b64encode(value).decode()
        case dict():
            return {key: plain(inner) for key, inner in value.items()}
        case list():
            return [plain(inner) for inner in value]
        case _:
            return value


READERS: dict[str, Callable[[str, Texts], Reader]] = {"AVRO": avro_reader, "PROTOBUF": protobuf_reader}


def reader_of(kind: str, text: str, references: Texts) -> Reader:
    """How values of a schema are read; of one that cannot be, how they are refused."""
    try:
        return READERS[kind](text, references)
    except MemoryError:
        refused = Refused(TOO_LARGE, "its schema needs too much memory")
    except Exception as error:
        why = " ".join(str(error).split())[:200]
        refused = Refused("unknown_schema", f"its schema cannot be used: {type(error).__name__}: {why}")

    def refuse(_: bytes) -> Any:
        raise Refused(refused.code, str(refused))

    return refuse


def answer_of(reader: Reader, value: bytes, encode: Callable[[Any], bytes]) -> tuple[str | None, str | bytes]:
    """None and the JSON of a value, or a code and a reason, which quotes nothing of the value."""
    try:
        found = encode(plain(reader(value)))
    except Refused as why:
        return why.code, str(why)
    except (MemoryError, RecursionError) as error:
        return TOO_LARGE, f"the value is too large or too deep to be read: {type(error).__name__}"
    except Exception as error:
        return "bad_value", f"the value cannot be read by its schema: {type(error).__name__}"
    if len(found) > MAX_JSON_BYTES:
        return TOO_LARGE, f"a value has at most {MAX_JSON_BYTES:,} bytes as JSON"
    return None, found


def main(memory: str) -> None:
    """Answer until the questions end; `memory`: bytes that this process may have."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a supervisor may send them to all processes of a bridge
        signal.signal(number, signal.SIG_IGN)
    for library in LIBRARIES:
        importlib.import_module(library)
    resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # what users wrote would be in it
    encode = msgspec.json.Encoder(decimal_format="number").encode
    readers: dict[int, Reader] = {}
    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    while head := questions.read(4):
        schema_id, schema, value = msgspec.msgpack.decode(questions.read(int.from_bytes(head, "big")))
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + 1 + MAX_SECONDS, hard))
        if schema is not None:
            readers[schema_id] = reader_of(*schema)
        answer = msgspec.msgpack.encode(answer_of(readers[schema_id], value, encode))
        answers.write(len(answer).to_bytes(4, "big") + answer)
        answers.flush()


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main(*sys.argv[1:])
