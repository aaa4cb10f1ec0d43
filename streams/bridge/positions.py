"""How far a bridge is: records of a compacted topic, written in the transaction that brings the events."""

import asyncio

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from marketpulse.client.kafka_servers import Servers, client_options
from marketpulse.contract.wire import CONTRACT_VERSION
from marketpulse.errors import OperatorNeeded
from streams.contract.bridge import PositionRecord
from streams.kafka.admin import close_consumer
from streams.kafka.errors import kafka_errors
from streams.kafka.timeouts import REQUEST_TIMEOUT_MS

TOPIC = "feedback.bridge"
PATIENCE_S = 90.0
"""Longer than a transaction of a bridge that died stays open."""


def key_of(source: str, topic: str, partition: int) -> bytes:
    """Key of a source partition's position."""
    return msgspec.json.encode([source, topic, partition])


def value_of(offset: int) -> bytes:
    """Value of a position."""
    return msgspec.json.encode(PositionRecord(next=offset))


async def read_positions(servers: Servers, topic: str) -> dict[bytes, int]:
    """All positions that are in the topic when this is called: key -> next offset.

    Those of transactions that are open then are waited for: one of them may be of the bridge before this one.

    Raises:
        Unavailable: Kafka does not answer, or a transaction stays open.
        OperatorNeeded: Kafka refuses this client, or a newer version wrote a position.
    """
    options = client_options(servers) | {"enable_auto_commit": False, "request_timeout_ms": REQUEST_TIMEOUT_MS}
    partition = TopicPartition(topic, 0)
    ends = AIOKafkaConsumer(**options)
    reader = AIOKafkaConsumer(**options, isolation_level="read_committed", fetch_max_wait_ms=100)
    found: dict[bytes, int] = {}
    try:
        async with kafka_errors(servers, f"give records of {topic}"), asyncio.timeout(PATIENCE_S):
            await ends.start()
            end = (await ends.end_offsets([partition]))[partition]  # behind what is not decided yet, too
            await reader.start()
            reader.assign([partition])
            await reader.seek_to_beginning(partition)
            while await reader.position(partition) < end:
                for record in (await reader.getmany(partition, timeout_ms=500)).get(partition, []):
                    if record.value is not None:
                        found[record.key or b""] = _next(record.value, topic)
    finally:
        await close_consumer(ends)
        await close_consumer(reader)
    return found


def _next(value: bytes, topic: str) -> int:
    try:
        position = msgspec.json.decode(value, type=PositionRecord)
    except msgspec.DecodeError as error:
        raise OperatorNeeded(
            f"{topic} holds a record that is no position: {error}. Operator action: find out who writes it."
        ) from error
    if position.v > CONTRACT_VERSION:
        raise OperatorNeeded(
            f"{topic} holds a position of version {position.v}, this program {CONTRACT_VERSION}. Operator action: "
            "start the newer version."
        )
    return position.next
