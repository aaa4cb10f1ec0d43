"""Publish records to Kafka: idempotent, acknowledged by all replicas, in whole batches per partition."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2

from marketpulse.client.idempotent import BATCH_BYTES, idempotent_producer
from marketpulse.client.kafka_servers import Servers
from streams.kafka.errors import error_of


@dataclass(frozen=True)
class Record:
    """One Kafka record to publish: key = `user`, else `id`, of what can be parsed."""

    key: bytes | None
    value: bytes


SLICE = 2_000
SLICE_BYTES = 16_777_216
"""Records that are handed to Kafka together: as many, or of as many bytes, whichever comes first."""
LARGEST_REQUEST_BYTES = 67_108_864
"""Of one record before it is compressed, where the topic is to decide what is too large."""


async def publish(
    servers: Servers,
    topic: str,
    records: Iterable[Record],
    rate: float | None = None,
    on_progress: Callable[[int], object] = lambda done: None,
) -> int:
    """Publish all records; the number of them, each acknowledged.

    Records with a key go where Kafka's own partitioner (murmur2) sends them, the others in turn.

    Args:
        servers: Kafka servers.
        topic: full topic name.
        records: what to publish, in order; order holds per partition.
        rate: records per second; None = as fast as Kafka takes them.
        on_progress: called with the number acknowledged so far.

    Raises:
        Unavailable: Kafka does not answer; how many were acknowledged stands in the message.
        OperatorNeeded: it refuses this client.
    """
    producer = idempotent_producer(servers, max_batch_size=BATCH_BYTES, linger_ms=5)
    done = 0
    try:
        await producer.start()
        started = time.monotonic()
        for part in slices(records, SLICE if rate is None else max(1, min(SLICE, int(rate / 10)))):
            if rate is not None:
                await asyncio.sleep(max(0.0, done / rate - (time.monotonic() - started)))
            done += await send_records(producer, topic, part, done)
            on_progress(done)
    except (KafkaError, OSError) as error:
        doing = f"take records of {topic} ({done} were acknowledged)"
        raise await error_of(error, servers, doing) from error
    finally:
        await producer.stop()
    return done


def slices(records: Iterable[Record], size: int) -> Iterator[list[Record]]:
    """The records in order, up to `size` at once, fewer where they have `SLICE_BYTES`; the last slice may be empty."""
    part: list[Record] = []
    held = 0
    for record in records:
        part.append(record)
        held += len(record.value or b"")  # a tombstone has none
        if len(part) >= size or held >= SLICE_BYTES:
            yield part
            part, held = [], 0
    yield part


async def send_records(producer: AIOKafkaProducer, topic: str, records: list[Record], at: int = 0) -> int:
    """Send records as one or more batches per partition, and wait for all acknowledgements; their number."""
    partitions = len(await producer.partitions_for(topic))
    by_partition: dict[int, list[Record]] = {}
    for number, record in enumerate(records, at):
        chosen = number if record.key is None else _hash(record.key)
        by_partition.setdefault(chosen % partitions, []).append(record)
    acknowledgements = await asyncio.gather(
        *(_send_partition(producer, topic, partition, rows) for partition, rows in by_partition.items())
    )
    return sum(acknowledgements)


@lru_cache(4_096)  # 13 us in Python; records of feedback.classified have a market as key
def _hash(key: bytes) -> int:
    hashed: int = murmur2(key)
    return hashed & 0x7FFFFFFF


async def _send_partition(producer: AIOKafkaProducer, topic: str, partition: int, records: list[Record]) -> int:
    waiting = []
    batch = producer.create_batch()
    for record in records:
        if batch.append(key=record.key, value=record.value, timestamp=None) is None:
            waiting.append(await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            if batch.append(key=record.key, value=record.value, timestamp=None) is None:
                waiting.append(await producer.send(topic, value=record.value, key=record.key, partition=partition))
                batch = producer.create_batch()
    if batch.record_count():
        waiting.append(await producer.send_batch(batch, topic, partition=partition))
    for future in waiting:
        await future
    return len(records)


def partition_of(key: bytes, partitions: int) -> int:
    """Where `send_records`, and Kafka's own partitioner, put records with this key."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions
