"""Partition batches from an aiokafka consumer of our own: claims, slices, decoding, de-duplication."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable

import tenacity
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError
from aiokafka.structs import ConsumerRecord, OffsetAndMetadata

from marketpulse.errors import KafkaUnavailable, MarketpulseError, OperatorNeeded, Unavailable
from streams.batches import DecodedBatch, Position
from streams.errors import ClaimTimeout, LedgerRewound
from streams.kafka.errors import Check, check_connection, error_of, refusal
from streams.kafka.tolerant import unreadable
from streams.ledger.commit import Ledger
from streams.pipeline.ingest.claims import Assigned, check_bounds, check_last_counted
from streams.pipeline.ingest.consumer import group_consumer
from streams.pipeline.ingest.decoding import decode_records, passing_batch, slices
from streams.pipeline.ingest.dedupe import SeenIds
from streams.pipeline.ingest.growth import claim_or_add
from streams.settings import Settings
from streams.telemetry.logs import get_logger
from streams.telemetry.progress import Progress
from streams.telemetry.worker import Telemetry

log = get_logger("source")

KAFKA = "Kafka"


class Source(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
    """Reads `feedback` and hands whole partition batches to `deliver`, which may block: that is the back-pressure.

    `start` of a batch is where the previous one ended, beginning with the claim's offset: a hole cannot form.
    """

    def __init__(
        self,
        settings: Settings,
        topic: str,
        ledger: Ledger,
        deliver: Callable[[DecodedBatch], Awaitable[object]],
        make_consumer: Callable[[Settings], AIOKafkaConsumer] = group_consumer,
        progress: Progress | None = None,
        telemetry: Telemetry | None = None,
        check: Check = check_connection,
    ) -> None:
        self._settings = settings
        self._topic = topic
        self._ledger = ledger
        self._deliver = deliver
        self._make_consumer = make_consumer
        self._check = check
        self._progress = progress or Progress()
        self._telemetry = telemetry or Telemetry()
        self._assigned: dict[int, Assigned] = {}
        self._last_ends: dict[int, int] = {}
        self._consumer: AIOKafkaConsumer | None = None
        self._failed: Exception | None = None
        self.records_per_batch = min(settings.batch_records, 200)

    # --- life ---------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Join the consumer group; waits while Kafka is away. Raises OperatorNeeded where it refuses this client."""
        consumer = self._make_consumer(self._settings)
        consumer.subscribe([self._topic], listener=self)
        self._consumer = consumer
        async for attempt in tenacity.AsyncRetrying(
            wait=tenacity.wait_exponential_jitter(multiplier=0.2, max=5),
            retry=tenacity.retry_if_exception_type(OSError),
        ):
            with attempt:
                try:
                    await consumer.start()
                except Exception as error:
                    found = await self._error_of(error, f"give records of {self._topic}")
                    if isinstance(found, OperatorNeeded):
                        raise found from error
                    log.warning("kafka_away", kafka=self._settings.kafka, error=str(error))
                    self._progress.waits(KAFKA)
                    self._progress.failed(KafkaUnavailable.server)
                    raise OSError(str(error)) from error
        self._progress.goes_on(KAFKA)

    async def stop(self) -> None:
        """Leave the group; batches not yet committed are read again by whoever claims the partition next."""
        self._assigned.clear()
        if self._consumer is not None:
            await self._consumer.stop()

    # --- rebalance ----------------------------------------------------------------------------------------------

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Forget the partitions: a batch still on its way is either committed in time or fenced."""
        for partition in revoked:
            self._forget(partition.partition)
        self._progress.assigned = frozenset()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Claim every partition of the new assignment."""
        numbers = sorted(partition.partition for partition in assigned)
        log.info("partitions_assigned", partitions=numbers)
        self._progress.assigned = frozenset(numbers)
        self._progress.joined = True
        try:
            await asyncio.gather(*(self.claim(number) for number in numbers))
        except Exception as error:  # aiokafka only logs what its listeners raise: `poll` raises it again
            self._failed = error

    async def claim(self, number: int) -> None:
        """Claim one partition, check that the log still is the one that was counted, and seek.

        Raises:
            ClaimTimeout: Redis or Kafka did not answer within `claim_timeout_seconds`.
            LedgerReplaced: this process began with another ledger.
            LedgerLost, TopicRecreated, RetentionPassed: an operator must decide.
        """
        self._forget(number)
        partition = TopicPartition(self._topic, number)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._settings.claim_timeout_seconds
        retrying = tenacity.AsyncRetrying(
            wait=tenacity.wait_exponential_jitter(multiplier=0.1, max=2),
            stop=lambda _: loop.time() >= deadline,
            retry=tenacity.retry_if_exception_type((Unavailable, OSError)),
        )
        try:
            async for attempt in retrying:
                with attempt:
                    claim = await claim_or_add(self._ledger, self._topic, number, self._end)
                    earliest = await self._offset(partition, newest=False)
                    newest = await self._offset(partition, newest=True)
        except tenacity.RetryError as error:
            raise ClaimTimeout(
                f"partition {number} could not be claimed within {self._settings.claim_timeout_seconds} s: "
                f"{error.last_attempt.exception()}. Exiting, so that the supervisor restarts this worker."
            ) from error
        check_bounds(claim, earliest, newest, self._topic)
        last = claim.next - 1 if claim.mark.last_offset is None else claim.mark.last_offset
        verify = last if claim.mark.last_checksum is not None and last >= earliest else None
        horizon_ms = self._settings.dedupe_ms
        seen = SeenIds(horizon_ms, self._settings.dedupe_capacity, claim.id_chunks)
        before, self._last_ends[number] = self._last_ends.get(number, 0), claim.next
        if claim.next < before:
            log.error("ledger_rewound", partition=number, next=claim.next, committed=before)
            await self._ledger.count("rewinds")
        assert self._consumer is not None
        if partition not in self._consumer.assignment():
            return  # revoked while we claimed: the next owner fences this claim
        self._consumer.seek(partition, claim.next if verify is None else verify)
        self._assigned[number] = Assigned(claim, claim.next, seen, claim.mark, verify)
        self._progress.claimed(number, claim.next)
        self._progress.ends({number: newest})
        log.info("partition_claimed", partition=number, claim=claim.number, next=claim.next, ids=len(seen))

    def _forget(self, number: int) -> None:
        self._assigned.pop(number, None)
        self._progress.lost(number)

    async def _end(self, number: int) -> int:
        return await self._offset(TopicPartition(self._topic, number), newest=True)

    async def _offset(self, partition: TopicPartition, newest: bool) -> int:
        assert self._consumer is not None
        try:
            find = self._consumer.end_offsets if newest else self._consumer.beginning_offsets
            offset: int = (await find([partition]))[partition]
        except Exception as error:  # aiokafka raises many kinds here; but for refusals each means: not now
            doing = f"tell the offsets of {partition.topic}[{partition.partition}]"
            raise await self._error_of(error, doing) from error
        return offset

    async def claim_again(self, position: Position) -> None:
        """After a refused commit: claim anew, unless that happened already or the partition is no longer ours."""
        state = self._assigned.get(position.partition)
        if state is not None and state.claim.number == position.claim:
            await self.claim(position.partition)

    def holds(self, position: Position) -> bool:
        """Whether the batch's claim is still the one this process reads under."""
        state = self._assigned.get(position.partition)
        return state is not None and state.claim.number == position.claim

    def committed(self, position: Position) -> None:
        """Remember how far this process saw the ledger: a later, smaller claim is a rewind."""
        self._last_ends[position.partition] = max(self._last_ends.get(position.partition, 0), position.end)

    # --- reading ------------------------------------------------------------------------------------------------

    async def poll(self) -> None:
        """One round over the assigned partitions: a slice of each that has records, lowest number first.

        Raises:
            ClaimTimeout, LedgerLost, TopicRecreated, RetentionPassed: what a claim raised.
        """
        if self._failed is not None:
            raise self._failed
        consumer = self._consumer
        assert consumer is not None
        delivered = False
        for number in sorted(self._assigned):
            partition = TopicPartition(self._topic, number)
            if partition not in consumer.assignment():
                continue
            records = (await self._fetch(partition, timeout_ms=0)).get(partition, [])
            await self._take(partition, records)
            delivered = delivered or bool(records)
        if not delivered:
            found = await self._fetch(timeout_ms=100)
            for number in sorted(self._assigned):
                partition = TopicPartition(self._topic, number)
                await self._take(partition, found.get(partition, []))

    async def _fetch(self, *partitions: TopicPartition, timeout_ms: int) -> dict[TopicPartition, list[ConsumerRecord]]:
        assert self._consumer is not None
        await asyncio.sleep(0)  # one large batch takes its time to read: others have their turn before the next
        try:
            found: dict[TopicPartition, list[ConsumerRecord]] = await self._consumer.getmany(
                *partitions, timeout_ms=timeout_ms, max_records=self.records_per_batch
            )
        except NoOffsetForPartitionError:
            return {}  # assigned, but the claim that seeks is still under way
        except OffsetOutOfRangeError as error:
            for partition in error.args[0]:  # claiming anew tells why: recreated, truncated or retention passed
                await self.claim(partition.partition)
            return {}
        except KafkaError as error:
            doing = f"give records of {self._topic}"
            if (refused := refusal(error, self._settings.kafka_servers, doing)) is not None:
                raise refused from error
            raise
        return found

    async def _take(self, partition: TopicPartition, records: list[ConsumerRecord]) -> None:
        """Deliver what was fetched of one partition; offsets that hold no record are passed by an empty batch."""
        state = self._assigned.get(partition.partition)
        if state is None:
            return  # the claim that follows seeks anyway
        expected = state.next if state.verify is None else state.verify
        records = [record for record in records if record.offset >= expected]
        position = records[-1].offset + 1 if records else await self._position(partition, expected)
        if position <= expected:
            return
        stretch = unreadable(records[0]) if records else None
        begins = stretch.first if stretch else records[0].offset if records else position
        if begins > expected and not (state.settled or state.sought_again):
            # Fetched from another position while we claimed, or there is no such record (markers of transactions): the
            # second answer tells, and no hole can form.
            state.sought_again = True
            assert self._consumer is not None
            self._consumer.seek(partition, expected)
            return
        state.settled = True
        if state.verify is not None:
            check_last_counted(state, records[0] if records else None, self._topic)
            records = [record for record in records if record.offset >= state.next]
        if not records and position > state.next:
            await self._hand_on(state, passing_batch(state, position), 0)
        for size, some in slices(records):
            batch = await decode_records(state, size, some, self._telemetry)
            if self._assigned.get(partition.partition) is not state:
                return  # taken away or claimed again meanwhile: whoever claimed it reads these again
            await self._hand_on(state, batch, len(some))

    async def _hand_on(self, state: Assigned, batch: DecodedBatch, records: int) -> None:
        state.next = batch.position.end
        self._telemetry.read(records)
        self._progress.delivered(batch.position, batch.last_record_ms)
        self._progress.remembers(batch.position.partition, len(state.seen), state.seen.horizon_now_ms)
        await self._deliver(batch)

    async def _position(self, partition: TopicPartition, unknown: int) -> int:
        """Up to which offset the consumer has looked: past markers and aborted records, which it does not hand out."""
        assert self._consumer is not None
        try:
            return int(await self._consumer.position(partition))
        except IllegalStateError:  # revoked meanwhile
            return unknown

    async def commit_hint(self, position: Position) -> None:
        """Commit the group offset: a hint for lag displays and autoscaling, never read by the worker."""
        assert self._consumer is not None
        partition = TopicPartition(self._topic, position.partition)
        if partition in self._consumer.assignment():
            await self._consumer.commit({partition: OffsetAndMetadata(position.end, "")})

    async def look_at_ends(self, timeout_s: float = 5.0) -> None:
        """Ask Kafka where the claimed partitions end: lag, and whether Kafka answers at all. Raises OperatorNeeded."""
        assert self._consumer is not None
        partitions = [TopicPartition(self._topic, number) for number in sorted(self._assigned)]
        try:
            ends = await asyncio.wait_for(self._consumer.end_offsets(partitions), timeout_s)
        except (KafkaError, OSError):
            self._progress.waits(KAFKA)
            self._progress.failed(KafkaUnavailable.server)
            await self._check_login()
        else:
            self._progress.goes_on(KAFKA)
            self._progress.ends({partition.partition: end for partition, end in ends.items()})
            self._look_at_transactions(partitions)

    def _look_at_transactions(self, partitions: Iterable[TopicPartition]) -> None:
        """How much the last fetch knew of records that no reader is given before their transaction ends."""
        assert self._consumer is not None
        for partition in set(partitions) & self._consumer.assignment():
            newest, stable = self._consumer.highwater(partition), self._consumer.last_stable_offset(partition)
            if newest is not None and stable is not None:
                self._progress.open_transactions(partition.partition, max(0, newest - stable))

    async def _error_of(self, error: Exception, doing: str) -> MarketpulseError:
        return await error_of(error, self._settings.kafka_servers, doing, self._check)

    async def _check_login(self) -> None:
        """Raises OperatorNeeded: the password was changed, or a certificate; consumers would try for ever."""
        with contextlib.suppress(KafkaUnavailable):
            await self._check(self._settings.kafka_servers)

    async def look_at_ledger(self) -> None:
        """Compare the ledger with what this process counted: where nothing new comes, no commit would tell.

        Raises:
            LedgerRewound: Redis went back in time. LedgerLost: it was emptied.
        """
        counted = {number: one.counted for number, one in self._progress.partitions.items()}
        try:
            positions = await self._ledger.positions(sorted(counted))
        except Unavailable:
            return  # the next commit waits for Redis, and says so
        for number, position in positions.items():
            if position < counted[number]:
                await self._ledger.count("rewinds")
                raise LedgerRewound(
                    f"partition {number}: the ledger stands at {position}, but this process counted up to "
                    f"{counted[number]}: Redis was restored to an older state; restarting from the ledger's offset."
                )
