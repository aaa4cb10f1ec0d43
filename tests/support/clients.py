"""Clients of Kafka that others wrote, as their producers use them: librdkafka, kcat, Kafka's own console producer."""

import functools
import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from marketpulse.errors import Unavailable
from streams.dev.embedded.programs import java_executable, kafka_classpath, resolve

CODECS = ("gzip", "snappy", "lz4", "zstd")
TOOLS_SHA256 = "62f3c5dd7aa3442d4c5bc6a95f86e2502178ea09de8e27f74d9563bf955e253c"
needs_kcat = pytest.mark.skipif(shutil.which("kcat") is None, reason="no kcat here (Debian package kcat)")


@dataclass(frozen=True)
class Sent:
    """One record as a client is given it."""

    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    partition: int = 0
    timestamp_ms: int = 0


def event(name: str, **changes: object) -> bytes:
    """A feedback event of now, with an id."""
    now = {"id": name, "market": "BR", "text": "gostei", "occurred_at": time.time_ns() // 1_000_000}
    return json.dumps(now | changes).encode()


def events(name: str, number: int = 20) -> list[Sent]:
    """Some events with ids of a name."""
    return [Sent(event(f"{name}-{n}"), f"{name}-{n}".encode()) for n in range(number)]


def librdkafka(servers: str, topic: str, records: Iterable[Sent], **settings: object) -> None:
    """Publish with librdkafka, on which most languages' clients rest; one batch where it fits."""
    named = {name.replace("_", "."): value for name, value in settings.items()}
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 50, "message.max.bytes": 200_000_000} | named)
    failed: list[Any] = []
    for one in records:
        producer.produce(
            topic, value=one.value, key=one.key, headers=list(one.headers), partition=one.partition,
            timestamp=one.timestamp_ms, on_delivery=lambda error, _: failed.append(error) if error else None,
        )  # fmt: skip
    assert 0 == producer.flush(30)
    assert [] == failed


def kcat(servers: str, topic: str, values: Iterable[bytes], *options: str | bytes) -> None:
    """Publish lines with kcat to partition 0."""
    command = ["kcat", "-P", "-b", servers, "-t", topic, "-p", "0", *options]
    subprocess.run(command, input=b"\n".join(values), check=True, timeout=30)


def read_by_kcat(servers: str, topic: str) -> list[bytes]:
    """All values of a topic, one a line."""
    command = ["kcat", "-C", "-e", "-q", "-b", servers, "-t", topic, "-o", "beginning"]
    return subprocess.run(command, check=True, timeout=30, capture_output=True).stdout.splitlines()


def console_producer(servers: str, topic: str, values: Iterable[bytes], *options: str) -> None:
    """Publish lines with the console producer that comes with Kafka; skips the test where it cannot be had."""
    command = [
        java_executable(), "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", f"{kafka_classpath()}{os.pathsep}{_tools()}",
        "org.apache.kafka.tools.ConsoleProducer", "--bootstrap-server", servers, "--topic", topic, *options,
    ]  # fmt: skip
    done = subprocess.run(command, input=b"\n".join(values), timeout=60, capture_output=True, check=False)
    assert 0 == done.returncode, done.stderr.decode()


@functools.cache
def _tools() -> Path:
    """The jar of Kafka's tools, which the embedded servers do not need; loaded once, checked by its SHA-256."""
    try:
        jar = next(resolve("org.apache.kafka:kafka-tools:4.3.1").rglob("kafka-tools-4.3.1.jar"))
    except Unavailable as error:
        pytest.skip(f"the console producer cannot be loaded: {error}")
    assert TOOLS_SHA256 == hashlib.sha256(jar.read_bytes()).hexdigest()
    return jar


def set_topic(servers: str, topic: str, settings: Mapping[str, str]) -> None:
    """Change settings of a topic, as an operator of the cluster does."""
    entries = [
        ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in settings.items()
    ]
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
    admin = AdminClient({"bootstrap.servers": servers})  # as long as its answers are awaited
    for done in admin.incremental_alter_configs([resource]).values():
        done.result(20)
