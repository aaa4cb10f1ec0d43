"""A one-partition compacted topic: read in full without a group, then followed; written record by record."""

from collections.abc import Callable, Iterable

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from streams.batches import CompactedRecord
from streams.errors import KafkaUnavailable
from streams.topics import close_consumer, topic_offsets


class CompactedTopic:
    """Hands every record to `take`, in order: `start` up to the end as it is then, `follow` what comes later."""

    def __init__(self, bootstrap: str, topic: str, take: Callable[[CompactedRecord], object]) -> None:
        self._bootstrap = bootstrap
        self._partition = TopicPartition(topic, 0)
        self._take = take
        self._consumer: AIOKafkaConsumer | None = None
        self._at = 0

    async def start(self, patience: int = 50) -> None:
        """Read everything that is there now. Raises Unavailable; may be tried again.

        Args:
            patience: tenths of a second for which a topic just created may not be known yet.
        """
        first, end = (await topic_offsets(self._bootstrap, self._partition.topic, patience))[0]
        await self._open(max(first, self._at))
        while self._at < end:
            await self._poll()

    async def follow(self) -> None:
        """Take what has come since, waiting for it for about a second. Raises Unavailable; may be tried again."""
        if self._consumer is None:
            await self._open(self._at)
        await self._poll()

    async def stop(self) -> None:
        """Close the connection."""
        if self._consumer is not None:
            consumer, self._consumer = self._consumer, None
            await close_consumer(consumer)

    async def _open(self, offset: int) -> None:
        await self.stop()
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        try:
            await consumer.start()
        except (KafkaError, OSError) as error:
            await consumer.stop()
            raise self._away(error) from error
        consumer.assign([self._partition])
        consumer.seek(self._partition, offset)
        self._consumer = consumer

    async def _poll(self) -> None:
        assert self._consumer is not None
        try:
            records = (await self._consumer.getmany(self._partition, timeout_ms=1_000)).get(self._partition, [])
            for one in records:
                self._take(CompactedRecord(one.offset, one.key, one.value, tuple(one.headers), one.timestamp))
            # Compaction leaves holes and the end may be one: the consumer's position is past them.
            self._at = max(self._at, await self._consumer.position(self._partition))
        except (KafkaError, OSError) as error:
            await self.stop()
            raise self._away(error) from error

    def _away(self, error: Exception) -> KafkaUnavailable:
        return KafkaUnavailable(f"Kafka at {self._bootstrap} does not answer: {error!r}. Operator action: start it.")


async def read_all(bootstrap: str, topic: str) -> list[CompactedRecord]:
    """Every record that stands in the topic now. Raises Unavailable."""
    found: list[CompactedRecord] = []
    reader = CompactedTopic(bootstrap, topic, found.append)
    try:
        await reader.start(patience=1)
    finally:
        await reader.stop()
    return found


async def write_all(bootstrap: str, topic: str, records: Iterable[tuple[str, bytes | None]]) -> None:
    """Write (key, value) records, each acknowledged; None = tombstone. Raises Unavailable."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True, acks="all")
    try:
        await producer.start()
        for key, value in records:
            await producer.send_and_wait(topic, key=key.encode(), value=value)
    except (KafkaError, OSError) as error:
        raise KafkaUnavailable(
            f"Kafka at {bootstrap} does not take records of {topic}: {error!r}. "
            "Operator action: start it, create the topics or mend MARKETPULSE_KAFKA."
        ) from error
    finally:
        await producer.stop()
