"""Dead letters on a real Kafka: original bytes, key and headers, with the reason beside them."""

from aiokafka import AIOKafkaConsumer

from streams.batches import DeadLetter, OutboxEntry
from streams.dev.embedded.servers import EmbeddedStack
from streams.kafka.admin import create_topics
from streams.kafka.outbound import Outbound


async def read(stack: EmbeddedStack, topic: str, count: int) -> list[object]:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=stack.endpoints.kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        return [await consumer.getone() for _ in range(count)]
    finally:
        await consumer.stop()


async def test_a_dead_letter_is_the_original_with_its_reason(stack: EmbeddedStack, prefix: str) -> None:
    """Bytes, key and headers untouched; KIP-1034's headers name code, place and time."""
    await create_topics(stack.endpoints.kafka, prefix)
    outbound = Outbound(stack.endpoints.kafka, prefix)
    headers = (("traceparent", b"00-1"),)
    letter = DeadLetter("not_json", "the value is not UTF-8 JSON", 3, 41, b"u1", b"\xff\xfe", headers, 1_000)
    await outbound.dead_letters([letter])
    await outbound.stop()
    [record] = await read(stack, f"{prefix}.feedback.dead-letter", 1)
    assert (b"u1", b"\xff\xfe") == (record.key, record.value)  # type: ignore[attr-defined]
    found = dict(record.headers)  # type: ignore[attr-defined]
    assert b"00-1" == found["traceparent"]
    assert {"code": b"not_json", "topic": f"{prefix}.feedback".encode(), "partition": b"3", "offset": b"41"} == {
        name: found[f"__streams.errors.{name}"] for name in ("code", "topic", "partition", "offset")
    }


async def test_a_record_with_neither_key_nor_value_is_a_dead_letter_too(stack: EmbeddedStack, prefix: str) -> None:
    """Kafka allows it; it reaches the topic with an empty key and stops nobody."""
    await create_topics(stack.endpoints.kafka, prefix)
    outbound = Outbound(stack.endpoints.kafka, prefix)
    await outbound.dead_letters([DeadLetter("empty_value", "the record has no value", 0, 1, None, None, (), 1_000)])
    await outbound.stop()
    [record] = await read(stack, f"{prefix}.feedback.dead-letter", 1)
    assert (b"", None) == (record.key, record.value)  # type: ignore[attr-defined]


async def test_the_outbox_is_relayed_in_order(stack: EmbeddedStack, prefix: str) -> None:
    """Records of one key arrive as they were written."""
    await create_topics(stack.endpoints.kafka, prefix)
    outbound = Outbound(stack.endpoints.kafka, prefix)
    topic = f"{prefix}.market.alerts"
    await outbound.relay([OutboxEntry(b"", topic, b"k", str(n).encode()) for n in range(50)])
    await outbound.stop()
    assert [str(n).encode() for n in range(50)] == [r.value for r in await read(stack, topic, 50)]  # type: ignore[attr-defined]
