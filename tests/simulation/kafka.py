"""Stand-ins for Kafka: a log of partitions, a consumer group with sessions and rebalances, a consumer, a producer."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError, KafkaTimeoutError, NoOffsetForPartitionError

from marketpulse.client.kafka_servers import Servers
from marketpulse.errors import KafkaUnavailable, Unavailable
from streams.batches import DeadLetter, OutboxEntry
from streams.pipeline.rollup.rewind import Undone, seq_of, undone_of
from tests.simulation.clock import VirtualLoop

REBALANCE_TIMEOUT_S = 10.0


class Record(NamedTuple):
    """The fields of aiokafka's record that the product reads."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp_type: int = 1


@dataclass
class Kafka:
    """One broker: the source log, the topics that workers write to, whether it is down."""

    loop: VirtualLoop
    rng: random.Random
    partitions: int
    fault: Callable[[str], None]
    session_s: float = 6.0
    down: bool = False
    unacknowledged: float = 0.0  # chance that a send fails although some of it was written
    jump: float = 0.0  # chance that the first fetch after a seek begins too late
    log: list[list[Record]] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    topics: dict[str, list[tuple[bytes | None, bytes | None]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.log = [[] for _ in range(self.partitions)]
        self.ends = [0] * self.partitions
        self.group = Group(self)

    async def check(self, _servers: Servers) -> None:
        """What a connection of its own finds out: no login is refused here."""
        if self.down:
            raise KafkaUnavailable("Kafka does not answer")

    def append(self, partition: int, value: bytes | None, timestamp_ms: int, gap: int = 0) -> None:
        """Append one record; `gap` offsets before it hold none (markers of transactions, what was taken back)."""
        offset = self.ends[partition] + gap
        self.log[partition].append(Record(partition, offset, timestamp_ms, b"k", value))
        self.ends[partition] = offset + 1

    def mark(self, partition: int, offsets: int) -> None:
        """Offsets at the end that hold no record: a transaction ended, or what it sent was taken back."""
        self.ends[partition] += offsets

    def read(self, partition: int, position: int, most: int) -> list[Record]:
        """Up to `most` records from an offset on."""
        records = self.log[partition]
        low, high = 0, len(records)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if records[middle].offset < position else (low, middle)
        return records[low : low + most]

    async def answer(self) -> None:
        """A round trip; raises while the broker is down."""
        await asyncio.sleep(self.rng.uniform(0.0005, 0.01))
        if self.down:
            await asyncio.sleep(self.rng.uniform(0.1, 3.0))
            raise KafkaTimeoutError

    async def find_undone(self, bootstrap: str, prefix: str, seq: int) -> Undone:
        """`streams.pipeline.rollup.rewind.find_undone`, of this broker's topics."""
        try:
            await self.answer()
        except KafkaTimeoutError as error:
            raise Unavailable("Kafka does not answer") from error
        steps = [value for key, value in self.topics.get(f"{prefix}.market.steps", ()) if key and key.isdigit()]
        alerts = [value or b"" for _, value in self.topics.get(f"{prefix}.market.alerts", ())]
        return undone_of(seq_of(steps[-1] or b"") if steps else 0, alerts, seq)


class Group:
    """The coordinator of one consumer group (eager protocol): whoever does not send heartbeats is put out."""

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self._members: dict[str, float] = {}  # member -> time of its last heartbeat
        self._joined: set[str] = set()
        self._began = 0.0
        self._rebalancing = False
        self._assignment: dict[str, list[int]] = {}
        self.generation = 0

    def rebalance(self) -> None:
        """Ask every member to join again, unless they are asked already."""
        if not self._rebalancing:
            self.generation += 1
            self._joined = set()
            self._began = self._kafka.loop.time()
            self._rebalancing = True

    def leave(self, member: str) -> None:
        """A member goes."""
        if self._members.pop(member, None) is not None:
            self._joined.discard(member)
            self.rebalance()

    def heartbeat(self, member: str) -> int:
        """The generation now; -1 for a member that was put out."""
        if member not in self._members:
            return -1
        self._members[member] = self._kafka.loop.time()
        return self.generation

    async def join(self, member: str) -> tuple[int, list[int]]:
        """Join and wait for the others; generation and partitions."""
        self.rebalance()
        while self._rebalancing:
            self._members[member] = self._kafka.loop.time()  # again, if it was put out meanwhile
            self._joined.add(member)
            self._finish_if_complete()
            if self._rebalancing:
                await asyncio.sleep(0.1)
        self.heartbeat(member)
        return self.generation, self._assignment.get(member, [])

    def watch(self) -> None:
        """Put out the silent, twice a virtual second."""
        kafka, now = self._kafka, self._kafka.loop.time()
        for member, at in sorted(self._members.items()):
            patience = REBALANCE_TIMEOUT_S if member in self._joined and self._rebalancing else kafka.session_s
            if kafka.down:
                self._members[member] = now
            elif now - at > patience:
                kafka.fault("session expired")
                self.leave(member)
        self._finish_if_complete()
        kafka.loop.later(0.5, self.watch)

    def _finish_if_complete(self) -> None:
        if not self._rebalancing or not self._members:
            return
        if set(self._members) <= self._joined or (
            self._joined and self._kafka.loop.time() - self._began > REBALANCE_TIMEOUT_S
        ):
            for member in sorted(set(self._members) - self._joined):
                del self._members[member]
            members = sorted(self._joined)
            self._kafka.rng.shuffle(members)
            self._assignment = {
                member: list(range(at, self._kafka.partitions, len(members))) for at, member in enumerate(members)
            }
            self._rebalancing = False


class Consumer:
    """The part of AIOKafkaConsumer that the source uses; positions come from `seek` alone."""

    def __init__(self, kafka: Kafka, member: str) -> None:
        self._kafka = kafka
        self._member = member
        self._assigned: list[TopicPartition] = []
        self._positions: dict[TopicPartition, int] = {}
        self._fresh: set[TopicPartition] = set()
        self._seeks: Counter[TopicPartition] = Counter()  # since the assignment: only the first answer may be wrong
        self._topic = ""
        self._listener: Any = None
        self._tasks: list[asyncio.Task[None]] = []

    def subscribe(self, topics: Sequence[str], listener: Any) -> None:
        self._topic, self._listener = topics[0], listener

    async def start(self) -> None:
        await self._kafka.answer()
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._coordinate()), loop.create_task(self._beat())]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._assigned = []
        self._kafka.group.leave(self._member)

    async def _coordinate(self) -> None:
        generation = -2
        while True:
            if not self._kafka.down and self._kafka.group.heartbeat(self._member) != generation:
                await self._listener.on_partitions_revoked(set(self._assigned))
                self._assigned, self._positions = [], {}
                self._seeks.clear()
                generation, numbers = await self._kafka.group.join(self._member)
                self._assigned = [TopicPartition(self._topic, number) for number in numbers]
                await self._listener.on_partitions_assigned(set(self._assigned))
            await asyncio.sleep(self._kafka.session_s / 6)

    async def _beat(self) -> None:
        while True:
            if not self._kafka.down:
                self._kafka.group.heartbeat(self._member)
            await asyncio.sleep(self._kafka.session_s / 6)

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset(self._assigned)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        if partition not in self._assigned:
            raise IllegalStateError("not assigned")
        self._positions[partition] = offset
        self._fresh.add(partition)
        self._seeks[partition] += 1

    async def position(self, partition: TopicPartition) -> int:
        if partition not in self._assigned:
            raise IllegalStateError("not assigned")
        return self._positions[partition]

    def highwater(self, partition: TopicPartition) -> None:
        """Not known."""

    last_stable_offset = highwater

    async def beginning_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        await self._kafka.answer()
        return dict.fromkeys(partitions, 0)

    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        await self._kafka.answer()
        return {partition: self._kafka.ends[partition.partition] for partition in partitions}

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, list[Record]]:
        kafka = self._kafka
        await asyncio.sleep(kafka.rng.uniform(0.1, 0.4) if timeout_ms else 0.001)
        found: dict[TopicPartition, list[Record]] = {}
        if kafka.down:
            return found
        for partition in partitions or self._assigned:
            if partition not in self._assigned:
                continue
            position = self._positions.get(partition)
            if position is None:
                if found:
                    break  # as aiokafka: what was drained is returned, the error comes with the next call
                raise NoOffsetForPartitionError(partition)
            if partition in self._fresh:
                self._fresh.discard(partition)
                if self._seeks[partition] == 1 and kafka.jump and kafka.rng.random() < kafka.jump:
                    kafka.fault("fetch begins too late")
                    position += kafka.rng.randrange(1, 4)
            records = kafka.read(partition.partition, position, max_records)
            if records:
                position = records[-1].offset + 1
                found[partition] = records
                max_records -= len(records)
            if not kafka.read(partition.partition, position, 1):  # only what is handed to nobody is left
                position = max(position, kafka.ends[partition.partition])
            self._positions[partition] = position
            if max_records <= 0:
                break
        return found

    async def commit(self, offsets: dict[TopicPartition, Any]) -> None:
        await self._kafka.answer()


class LogEnds:
    """Where the source log ends, if the broker answers."""

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka

    async def ends(self, partitions: int) -> dict[int, int]:
        try:
            await self._kafka.answer()
        except KafkaTimeoutError:
            return {}
        return dict(enumerate(self._kafka.ends[:partitions]))


class Outbound:
    """The worker's producer: acknowledged at least once, in the order given."""

    def __init__(self, kafka: Kafka, prefix: str) -> None:
        self._kafka = kafka
        self._prefix = prefix

    async def dead_letters(self, letters: Sequence[DeadLetter], source: str = "feedback") -> None:
        await self._send([(f"{self._prefix}.feedback.dead-letter", one.key, one.value) for one in letters])

    async def classified(self, records: Sequence[tuple[str, bytes]]) -> None:
        await self._send([(f"{self._prefix}.feedback.classified", market.encode(), value) for market, value in records])

    async def relay(self, entries: Sequence[OutboxEntry]) -> None:
        await self._send([(entry.topic, entry.key, entry.value) for entry in entries])

    async def stop(self) -> None:
        """Nothing is open."""

    async def _send(self, records: Sequence[tuple[str, bytes | None, bytes | None]]) -> None:
        kafka = self._kafka
        with contextlib.suppress(KafkaTimeoutError):
            await kafka.answer()
            cut = kafka.unacknowledged and kafka.rng.random() < kafka.unacknowledged
            end = kafka.rng.randrange(len(records) + 1) if cut else len(records)
            for at, (topic, key, value) in enumerate(records[:end]):
                if at % 4 == 3:
                    await kafka.answer()
                kafka.topics.setdefault(topic, []).append((key, value))
            if not cut:
                await kafka.answer()
                return
            kafka.fault("send not acknowledged")
        raise Unavailable("Kafka does not take records")
