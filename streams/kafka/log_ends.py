"""Where the partitions of a topic end: asked again and again over one connection."""

import asyncio
import contextlib

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from marketpulse.client.kafka_servers import Servers, client_options

ANSWER_S = 1.0
PAUSE_S = 5.0


class LogEnds:
    """Asks Kafka for the last stable offsets of one topic; what is before them is in no open transaction.

    Whoever asks goes on without an answer: there is none while Kafka is away, and then for 5 s nobody asks again.
    """

    def __init__(self, servers: Servers | None = None, topic: str = "") -> None:
        """Without servers nothing is ever known."""
        self._servers = servers
        self._topic = topic
        self._consumer: AIOKafkaConsumer | None = None
        self._asks_from = 0.0

    async def ends(self, partitions: int) -> dict[int, int]:
        """Last stable offset of each of the first `partitions` partitions; empty where Kafka does not answer in 1 s."""
        if self._servers is None or asyncio.get_running_loop().time() < self._asks_from:
            return {}
        wanted = [TopicPartition(self._topic, number) for number in range(partitions)]
        try:
            async with asyncio.timeout(ANSWER_S):
                consumer = self._consumer or await self._connect(self._servers)
                found = await consumer.end_offsets(wanted)
        except (KafkaError, OSError):
            self._asks_from = asyncio.get_running_loop().time() + PAUSE_S
            await self.stop()
            return {}
        return {partition.partition: int(end) for partition, end in found.items()}

    async def stop(self) -> None:
        """Close the connection."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with contextlib.suppress(KafkaError, OSError):
                await consumer.stop()

    async def _connect(self, servers: Servers) -> AIOKafkaConsumer:
        options = client_options(servers)
        self._consumer = AIOKafkaConsumer(**options, enable_auto_commit=False, isolation_level="read_committed")
        await self._consumer.start()
        return self._consumer
