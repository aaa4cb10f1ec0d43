"""`market.alerts` for one sink: from its begin, to know what was told, then as it comes; committed by its own group."""

import asyncio
from dataclasses import dataclass
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from marketpulse.client.kafka_servers import Servers, client_options
from marketpulse.contract.units import DAY_MS
from marketpulse.errors import MarketpulseError
from streams.kafka.admin import close_consumer, topic_offsets
from streams.kafka.errors import error_of
from streams.kafka.timeouts import REQUEST_TIMEOUT_MS
from streams.kafka.tolerant import read_tolerantly
from streams.telemetry.logs import get_logger

log = get_logger("notify")
MOST_RECORDS = 500


@dataclass(frozen=True)
class Arrived:
    """One record; `told`: the sink was told of it before (True), never will be (False), or is to be (None)."""

    offset: int
    record_ms: int
    value: bytes
    told: bool | None


@dataclass(frozen=True)
class Arrivals:
    """What one poll brought; `begins`: the topic is read anew from its begin. `behind`: records not read yet.

    `joined` without more: another member of the group has the topic, this one stands by.
    """

    records: tuple[Arrived, ...] = ()
    begins: bool = False
    caught_up: bool = False
    behind: int = 0
    joined: bool = True


class AlertFeed(Protocol):
    """What a courier reads; tests pass a list."""

    async def poll(self, seconds: float) -> Arrivals:
        """What has come, after waiting so long at most. Raises Unavailable."""

    async def commit(self, offset: int) -> None:
        """What lies before is told. Raises Unavailable."""

    async def close(self) -> None:
        """Leave the group."""


class KafkaAlertFeed(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
    """Reads the whole topic on each assignment: it is small, and the only memory that a restart needs.

    Without a group (a dry run) nothing is committed, and what fires now is told as on a first start.
    """

    def __init__(self, servers: Servers, topic: str, group: str | None) -> None:
        self._servers = servers
        self._partition = TopicPartition(topic, 0)
        self._group = group
        self._consumer: AIOKafkaConsumer | None = None
        self._restore_to = 0  # records before that were there when we began
        self._first = True  # the group has committed nothing yet
        self._begins = False
        self._joined = False

    async def poll(self, seconds: float) -> Arrivals:
        """What has come, after waiting so long at most. Raises Unavailable, OperatorNeeded."""
        if self._consumer is None:
            await self._open()
        assert self._consumer is not None
        try:
            found = await self._consumer.getmany(timeout_ms=int(seconds * 1_000), max_records=MOST_RECORDS)
            if self._partition not in self._consumer.assignment():
                return Arrivals(joined=self._joined)
            position = await self._consumer.position(self._partition)
        except IllegalStateError:  # taken from us meanwhile
            return Arrivals(joined=self._joined)
        except (KafkaError, OSError) as error:
            await self.close()
            raise await self._error_of(error) from error
        begins, self._begins = self._begins, False
        records = tuple(
            Arrived(
                one.offset, one.timestamp, one.value or b"", None if one.offset >= self._restore_to else not self._first
            )
            for one in found.get(self._partition, [])
        )
        end = self._consumer.highwater(self._partition) or position
        return Arrivals(records, begins, position >= self._restore_to, max(0, end - position))

    async def commit(self, offset: int) -> None:
        """What lies before is told. Raises Unavailable."""
        if self._consumer is None or self._group is None:
            return
        try:
            await self._consumer.commit({self._partition: offset})
        except (CommitFailedError, IllegalStateError) as error:
            log.info("commit_refused", group=self._group, error=type(error).__name__)
        except (KafkaError, OSError) as error:
            raise await self._error_of(error) from error

    async def close(self) -> None:
        """Leave the group."""
        if self._consumer is not None:
            consumer, self._consumer = self._consumer, None
            await (close_consumer(consumer) if self._group is None else consumer.stop())

    async def on_partitions_revoked(self, revoked: list[TopicPartition]) -> None:
        """Another notifier takes over: what is on its way may be told again."""

    async def on_partitions_assigned(self, assigned: list[TopicPartition]) -> None:
        """Begin at the topic's begin, knowing how far the group is; none assigned: stand by."""
        self._joined = True
        if self._partition not in assigned or self._consumer is None:
            return
        await self._begin(self._consumer, await self._consumer.committed(self._partition))

    async def _begin(self, consumer: AIOKafkaConsumer, committed: int | None) -> None:
        end = (await consumer.end_offsets([self._partition]))[self._partition]
        self._first = committed is None
        self._restore_to = end if committed is None else committed
        self._begins = True
        consumer.seek(self._partition, (await consumer.beginning_offsets([self._partition]))[self._partition])

    async def _open(self) -> None:
        await topic_offsets(self._servers, self._partition.topic, patience=1)
        options: dict[str, Any] = client_options(self._servers) | {"request_timeout_ms": REQUEST_TIMEOUT_MS}
        if self._group is not None:
            # A message may be tried again for hours meanwhile: that is no reason to leave the group.
            options |= {"group_id": self._group, "max_poll_interval_ms": DAY_MS, "rebalance_timeout_ms": 30_000}
        read_tolerantly()
        self._consumer = AIOKafkaConsumer(**options, enable_auto_commit=False, auto_offset_reset="earliest")
        if self._group is not None:
            self._consumer.subscribe([self._partition.topic], listener=self)
        try:
            await self._consumer.start()
            if self._group is None:
                self._consumer.assign([self._partition])
                await self._begin(self._consumer, None)
        except (KafkaError, OSError) as error:
            await asyncio.shield(self.close())
            raise await self._error_of(error) from error

    async def _error_of(self, error: Exception) -> MarketpulseError:
        return await error_of(error, self._servers, f"give records of {self._partition.topic}")
