"""A canary through the whole way: feedback topic, counts, alert topic, every sink; how long each part took."""

import asyncio
import secrets
import time
from collections.abc import Callable
from typing import NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from marketpulse.client.idempotent import idempotent_producer
from marketpulse.client.kafka_servers import client_options
from marketpulse.contract.canary import HEADER, KIND, ReceiptRecord, canary_id
from marketpulse.contract.records import AlertRecord
from marketpulse.contract.topics import topic_name
from marketpulse.contract.wire import UNREADABLE
from streams.clock import epoch_ms
from streams.kafka.admin import close_consumer, consumer_groups, topic_offsets
from streams.kafka.errors import kafka_errors
from streams.settings import Settings

ALERT = "alert topic"
Progress = Callable[[int, int], object]


class Arrival(NamedTuple):
    """When the canary was seen at one place: seconds after it was sent, None = not in time; `why`: it failed there."""

    place: str
    seconds: float | None
    why: str = ""

    @property
    def fine(self) -> bool:
        """Whether it got there."""
        return self.seconds is not None and not self.why


async def send_canary(settings: Settings, patience_s: float, progress: Progress) -> list[Arrival]:
    """Send one, and wait until it is on the alert topic and every sink has it: the alert topic first, then the sinks.

    Sinks are those that a notifier has ever read alerts for. What counts as an event is not changed by it.

    Args:
        settings: servers and prefix.
        patience_s: how long to wait in all.
        progress: called with how many places it has reached, and how many there are.

    Raises:
        Unavailable, OperatorNeeded: Kafka.
    """
    servers, prefix = settings.kafka_servers, settings.prefix
    group = f"{prefix}.notify."
    sinks = sorted(name.removeprefix(group) for name in await consumer_groups(servers) if name.startswith(group))
    places: dict[str, Arrival] = {}
    topics = {topic_name(prefix, name): name for name in ("market.alerts", "market.receipts")}
    ends = {TopicPartition(topic, 0): (await topic_offsets(servers, topic))[0][1] for topic in topics}
    consumer = AIOKafkaConsumer(**client_options(servers), enable_auto_commit=False)
    producer = idempotent_producer(servers)
    name = canary_id(epoch_ms(), secrets.randbits(32))
    try:
        async with asyncio.timeout(patience_s), kafka_errors(servers, "carry a canary"):
            await consumer.start()
            consumer.assign(list(ends))
            for partition, end in ends.items():
                consumer.seek(partition, end)
            await producer.start()
            await producer.send_and_wait(
                topic_name(prefix, "feedback"),
                key=name.encode(),
                value=msgspec.json.encode({"canary": name}),
                headers=[(HEADER, name.encode())],
            )
            began = time.monotonic()
            while len(places) <= len(sinks):
                progress(len(places), len(sinks) + 1)
                for partition, records in (await consumer.getmany(timeout_ms=500)).items():
                    for record in records:
                        if seen := _seen(topics[partition.topic], record.value, name, time.monotonic() - began):
                            places.setdefault(seen.place, seen)
    except TimeoutError:
        pass
    finally:
        await producer.stop()
        await close_consumer(consumer)
    return [places.get(place, Arrival(place, None)) for place in (ALERT, *sinks)]


def _seen(topic: str, value: bytes, name: str, seconds: float) -> Arrival | None:
    """What a record says of the canary."""
    try:
        if topic == "market.alerts":
            alert = msgspec.json.decode(value, type=AlertRecord)
            return Arrival(ALERT, seconds) if alert.id == f"{KIND}-{name}" else None
        receipt = msgspec.json.decode(value, type=ReceiptRecord)
    except UNREADABLE:
        return None
    return Arrival(receipt.sink, seconds, receipt.why) if receipt.canary == name else None
