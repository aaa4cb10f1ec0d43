"""confluent-kafka's serializers and Protobuf's descriptors, for tests that are skipped where they are not installed.

serde = pytest.importorskip("tests.support.serde", reason="...", exc_type=ImportError)
"""

import base64

import fastavro as fastavro
from confluent_kafka.schema_registry import Schema as Schema
from confluent_kafka.schema_registry import SchemaReference as SchemaReference
from confluent_kafka.schema_registry import SchemaRegistryClient as SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer as AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONSerializer as JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufSerializer as ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2 as descriptor_pb2
from google.protobuf import descriptor_pool, message_factory, timestamp_pb2, wrappers_pb2


def context(topic: str = "crm") -> SerializationContext:
    """Of values of a topic."""
    return SerializationContext(topic, MessageField.VALUE)


def message_classes(names: list[str], *files: descriptor_pb2.FileDescriptorProto) -> list[type]:
    """Classes of messages of these files, which may import each other, times and wrappers."""
    pool = descriptor_pool.DescriptorPool()
    for shipped in (timestamp_pb2, wrappers_pb2):
        pool.AddSerializedFile(shipped.DESCRIPTOR.serialized_pb)
    for file in files:
        pool.Add(file)
    return [message_factory.GetMessageClass(pool.FindMessageTypeByName(name)) for name in names]


def descriptor(dependency: list[str], kind: str, fields: int = 1) -> str:
    """The base64 of a file whose message has repeated fields of a kind, and further ones of itself."""
    file = descriptor_pb2.FileDescriptorProto(name="a", package="p", syntax="proto3", dependency=dependency)
    made = [
        descriptor_pb2.FieldDescriptorProto(name=f"f{n}", number=n, label=3, type=11, type_name=name)
        for n, name in enumerate((kind, *[".p.A"] * fields), 1)
    ]
    file.message_type.add(name="A", field=made)
    return base64.b64encode(file.SerializeToString()).decode()
