"""Publish feedback with asyncio: checked as a worker checks it, acknowledged by all replicas, an outcome of each.

async with AsyncProducer("127.0.0.1:9092", prefix="marketpulse") as producer:
    delivery = await producer.send(event)           # where it is; raises Rejected or NotAcknowledged
    outcomes = await producer.send_many(events)     # Delivery, Rejected or NotAcknowledged of each, in order
    await producer.submit(event)                    # does not wait for Kafka; waits while too much is on its way
    await producer.flush()                          # raises NotAcknowledged if a submitted event was not acknowledged
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.structs import RecordMetadata

from marketpulse.client.idempotent import BATCH_BYTES, idempotent_producer
from marketpulse.client.kafka_servers import Servers
from marketpulse.contract.decode import Decoded, Headers, Rejected, decode, key_of
from marketpulse.contract.feedback import FeedbackEvent
from marketpulse.contract.topics import topic_name
from marketpulse.errors import KafkaUnavailable, NotAcknowledged

Event = FeedbackEvent | Mapping[str, Any] | bytes
"""The contract's type, a mapping with its fields, or the JSON itself, which is sent as it is."""

TIMEOUT_S = 30.0
MAX_PENDING_BYTES = 32 * 1024 * 1024
RECORD_BYTES = 1_024
"""What a record on its way takes beside its value."""
CHECKS_S = 0.005
"""How long events are checked before others may run: a megabyte of them may take some time."""
GIVE_UP_S = 1.0
"""How long a request that is under way may go on while its producer gives up."""


class Delivery(NamedTuple):
    """Where an acknowledged event is in Kafka."""

    id: str
    topic: str
    partition: int
    offset: int


Outcome = Delivery | Rejected | NotAcknowledged


@dataclass
class Counts:
    """Events by outcome, since the producer was made; `refused` by code."""

    sent: int = 0
    failed: int = 0
    refused: Counter[str] = field(default_factory=Counter)


def checked(event: Event, now_ms: int, headers: Headers = ()) -> tuple[bytes, Decoded]:
    """The value to publish and what a worker would read in it: the worker's own decoder has the only say.

    Raises:
        Rejected: a worker would send it to the dead letters.
    """
    try:
        value = event if isinstance(event, bytes) else msgspec.json.encode(event)
    except TypeError as error:
        raise Rejected("bad_type", "a field is of a type that JSON does not have") from error
    except (ValueError, OverflowError, RecursionError) as error:
        raise Rejected("bad_value", "a field cannot be written as JSON") from error
    return value, decode(value, now_ms, headers)


class AsyncProducer:
    """One idempotent producer (acks=all), key = user, else id; for one event loop.

    A record that is not acknowledged in time is reported as NotAcknowledged: it may still reach Kafka. Send it
    again with the same id, and workers count it once (within MARKETPULSE_DEDUPE_MINUTES).

    Args:
        servers: `host:port,host:port`, or `KafkaServers` with TLS and login.
        prefix: of the topics.
        timeout_s: how long an event may wait for room and for its acknowledgement, together.
        max_pending_bytes: bytes on their way to Kafka, above which callers wait.
        now_ms: the clock that late and future events are judged by here; workers judge by Kafka's.
    """

    def __init__(
        self,
        servers: Servers,
        *,
        prefix: str = "marketpulse",
        timeout_s: float = TIMEOUT_S,
        max_pending_bytes: int = MAX_PENDING_BYTES,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.topic = topic_name(prefix, "feedback")
        self.counts = Counts()
        self.pending_bytes = 0
        self._servers = servers
        self._timeout_s = timeout_s
        self._max_pending_bytes = max_pending_bytes
        self._now_ms = now_ms
        self._producer: AIOKafkaProducer | None = None
        self._connecting = asyncio.Lock()
        self._freed = asyncio.Event()
        self._pending: dict[asyncio.Future[RecordMetadata], AIOKafkaProducer] = {}
        self._stopping: set[asyncio.Task[None]] = set()
        self._lost = 0  # submitted events that were not acknowledged, since the last flush

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                await self.flush()
        finally:
            await self.close()

    async def start(self) -> None:
        """Connect, if it is not. Raises KafkaUnavailable, also where the topic is not there."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._connected()
        except TimeoutError as error:
            raise KafkaUnavailable(f"Kafka at {self._servers} did not answer within {self._timeout_s:g} s.") from error

    async def close(self) -> None:
        """Close the connections; what Kafka has not acknowledged within the time is given up, and reported."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await self._stop(producer)
        if self._stopping:
            await asyncio.wait(self._stopping)

    async def answers(self) -> bool:
        """Whether Kafka answers now; connects if need be. Does not end while Kafka hangs: give it a time limit."""
        try:
            return bool(await (await self._connected()).client.force_metadata_update())
        except KafkaUnavailable:
            return False

    async def send(self, event: Event, headers: Headers = ()) -> Delivery:
        """Publish one event. Raises Rejected (it breaks the contract) or NotAcknowledged."""
        (outcome,) = await self.send_many([event], headers)
        if isinstance(outcome, Delivery):
            return outcome
        raise outcome

    async def send_many(self, events: Sequence[Event], headers: Headers = ()) -> list[Outcome]:
        """Publish events, in order per user; what became of each, in their order. One bad event costs only itself.

        All of them are in memory at once: give a large feed in slices.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        deadline = began + self._timeout_s
        outcomes = []
        for event in events:
            outcomes.append(self._checked(event, headers))
            if loop.time() - began > CHECKS_S:
                await asyncio.sleep(0)
                began = loop.time()
        waiting: dict[int, asyncio.Future[RecordMetadata]] = {}
        why = ""
        try:
            async with asyncio.timeout_at(deadline):
                for at, one in enumerate(outcomes):
                    if not isinstance(one, Rejected):
                        waiting[at] = await self._enqueued(*one, headers)
                if waiting:
                    await asyncio.wait(waiting.values())
        except (TimeoutError, KafkaError, KafkaUnavailable, OSError) as error:
            why = _why(error)
        if why and waiting and (left := deadline - loop.time()) > 0:
            await asyncio.wait(waiting.values(), timeout=left)
        return [
            self._refused(one) if isinstance(one, Rejected) else self._told(one[1].id, waiting.get(at), why)
            for at, one in enumerate(outcomes)
        ]

    async def submit(self, event: Event, headers: Headers = ()) -> asyncio.Future[Delivery]:
        """Hand one event over without waiting for Kafka, but for room; the future has its Delivery or NotAcknowledged.

        `flush` reports it too. Raises Rejected, and NotAcknowledged where no room came up.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout_s
        one = self._checked(event, headers)
        if isinstance(one, Rejected):
            raise self._refused(one)
        try:
            async with asyncio.timeout_at(deadline):
                record = await self._enqueued(*one, headers)
        except (TimeoutError, KafkaError, KafkaUnavailable, OSError) as error:
            raise self._failed(_why(error)) from error
        promise: asyncio.Future[Delivery] = loop.create_future()
        event_id = one[1].id

        def tell(_: object = None) -> None:
            timer.cancel()
            if promise.done():
                return
            outcome = self._told(event_id, record, "")
            if isinstance(outcome, Delivery):
                promise.set_result(outcome)
            else:
                self._lost += 1
                promise.set_exception(outcome)
                promise.exception()  # `flush` tells it too, so nobody must look here

        timer = loop.call_at(deadline, tell)
        record.add_done_callback(tell)
        return promise

    async def flush(self) -> None:
        """Wait until all that was handed over is acknowledged.

        Raises:
            NotAcknowledged: some of it was not in time, or a submitted event was not since the last flush.
        """
        waiting = set(self._pending)
        left: set[asyncio.Future[RecordMetadata]] = set()
        if waiting:
            _, left = await asyncio.wait(waiting, timeout=self._timeout_s)
        await asyncio.sleep(0)  # callbacks of what has just ended
        lost, self._lost = self._lost, 0
        if lost or left:
            raise NotAcknowledged(
                f"Kafka at {self._servers} did not acknowledge {max(lost, len(left))} events in time. "
                "Operator action: send them again; a copy counts once by its id."
            )

    def _checked(self, event: Event, headers: Headers) -> tuple[bytes, Decoded] | Rejected:
        try:
            return checked(event, self._now_ms(), headers)
        except Rejected as rejected:
            return rejected

    def _refused(self, rejected: Rejected) -> Rejected:
        self.counts.refused[rejected.code] += 1
        return rejected

    def _told(self, event_id: str, record: asyncio.Future[RecordMetadata] | None, why: str) -> Outcome:
        if record is None or not record.done():
            return self._failed(why or _why(TimeoutError()))
        if record.cancelled() or (error := record.exception()) is not None:
            return self._failed("closed" if record.cancelled() else repr(error))
        self.counts.sent += 1
        at = record.result()
        return Delivery(event_id, at.topic, at.partition, at.offset)

    def _failed(self, why: str) -> NotAcknowledged:
        self.counts.failed += 1
        return NotAcknowledged(
            f"Kafka at {self._servers} did not acknowledge an event: {why}. "
            "Operator action: send it again; a copy counts once by its id."
        )

    async def _enqueued(self, value: bytes, decoded: Decoded, headers: Headers) -> asyncio.Future[RecordMetadata]:
        """Hand a record to aiokafka once there is room for it; it takes its room until Kafka acknowledges it."""
        size = len(value) + RECORD_BYTES + sum(len(name) + len(sent or b"") for name, sent in headers)
        while self.pending_bytes and self.pending_bytes + size > self._max_pending_bytes:
            self._freed.clear()
            await self._freed.wait()
        self.pending_bytes += size
        producer = None
        try:
            producer = self._producer or await self._connected()
            key = key_of({"user": decoded.user, "id": decoded.id})
            record: asyncio.Future[RecordMetadata] = await producer.send(
                self.topic, value=value, key=key, headers=list(headers)
            )
        except BaseException as error:
            self._release(size)
            if isinstance(error, KafkaError):
                self._discard(producer)
            raise
        self._pending[record] = producer

        def ended(_: object) -> None:
            del self._pending[record]
            self._release(size)
            if not record.cancelled() and record.exception() is not None:
                self._discard(producer)

        record.add_done_callback(ended)
        return record

    def _release(self, size: int) -> None:
        self.pending_bytes -= size
        self._freed.set()

    def _discard(self, producer: AIOKafkaProducer | None) -> None:
        """Never use a producer again that has lost a record: its sequence numbers have a hole from then on."""
        if producer is None or producer is not self._producer:
            return
        self._producer = None
        task = asyncio.get_running_loop().create_task(self._stop(producer))
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)

    async def _stop(self, producer: AIOKafkaProducer) -> None:
        """Close a producer once its records are acknowledged, at the latest after the time that an event may take."""
        records = {record for record, its in self._pending.items() if its is producer}
        left = (await asyncio.wait(records, timeout=self._timeout_s))[1] if records else set()
        if not left:
            await producer.stop()
            return
        await _give_up(producer)
        for record in left:
            record.cancel()

    async def _connected(self) -> AIOKafkaProducer:
        async with self._connecting:
            if self._producer is None:
                self._producer = await self._connect()
            return self._producer

    async def _connect(self) -> AIOKafkaProducer:
        # Longer than any caller waits: a caller's own deadline comes first. What comes while a request is under way
        # goes with the next one, so nothing needs to linger.
        producer = idempotent_producer(
            self._servers, max_batch_size=BATCH_BYTES, request_timeout_ms=int((self._timeout_s + 5.0) * 1_000)
        )
        try:
            await producer.start()
            await producer.partitions_for(self.topic)
        except BaseException as error:
            await _give_up(producer)
            if isinstance(error, (KafkaError, OSError)):
                raise KafkaUnavailable(
                    f"Kafka at {self._servers} does not take records of {self.topic}: {error!r}. "
                    "Operator action: start it, create the topics or fix MARKETPULSE_KAFKA."
                ) from error
            raise
        return producer


def _why(error: Exception) -> str:
    return "it did not answer in time" if isinstance(error, TimeoutError) else repr(error)


async def _give_up(producer: AIOKafkaProducer) -> None:
    """Close a producer that still has records.

    An idempotent one tries for ever, and has no public way to be stopped.
    """
    producer._closed = True
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GIVE_UP_S):
            await producer._sender.close()
    await producer.client.close()
