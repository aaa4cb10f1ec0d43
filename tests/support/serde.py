"""confluent-kafka's serializers and Protobuf's descriptors, for tests that are skipped where they are not installed.

serde = pytest.importorskip("tests.support.serde", reason="...", exc_type=ImportError)
"""

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
