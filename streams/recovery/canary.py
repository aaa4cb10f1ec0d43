"""A canary through the whole way: feedback topic, counts, alert topic, every sink; how long each part took."""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from marketpulse.client.idempotent import idempotent_producer
from marketpulse.client.kafka_servers import client_options
from marketpulse.contract.canary import EVERY_MS, HEADER, KIND, ReceiptRecord, canary_id
from marketpulse.contract.records import AlertRecord
from marketpulse.contract.topics import topic_name
from marketpulse.contract.wire import UNREADABLE
from streams.clock import epoch_ms
from streams.kafka.admin import close_consumer, consumer_groups, topic_offsets
from streams.kafka.errors import kafka_errors
from streams.settings import Settings

ALERT = "alert topic"
OTHERS = (
    f"other canaries came first, and at most one becomes an alert in {EVERY_MS // 1_000} s. Operator action: try "
    "again; if that does not help, look at `marketpulse_canaries_dropped_total`, and for the producer that sends them"
)
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

    def line(self, patience_s: float) -> str:
        """What an operator reads of it."""
        when = f"not within {patience_s:g} s" if self.seconds is None else f"{self.seconds:.1f} s"
        return f"{self.place}: {when}{f', not delivered: {self.why}' if self.why else ''}"


def notes_of(arrivals: Sequence[Arrival], patience_s: float) -> list[str]:
    """What else there is to know where the way could not be tested."""
    notes = []
    if arrivals[0].seconds is None and patience_s * 1_000 <= EVERY_MS:
        notes.append(f"after another test a canary may wait for {EVERY_MS // 1_000} s: give --patience more than that")
    if len(arrivals) == 1:
        notes.append("no notifier has read alerts yet: no sink was tested")
    return notes


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
    topics = {topic_name(prefix, name): name for name in ("market.alerts", "market.receipts")}
    ends = {TopicPartition(topic, 0): (await topic_offsets(servers, topic))[0][1] for topic in topics}
    consumer = AIOKafkaConsumer(**client_options(servers), enable_auto_commit=False)
    producer = idempotent_producer(servers)
    name = canary_id(epoch_ms(), secrets.randbits(32))
    seen = Sightings(name)
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
            while len(seen.places) <= len(sinks):
                progress(len(seen.places), len(sinks) + 1)
                for partition, records in (await consumer.getmany(timeout_ms=500)).items():
                    for record in records:
                        seen.take(topics[partition.topic], record.value, time.monotonic() - began)
    except TimeoutError:
        pass
    finally:
        await producer.stop()
        await close_consumer(consumer)
    return seen.arrivals(sinks)


class Sightings:
    """Where a canary was seen so far, `places` by name, and whether others were seen before it."""

    def __init__(self, canary: str) -> None:
        self._canary = canary
        self._others = False
        self.places: dict[str, Arrival] = {}

    def take(self, topic: str, value: bytes, seconds: float) -> None:
        """A record of the alert topic or of `market.receipts`, and how many seconds after the canary was sent."""
        try:
            if topic == "market.alerts":
                alert = msgspec.json.decode(value, type=AlertRecord)
                if alert.id == f"{KIND}-{self._canary}":
                    self._arrived(Arrival(ALERT, seconds))
                self._others = self._others or alert.kind == KIND
            else:
                receipt = msgspec.json.decode(value, type=ReceiptRecord)
                if receipt.canary == self._canary:
                    self._arrived(Arrival(receipt.sink, seconds, receipt.why))
        except UNREADABLE:
            return

    def _arrived(self, arrival: Arrival) -> None:
        self.places.setdefault(arrival.place, arrival)

    def arrivals(self, sinks: Sequence[str]) -> list[Arrival]:
        """What became of it on the alert topic, then at each sink."""
        missing = Arrival(ALERT, None, OTHERS if self._others else "")
        return [self.places.get(ALERT, missing), *(self.places.get(sink, Arrival(sink, None)) for sink in sinks)]
