"""What a worker sends to Kafka: dead letters before the commit, the outbox after the step."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from aiokafka import AIOKafkaProducer

from marketpulse.contract.topics import topic_name
from streams.batches import DeadLetter, OutboxEntry
from streams.errors import MarketpulseError
from streams.kafka.connection import Servers
from streams.kafka.dead_letters import ERROR_HEADER, own_headers
from streams.kafka.errors import kafka_errors
from streams.kafka.publish import Record, idempotent_producer, send_records
from streams.privacy.redaction import redact_log

MESSAGE_CHARACTERS = 300


class Outbound:
    """One idempotent producer (acks=all). Both methods return once Kafka has acknowledged everything."""

    def __init__(self, servers: Servers, prefix: str) -> None:
        self._servers = servers
        self._prefix = prefix
        self._classified = topic_name(prefix, "feedback.classified")
        self._dead_letter = topic_name(prefix, "feedback.dead-letter")
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()  # several agents send: one producer for all of them

    async def start(self) -> None:
        """Connect. Raises Unavailable."""
        async with self._starting:
            if self._producer is None:
                self._producer = await self._connected()

    async def _connected(self) -> AIOKafkaProducer:
        producer = idempotent_producer(
            self._servers, compression_type="gzip", max_request_size=16_000_000, request_timeout_ms=30_000
        )
        try:
            async with kafka_errors(self._servers, "answer"):
                await producer.start()
        except MarketpulseError:
            await producer.stop()
            raise
        return producer

    async def stop(self) -> None:
        """Close the connections."""
        if self._producer is not None:
            await self._producer.stop()
            self._producer = None

    async def dead_letters(self, letters: Sequence[DeadLetter], source: str = "feedback") -> None:
        """Original bytes, key and headers, with KIP-1034's headers beside them. At least once. Raises Unavailable.

        Headers that a producer sent under the names of these are left out: nobody gives a reason but us.
        """
        topic = topic_name(self._prefix, source)
        await self._send(
            (self._dead_letter, _key_of(letter), letter.value, [*own_headers(letter.headers), *_headers(letter, topic)])
            for letter in letters
        )

    async def classified(self, records: Sequence[tuple[str, bytes]]) -> None:
        """What the model said, (market, value) each, in whole batches per partition. Raises Unavailable."""
        if self._producer is None:
            await self.start()
        assert self._producer is not None
        try:
            async with kafka_errors(self._servers, f"take records of {self._classified}"):
                keyed = [Record(market.encode(), value) for market, value in records]
                await send_records(self._producer, self._classified, keyed)
        except MarketpulseError:
            await self.stop()
            raise

    async def relay(self, entries: Sequence[OutboxEntry]) -> None:
        """The outbox's records, in order per key. At least once. Raises Unavailable."""
        await self._send((entry.topic, entry.key, entry.value, []) for entry in entries)

    async def _send(self, records: Iterable[tuple[str, bytes | None, bytes | None, list[tuple[str, bytes]]]]) -> None:
        if self._producer is None:
            await self.start()
        assert self._producer is not None
        try:
            async with kafka_errors(self._servers, "take records"):
                sent = [
                    await self._producer.send(topic, value=value, key=key, headers=headers)
                    for topic, key, value, headers in records
                ]
                for acknowledged in sent:
                    await acknowledged
        except MarketpulseError:
            await self.stop()
            raise


def _key_of(letter: DeadLetter) -> bytes | None:
    """The record's own key; an empty one where it has neither key nor value, which aiokafka does not send."""
    return b"" if letter.key is None and letter.value is None else letter.key


def _headers(letter: DeadLetter, topic: str) -> list[tuple[str, bytes]]:
    failed_at = datetime.fromtimestamp(letter.record_ms / 1000, UTC).isoformat()
    values = {
        "exception": "Rejected",
        "message": redact_log(letter.message)[:MESSAGE_CHARACTERS],
        "topic": topic,
        "partition": str(letter.partition),
        "offset": str(letter.offset),
        "code": letter.code,
        "first-failed-at": failed_at,
        "attempt": "1",
    }
    return [(ERROR_HEADER + name, value.encode()) for name, value in values.items()]
