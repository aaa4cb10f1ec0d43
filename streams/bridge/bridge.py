"""The loop of a bridge: read a foreign topic, and write events, dead letters and the position in one transaction.

A transaction belongs to one partition of the source, and so does the id that Kafka knows it by: a bridge that comes
back, or another one of the same partition, shuts out the one before, whose transaction never counts then. So what
`feedback` holds and what the position says are the same thing, whenever a process dies.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from marketpulse.client.idempotent import BATCH_BYTES
from marketpulse.client.kafka_servers import Servers, client_options
from marketpulse.contract.topics import topic_name
from marketpulse.contract.words import count_of
from marketpulse.errors import TopicMissing, Unavailable
from streams.bridge.events import Converted, Converter
from streams.bridge.positions import TOPIC, key_of, read_positions, value_of
from streams.errors import BadInput, RetentionPassed, TopicRecreated
from streams.kafka.admin import close_consumer, topic_offsets
from streams.kafka.errors import kafka_errors
from streams.kafka.outbound import letter_record
from streams.kafka.publish import LARGEST_REQUEST_BYTES
from streams.kafka.timeouts import REQUEST_TIMEOUT_MS
from streams.kafka.tolerant import read_tolerantly
from streams.telemetry.logs import get_logger

log = get_logger("bridge")
BATCH_RECORDS = 2_000
TRANSACTION_BYTES = 4_194_304
"""Of events, from which on a transaction ends."""
TRANSACTION_S = 1.0
"""From which on a transaction ends, and other partitions have their turn: a value may take seconds to read."""
AGAIN_S = 5.0
MOST_REASONS = 100


@dataclass(frozen=True)
class Plan:
    """What a bridge does.

    `source`: servers of the foreign topic, `servers`: of this project's topics. `partitions`: of the foreign topic;
    None = all. `newest`: where there is no position yet, begin behind what is there. `until_end`: stop at the end that
    the topic had at the begin. `skip_deleted`: go on where the source deleted records that were not bridged.
    """

    source: Servers
    topic: str
    servers: Servers
    prefix: str
    converter: Converter
    partitions: Sequence[int] | None = None
    codec: str | None = "zstd"
    newest: bool = False
    until_end: bool = False
    skip_deleted: bool = False

    @property
    def name(self) -> str:
        """Of the source."""
        return self.converter.name

    def transactional_id(self, partition: int) -> str:
        """By which Kafka shuts out an older bridge of the same partition."""
        return f"{self.prefix}.bridge.{self.topic}.{partition}/{self.name}"  # a topic's name has no stroke


@dataclass
class Bridged:
    """Records that were read, events and dead letters that came of them, in committed transactions.

    `reasons`: of dead letters, with their number; each is logged once.
    """

    records: int = 0
    events: int = 0
    dead_letters: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


Progress = Callable[[int, int | None], object]


class Bridge:
    """One process's part of the way from a topic to `feedback`."""

    def __init__(self, plan: Plan, on_progress: Progress = lambda done, total: None) -> None:
        self.bridged = Bridged()
        self._plan = plan
        self._on_progress = on_progress
        self._positions = topic_name(plan.prefix, TOPIC)
        self._feedback = topic_name(plan.prefix, "feedback")
        self._dead_letter = topic_name(plan.prefix, "feedback.dead-letter")

    async def run(self, stop: asyncio.Event) -> Bridged:
        """Bridge until `stop` is set or, with `until_end`, the end is reached.

        Where Kafka or the Schema Registry does not answer it is tried again, but not with `until_end`: whoever waits
        for that begins again.

        Raises:
            Unavailable: with `until_end`, Kafka or the registry does not answer, or Kafka has no such topic.
            BadInput: the topic has no such partition.
            OperatorNeeded: another bridge of a partition has begun, Kafka or the registry refuses this client, or the
                source does not hold what comes next.
        """
        try:
            return await self._sessions(stop)
        finally:
            await self._plan.converter.close()

    async def _sessions(self, stop: asyncio.Event) -> Bridged:
        while True:
            try:
                await self._session(stop)
            except Unavailable as error:
                if self._plan.until_end:
                    raise
                log.warning("bridge_waits", error=str(error))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), AGAIN_S)
                if not stop.is_set():
                    continue
            return self.bridged

    async def _session(self, stop: asyncio.Event) -> None:
        plan = self._plan
        try:
            offsets = await topic_offsets(plan.source, plan.topic)
        except TopicMissing as error:
            raise TopicMissing(
                f"Kafka at {plan.source} has no topic {plan.topic}. Operator action: correct its name, or --from."
            ) from error
        if unknown := sorted({*(plan.partitions or ())} - offsets.keys()):
            raise BadInput(
                f"{plan.topic} has no partition {unknown[0]}, but {len(offsets)}. Operator action: correct --partition."
            )
        mine = sorted({*(plan.partitions or offsets)})
        async with contextlib.AsyncExitStack() as closing:
            producers = {number: await self._producer(number, closing) for number in mine}  # shuts out older ones
            kept = await read_positions(plan.servers, self._positions)
            begins = {number: self._begin(number, offsets[number], kept) for number in mine}
            read_tolerantly(plan.topic)
            consumer = AIOKafkaConsumer(
                **client_options(plan.source),
                enable_auto_commit=False,
                auto_offset_reset="none",
                isolation_level="read_committed",
                request_timeout_ms=REQUEST_TIMEOUT_MS,
            )
            closing.push_async_callback(close_consumer, consumer)
            async with kafka_errors(plan.source, f"give records of {plan.topic}"):
                await consumer.start()
                consumer.assign([TopicPartition(plan.topic, number) for number in mine])
                for number, offset in begins.items():
                    consumer.seek(TopicPartition(plan.topic, number), offset)
            ends = {number: offsets[number][1] for number in mine}
            total = sum(ends[number] - begins[number] for number in mine) if plan.until_end else None
            log.info("bridge_began", topic=plan.topic, positions=begins)
            await self._follow(stop, consumer, producers, begins, ends, total)

    async def _follow(
        self,
        stop: asyncio.Event,
        consumer: AIOKafkaConsumer,
        producers: dict[int, AIOKafkaProducer],
        at: dict[int, int],
        ends: dict[int, int],
        total: int | None,
    ) -> None:
        plan = self._plan
        began = dict(at)

        async def move(number: int, records: list[Any]) -> None:
            partition, read = TopicPartition(plan.topic, number), 0
            async for converted in self._parts(records, stop):
                at[number] = await self._move(producers[number], number, converted, converted[-1].next_offset)
                read += len(converted)
            if read < len(records):
                consumer.seek(partition, at[number])  # the rest comes again, after the turn of other partitions
            elif not records and (position := await consumer.position(partition)) > at[number]:
                at[number] = await self._move(producers[number], number, [], position)  # markers of transactions

        while not stop.is_set() and not (plan.until_end and all(at[number] >= end for number, end in ends.items())):
            async with kafka_errors(plan.source, f"give records of {plan.topic}"):
                found = await consumer.getmany(timeout_ms=500, max_records=BATCH_RECORDS)
            # Where nothing came, markers of transactions may have moved the position.
            numbers = {partition.partition: records for partition, records in found.items()} or {
                number: [] for number in at
            }
            moved = (move(number, records) for number, records in numbers.items())
            for answer in await asyncio.gather(*moved, return_exceptions=True):  # none goes on while another ends
                if isinstance(answer, BaseException):
                    raise answer
            self._on_progress(sum(at.values()) - sum(began.values()), total)

    async def _parts(self, records: list[Any], stop: asyncio.Event) -> AsyncIterator[list[Converted]]:
        """What records become, in parts that are a transaction each: few events, or those of one record.

        After TRANSACTION_S, and where `stop` is set, the rest of the records is left.
        """
        clock = asyncio.get_running_loop().time
        ends = clock() + TRANSACTION_S
        part: list[Converted] = []
        held = 0
        for record in records:
            part.append(converted := await self._plan.converter.read(record))
            await asyncio.sleep(0)  # a record may take 0.1 s: transactions of other partitions go on between
            held += sum(len(event.value) for event in converted.events)
            over = stop.is_set() or clock() >= ends
            if over or held >= TRANSACTION_BYTES:
                yield part
                part, held = [], 0
            if over:
                return
        if part:
            yield part

    async def _move(self, producer: AIOKafkaProducer, number: int, converted: list[Converted], position: int) -> int:
        """Bring events over, and say where the source's partition is then, in one transaction; where it is."""
        plan = self._plan
        letters = [found.letter for found in converted if found.letter is not None]
        async with kafka_errors(plan.servers, f"take records of {self._feedback}"), producer.transaction():
            sent = [
                await producer.send(self._feedback, key=event.key, value=event.value)
                for found in converted
                for event in found.events
            ]
            for letter in letters:
                topic, key, value, headers = letter_record(
                    letter, f"bridge:{plan.name}/{plan.topic}", self._dead_letter
                )
                sent.append(await producer.send(topic, key=key, value=value, headers=headers))
            key = key_of(plan.name, plan.topic, number)
            sent.append(await producer.send(self._positions, key=key, value=value_of(position)))
            await asyncio.gather(*sent)
        done = self.bridged
        done.records += len(converted)
        done.events += sum(len(found.events) for found in converted)
        done.dead_letters += len(letters)
        for letter in letters:
            why = f"{letter.code}: {letter.message}"
            if why not in done.reasons and len(done.reasons) < MOST_REASONS:
                log.warning("dead_letter", partition=number, offset=letter.offset, why=why)
            done.reasons[why if why in done.reasons or len(done.reasons) < MOST_REASONS else "others"] += 1
        return position

    async def _producer(self, number: int, closing: contextlib.AsyncExitStack) -> AIOKafkaProducer:
        plan = self._plan
        producer = AIOKafkaProducer(
            **client_options(plan.servers),
            transactional_id=plan.transactional_id(number),
            compression_type=plan.codec,
            max_batch_size=BATCH_BYTES,
            max_request_size=LARGEST_REQUEST_BYTES,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
        )
        closing.push_async_callback(_stopped, producer)
        async with kafka_errors(plan.servers, "begin transactions"):
            await producer.start()
        return producer

    def _begin(self, number: int, offsets: tuple[int, int], kept: dict[bytes, int]) -> int:
        """Where a partition of the source goes on. Raises RetentionPassed, TopicRecreated."""
        plan, (first, end) = self._plan, offsets
        position = kept.get(key_of(plan.name, plan.topic, number))
        if position is None:
            return end if plan.newest else first
        if position > end:
            raise TopicRecreated(
                f"Partition {number} of {plan.topic} ends at {end:,}, and {position:,} was bridged: it is another "
                "topic than before. Operator action: give this one another --name; its records count as new ones."
            )
        if position < first and not plan.skip_deleted:
            raise RetentionPassed(
                f"Partition {number} of {plan.topic} begins at {first:,}: {count_of(first - position, 'record')} from "
                f"{position:,} on were deleted before they were bridged. Operator action: go on without them with "
                "--skip-deleted."
            )
        return max(position, first)


async def _stopped(producer: AIOKafkaProducer) -> None:
    """Stop a producer that may have been shut out: that is known already."""
    with contextlib.suppress(Exception):
        await producer.stop()
