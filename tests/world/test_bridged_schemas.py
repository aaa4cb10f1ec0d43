"""A bridge of values that confluent-kafka's serializers write: through Kafka, by a registry, with a mapping.

The registry is the HTTP contract of one (tests/support/schema_registry.py): Confluent's and Karapace are in no package
index that this project installs from.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from marketpulse.contract.topics import topic_name
from streams.dev.embedded.servers import EmbeddedStack
from streams.dev.processes import ending, start_marketpulse
from tests.support.schema_registry import SchemaRegistry
from tests.support.waiting import until
from tests.world.test_bridge import Way, committed

serde = pytest.importorskip(
    "tests.support.serde",
    reason="needs the extra schemas and confluent-kafka's serializers: make setup installs them",
    exc_type=ImportError,
)

COUNT = 200
FIELDS = (("nr", "string"), ("land", "string"), ("body", "string"), ("at", "long"))
MAPPING = """
id = "nr"
[market]
from = "land"
[text]
from = "body"
[occurred_at]
from = "at"
"""


def serializers(client: serde.SchemaRegistryClient) -> dict[str, Any]:
    """Of the same record in three forms."""
    avro = {"type": "record", "name": "Review", "fields": [{"name": name, "type": kind} for name, kind in FIELDS]}
    numbers = {"string": 9, "long": 3}
    file = serde.descriptor_pb2.FileDescriptorProto(name="review.proto", package="crm", syntax="proto3")
    fields = [
        serde.descriptor_pb2.FieldDescriptorProto(name=name, number=place, label=1, type=numbers[kind])  # type: ignore[arg-type]
        for place, (name, kind) in enumerate(FIELDS, 1)
    ]
    file.message_type.add(name="Review", field=fields)
    [review] = serde.message_classes(["crm.Review"], file)
    protobuf, title = serde.ProtobufSerializer(review, client), json.dumps({"title": "Review", "type": "object"})
    return {
        "avro": serde.AvroSerializer(client, json.dumps(avro)),
        "protobuf": lambda record, context: protobuf(review(**record), context),
        "json": serde.JSONSerializer(title, client, lambda record, _: record),
    }


@pytest.fixture
def registry() -> Iterator[SchemaRegistry]:
    with SchemaRegistry() as running:
        yield running


@pytest.fixture
def way(stack: EmbeddedStack, prefix: str) -> Way:
    return Way(stack, prefix)


@pytest.fixture
def mapping(tmp_path: Path) -> str:
    (file := tmp_path / "crm.toml").write_text(MAPPING)
    return str(file)


def publish(way: Way, registry: SchemaRegistry, count: int = COUNT) -> set[str]:
    """Records of every form to both partitions, and one of a schema that nobody registered; their ids."""
    producer = Producer({"bootstrap.servers": way.kafka})
    names = set()
    with serde.SchemaRegistryClient({"url": registry.url}) as client:
        for kind, serializer in serializers(client).items():
            for place in range(count):
                name = f"{kind}-{place}"
                record = {"nr": name, "land": "BR", "body": "lento", "at": time.time_ns() // 1_000_000}
                value = serializer(record, serde.context(f"{way.topic}-{kind}"))
                producer.produce(way.topic, value, partition=place % 2, key=b"k")
                names.add(name)
    producer.produce(way.topic, b"\0\0\0\x27\x0fabc", partition=0, key=b"k")
    producer.flush(20)
    return names


def ids(way: Way) -> list[str]:
    """Of the events in `feedback`."""
    return sorted(
        json.loads(value)["id"] for value in asyncio.run(committed(way.kafka, topic_name(way.prefix, "feedback")))
    )


def test_each_value_of_a_registry_goes_over_once(way: Way, registry: SchemaRegistry, mapping: str) -> None:
    """Avro, Protobuf and JSON Schema in one topic; a schema that is not known costs its record."""
    names = publish(way, registry)
    done = way.bridge("--mapping", mapping, "--schema-registry", registry.url)
    assert 0 == done.returncode, done.stderr
    answer = json.loads(done.stdout)
    assert (3 * COUNT + 1, 3 * COUNT, 1) == (answer["records"], answer["events"], answer["dead_letters"])
    assert {"unknown_schema: the Schema Registry knows no schema 9999": 1} == answer["reasons"]
    assert sorted(names) == ids(way)


def test_a_registry_that_is_away_holds_the_position(
    way: Way, registry: SchemaRegistry, mapping: str, tmp_path: Path
) -> None:
    """A bridge waits for it, and then brings every record over."""
    names = publish(way, registry, 20)
    registry.script = [503] * 1_000
    done = way.bridge("--mapping", mapping, "--schema-registry", registry.url)
    assert (1, True) == (done.returncode, "does not answer: HTTP 503" in done.stderr), done.stderr
    assert ([], set()) == (ids(way), {*way.positions().values()})
    typed = ["bridge", way.topic, "--from", way.kafka, "--name", "crm", "--mapping", mapping]
    with (
        (tmp_path / "bridge.log").open("ab") as log,
        ending(
            start_marketpulse(
                *typed, "--schema-registry", registry.url, environment=way.environment, stdout=log, stderr=log
            )
        ) as running,
    ):
        until(lambda: "bridge_waits" in (tmp_path / "bridge.log").read_text(), 30)
        assert [] == ids(way)
        registry.script.clear()
        until(lambda: sorted(names) == ids(way), 60)
        running.terminate()
        assert 0 == running.wait(30)


def test_a_login_that_is_refused_ends_the_bridge(way: Way, registry: SchemaRegistry, mapping: str) -> None:
    """With exit code 78; nothing became a dead letter."""
    publish(way, registry, 1)
    registry.script = [401] * 10
    done = way.bridge("--mapping", mapping, "--schema-registry", registry.url)
    assert (78, True) == (done.returncode, "SCHEMA_REGISTRY_USERNAME" in done.stderr), done.stderr
    assert [] == asyncio.run(committed(way.kafka, topic_name(way.prefix, "feedback.dead-letter")))


def test_a_url_that_is_none_is_refused(way: Way) -> None:
    """At the start, with exit code 2."""
    done = way.bridge("--schema-registry", "registry:8081")
    assert (2, True) == (done.returncode, "no URL of a registry" in done.stderr), done.stderr
