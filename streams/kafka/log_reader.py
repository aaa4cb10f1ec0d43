"""Reads stretches of a topic's partitions, in order and without a group, for whoever recounts or replays."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from marketpulse.client.kafka_servers import Servers, client_options
from streams.kafka.admin import close_consumer, topic_offsets
from streams.kafka.errors import kafka_errors
from streams.kafka.tolerant import read_tolerantly, unreadable

FETCH_BYTES = 8_388_608
FETCH_WAIT_MS = 20  # a question about offsets waits behind a fetch that is under way


class LogReader:
    """One topic, as long as the `async with` block lasts. Everything raises Unavailable where Kafka does not answer.

    `offsets` holds first and next offset of every partition as they were when the block began: the next one is the last
    stable offset, before which no transaction is open. What was aborted is not read.
    """

    def __init__(self, servers: Servers, topic: str) -> None:
        self.topic = topic
        self._servers = servers
        self._consumer: Any = None
        self.offsets: dict[int, tuple[int, int]] = {}

    async def __aenter__(self) -> "LogReader":
        self.offsets = await topic_offsets(self._servers, self.topic, patience=10)
        read_tolerantly()
        self._consumer = AIOKafkaConsumer(
            **client_options(self._servers),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            max_partition_fetch_bytes=FETCH_BYTES,
            fetch_max_wait_ms=FETCH_WAIT_MS,
        )
        try:
            async with self._errors():
                await self._consumer.start()
        except BaseException:
            await self._consumer.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await close_consumer(self._consumer)

    async def end(self, partition: int = 0) -> int:
        """The offset that the next record will have."""
        one = TopicPartition(self.topic, partition)
        async with self._errors():
            return int((await self._consumer.end_offsets([one]))[one])

    async def offset_at(self, at_ms: int, partition: int = 0) -> int:
        """Offset of the first record that is not older than an epoch time in ms; the end where there is none."""
        one = TopicPartition(self.topic, partition)
        async with self._errors():
            found = (await self._consumer.offsets_for_times({one: max(0, at_ms)}))[one]
        return await self.end(partition) if found is None else int(found.offset)

    async def records(self, first: int, end: int, partition: int = 0, whole: bool = False) -> AsyncIterator[Any]:
        """Kafka records with offsets in [first, end), oldest first; one reading at a time.

        `whole`: with what represents stretches that cannot be read (`tolerant.unreadable`), left out otherwise.
        """
        one = TopicPartition(self.topic, partition)
        if first >= end:
            return
        async with self._errors():
            self._consumer.assign([one])
            self._consumer.seek(one, max(first, self.offsets[partition][0]))
            while await self._consumer.position(one) < end:
                for record in (await self._consumer.getmany(one, timeout_ms=1_000)).get(one, []):
                    if record.offset >= end:
                        return
                    if whole or unreadable(record) is None:
                        yield record

    def _errors(self) -> AbstractAsyncContextManager[None]:
        return kafka_errors(self._servers, f"give records of {self.topic}")
