"""A one-partition compacted topic: read in full without a group, then followed; written one by one or at once."""

import asyncio
from collections.abc import Callable, Iterable

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from marketpulse.client.idempotent import idempotent_producer
from marketpulse.client.kafka_servers import Servers, client_options
from marketpulse.contract.decode import Headers
from marketpulse.errors import MarketpulseError
from streams.batches import CompactedRecord
from streams.kafka.admin import close_consumer, topic_offsets
from streams.kafka.errors import kafka_errors
from streams.kafka.timeouts import REQUEST_TIMEOUT_MS
from streams.kafka.tolerant import read_tolerantly, unreadable

TRANSACTION_MS = 15_000
"""After that Kafka ends a transaction whose writer went away; readers of the topic wait for it meanwhile."""


class CompactedTopic:
    """Hands every record to `take`, in order: `start` up to the end as it is then, `follow` what comes later.

    `all_taken` is called whenever all records that Kafka has were taken, about once a second while nothing comes.
    """

    def __init__(
        self,
        servers: Servers,
        topic: str,
        take: Callable[[CompactedRecord], object],
        all_taken: Callable[[], object] = lambda: None,
    ) -> None:
        self._servers = servers
        self._partition = TopicPartition(topic, 0)
        self._take = take
        self._all_taken = all_taken
        self._consumer: AIOKafkaConsumer | None = None
        self._at = 0

    async def start(self, patience: int = 50) -> None:
        """Read everything that is there now. Raises Unavailable; may be tried again.

        Args:
            patience: tenths of a second for which a topic just created may not be known yet.
        """
        first, end = (await topic_offsets(self._servers, self._partition.topic, patience))[0]
        await self._open(max(first, self._at))
        while self._at < end:
            await self._poll()
        self._all_taken()

    async def follow(self) -> None:
        """Take what has come since, waiting for it for about a second. Raises Unavailable; may be tried again."""
        if self._consumer is None:
            await self._open(self._at)
        await self._poll()
        stable = self._consumer.last_stable_offset(self._partition) if self._consumer else None
        if stable is not None and self._at >= stable:
            self._all_taken()

    async def stop(self) -> None:
        """Close the connection."""
        if self._consumer is not None:
            consumer, self._consumer = self._consumer, None
            await close_consumer(consumer)

    async def _open(self, offset: int) -> None:
        await self.stop()
        read_tolerantly()
        consumer = AIOKafkaConsumer(
            **client_options(self._servers),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            request_timeout_ms=REQUEST_TIMEOUT_MS,
        )
        try:
            async with kafka_errors(self._servers, "answer"):
                await consumer.start()
        except BaseException:
            await consumer.stop()
            raise
        consumer.assign([self._partition])
        consumer.seek(self._partition, offset)
        self._consumer = consumer

    async def _poll(self) -> None:
        assert self._consumer is not None
        try:
            async with kafka_errors(self._servers, f"give records of {self._partition.topic}"):
                records = (await self._consumer.getmany(self._partition, timeout_ms=1_000)).get(self._partition, [])
                for one in records:
                    self._take(_taken(one))
                # Compaction leaves holes and the end may be one: the consumer's position is past them.
                self._at = max(self._at, await self._consumer.position(self._partition))
        except MarketpulseError:
            await self.stop()
            raise


def _taken(record: ConsumerRecord) -> CompactedRecord:
    if stretch := unreadable(record):
        ms = max(0, record.timestamp)
        return CompactedRecord(
            stretch.first, None, None, timestamp_ms=ms, last_offset=stretch.last, unreadable=stretch.why
        )
    return CompactedRecord(record.offset, record.key, record.value, tuple(record.headers), record.timestamp)


async def read_all(servers: Servers, topic: str) -> list[CompactedRecord]:
    """Every record of the topic that can be read now. Raises Unavailable."""
    found: list[CompactedRecord] = []
    await read_each(servers, topic, found.append)
    return found


async def read_each(servers: Servers, topic: str, take: Callable[[CompactedRecord], object]) -> None:
    """Hand every record that can be read now to `take` and keep none. Raises Unavailable."""

    def readable(record: CompactedRecord) -> None:
        if not record.unreadable:
            take(record)

    reader = CompactedTopic(servers, topic, readable)
    try:
        await reader.start(patience=1)
    finally:
        await reader.stop()


async def write_at_once(
    servers: Servers, topic: str, transaction: str, records: Iterable[tuple[str, bytes | None, Headers]]
) -> None:
    """Write (key, value, headers) records in one transaction: readers get all of them or none.

    Args:
        servers: where.
        topic: whereto; None as a value = a tombstone.
        transaction: transactional id; who takes it ends a transaction that another process has open under it.
        records: at least one.

    Raises:
        Unavailable: nothing was written, unless Kafka went away while it committed.
        OperatorNeeded: this login may not write to the topic, or not under this id.
    """
    producer = idempotent_producer(servers, transactional_id=transaction, transaction_timeout_ms=TRANSACTION_MS)
    try:
        async with kafka_errors(servers, f"take records of {topic} in one transaction"):
            await producer.start()
            async with producer.transaction():
                sent = [
                    await producer.send(topic, key=key.encode(), value=value, headers=list(headers))
                    for key, value, headers in records
                ]
                await asyncio.gather(*sent)
    finally:
        await producer.stop()


async def write_all(servers: Servers, topic: str, records: Iterable[tuple[str, bytes | None]]) -> None:
    """Write (key, value) records, each acknowledged; None = tombstone. Raises Unavailable."""
    producer = idempotent_producer(servers)
    try:
        async with kafka_errors(servers, f"take records of {topic}"):
            await producer.start()
            for key, value in records:
                await producer.send_and_wait(topic, key=key.encode(), value=value)
    finally:
        await producer.stop()
