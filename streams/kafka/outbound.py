"""What a worker sends to Kafka: dead letters before the commit, the outbox after the step."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from aiokafka import AIOKafkaProducer

from marketpulse.client.idempotent import BATCH_BYTES, idempotent_producer
from marketpulse.client.kafka_servers import Servers
from marketpulse.contract.feedback import LATEST_MS
from marketpulse.contract.topics import topic_name
from marketpulse.errors import MarketpulseError
from streams.batches import DeadLetter, OutboxEntry, cut
from streams.errors import RecordTooLarge
from streams.kafka.dead_letters import ERROR_HEADER, own_headers
from streams.kafka.errors import TOO_LARGE, kafka_errors
from streams.kafka.publish import LARGEST_REQUEST_BYTES, Record, send_records
from streams.kafka.timeouts import REQUEST_TIMEOUT_MS
from streams.privacy.redaction import redact_log

MESSAGE_CHARACTERS = 300

Outgoing = tuple[str, bytes | None, bytes | None, list[tuple[str, bytes]]]
"""One record to be sent: topic, key, value, headers."""


class Outbound:
    """One idempotent producer (acks=all). Both methods return once Kafka has acknowledged everything.

    `compression`: of all that is sent, by aiokafka's names; None = none.
    """

    def __init__(self, servers: Servers, prefix: str, compression: str | None = "zstd") -> None:
        self._servers = servers
        self._compression = compression
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
            self._servers,
            compression_type=self._compression,
            max_batch_size=BATCH_BYTES,
            max_request_size=LARGEST_REQUEST_BYTES,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
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
        """Original bytes, key and headers, with KIP-1034's headers beside them. At least once.

        Headers that a producer sent under the names of these are left out: nobody gives a reason but us. A letter that
        the topic does not take is sent again, cut.

        Raises:
            Unavailable: Kafka does not answer.
            RecordTooLarge: the topic does not even take letters that are cut.
        """
        topic = topic_name(self._prefix, source)
        refused = await self._send([letter_record(letter, topic, self._dead_letter) for letter in letters])
        if not refused:
            return
        shorter = [cut(letters[number]) for number in refused]
        if await self._send([letter_record(letter, topic, self._dead_letter) for letter in shorter]):
            raise RecordTooLarge(_too_large(self._dead_letter, max(letter.size for letter in shorter)))

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
        """The outbox's records, in order per key. At least once.

        Raises:
            Unavailable: Kafka does not answer.
            RecordTooLarge: a topic takes no record as large as one of these.
        """
        refused = await self._send([(entry.topic, entry.key, entry.value, []) for entry in entries])
        if refused:
            entry = entries[min(refused)]
            raise RecordTooLarge(_too_large(entry.topic, len(entry.value)))

    async def _send(self, records: Sequence[Outgoing]) -> list[int]:
        """Send records; which of them are too large to be taken. Raises Unavailable."""
        waiting, refused = dict(enumerate(records)), list[int]()
        while waiting:
            if self._producer is None:
                await self.start()
            assert self._producer is not None
            try:
                async with kafka_errors(self._servers, "take records"):
                    too_large = await _try(self._producer, waiting)
            except MarketpulseError:
                await self.stop()
                raise
            refused += too_large
            if too_large:
                # A record that Kafka refuses leaves a gap in the producer's numbers, and Kafka takes none behind it:
                # what is left goes through another producer.
                await self.stop()
        return refused


def letter_record(letter: DeadLetter, source: str, topic: str) -> Outgoing:
    """A dead letter of a source topic as the record for the dead-letter topic; see `Outbound.dead_letters`."""
    return topic, _key_of(letter), letter.value, [*own_headers(letter.headers), *_headers(letter, source)]


async def _try(producer: AIOKafkaProducer, waiting: dict[int, Outgoing]) -> list[int]:
    """Send records and take out of `waiting` what is settled; which of those are too large. Raises KafkaError."""
    sent: dict[int, asyncio.Future[object]] = {}
    too_large: list[int] = []
    for number, (topic, key, value, headers) in waiting.items():
        try:
            sent[number] = await producer.send(topic, value=value, key=key, headers=headers)
        except TOO_LARGE:
            too_large.append(number)
    answers = await asyncio.gather(*sent.values(), return_exceptions=True)
    others: list[BaseException] = []
    for number, answer in zip(sent, answers, strict=True):
        if isinstance(answer, TOO_LARGE):
            too_large.append(number)
        elif isinstance(answer, BaseException):
            others.append(answer)
        else:
            del waiting[number]
    for number in too_large:
        del waiting[number]
    if others and not too_large:
        raise others[0]
    return too_large


def _too_large(topic: str, size: int) -> str:
    return (
        f"{topic} does not take a record of {size} bytes. Operator action: raise the topic's `max.message.bytes` "
        f"(kafka-configs.sh --alter --entity-type topics --entity-name {topic} --add-config max.message.bytes=...); "
        "the limit is compared with the compressed record. Then start again: nothing is lost."
    )


def _key_of(letter: DeadLetter) -> bytes | None:
    """The record's own key; an empty one where it has neither key nor value, which aiokafka does not send."""
    return b"" if letter.key is None and letter.value is None else letter.key


def _headers(letter: DeadLetter, topic: str) -> list[tuple[str, bytes]]:
    record_ms = min(max(letter.record_ms, 0), LATEST_MS)  # a producer's own clock may say anything
    failed_at = datetime.fromtimestamp(record_ms / 1000, UTC).isoformat()
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
    if letter.last_offset is not None:
        values["last-offset"] = str(letter.last_offset)
    if letter.cut:
        values |= {"cut": ",".join(letter.cut), "bytes": str(letter.value_bytes), "sha256": letter.value_sha256}
    return [(ERROR_HEADER + name, value.encode()) for name, value in values.items()]
