"""The dead-letter topic: list, look at, and send back what was rejected."""

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from marketpulse.contract.decode import parse_object
from marketpulse.contract.topics import topic_name
from streams.kafka.admin import close_consumer, topic_offsets
from streams.kafka.connection import Servers, client_options
from streams.kafka.errors import error_of
from streams.kafka.publish import idempotent_producer

ERROR_HEADER = "__streams.errors."


@dataclass(frozen=True)
class RejectedRecord:
    """One dead letter: where it stands, where it came from, why, and its original bytes."""

    offset: int
    code: str
    message: str
    source_topic: str
    source_partition: int
    source_offset: int
    record_ms: int
    market: str | None
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True)
class Selection:
    """Which dead letters: by code, market, age and offset; None = all."""

    code: str | None = None
    market: str | None = None
    since_ms: int | None = None
    offset: int | None = None

    def takes(self, record: RejectedRecord) -> bool:
        """Whether a dead letter is meant."""
        return (
            self.code in (None, record.code)
            and self.market in (None, record.market)
            and self.offset in (None, record.offset)
            and (self.since_ms is None or record.record_ms >= self.since_ms)
        )


async def read_dead_letters(
    servers: Servers, prefix: str, selection: Selection, newest: int | None = None
) -> AsyncIterator[RejectedRecord]:
    """The selected dead letters that stand in the topic now, oldest first; `newest`: only among the last so many.

    Raises:
        Unavailable: Kafka does not answer.
    """
    topic = topic_name(prefix, "feedback.dead-letter")
    first, end = (await topic_offsets(servers, topic, patience=1))[0]
    first = first if newest is None else max(first, end - newest)
    consumer = AIOKafkaConsumer(**client_options(servers), enable_auto_commit=False)
    try:
        await consumer.start()
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        consumer.seek(partition, first)
        at = first
        while at < end:
            for record in (await consumer.getmany(partition, timeout_ms=1_000)).get(partition, []):
                at = record.offset + 1
                one = parsed(record.offset, record.key, record.value, record.timestamp, record.headers)
                if record.offset < end and selection.takes(one):
                    yield one
    except (KafkaError, OSError) as error:
        raise await error_of(error, servers, f"give records of {topic}") from error
    finally:
        await close_consumer(consumer)


def parsed(
    offset: int, key: bytes | None, value: bytes | None, record_ms: int, headers: tuple[tuple[str, bytes], ...]
) -> RejectedRecord:
    """A record of the dead-letter topic, whatever its headers say."""
    ours = {name.removeprefix(ERROR_HEADER): text for name, text in headers if name.startswith(ERROR_HEADER)}
    why = {name: text.decode("utf-8", "replace") for name, text in ours.items()}
    market = (parse_object(value or b"") or {}).get("market")
    return RejectedRecord(
        offset=offset,
        code=why.get("code", "unknown"),
        message=why.get("message", ""),
        source_topic=why.get("topic", ""),
        source_partition=_number(why.get("partition", "")),
        source_offset=_number(why.get("offset", "")),
        record_ms=record_ms,
        market=market if isinstance(market, str) else None,
        key=key,
        value=value,
        headers=tuple(own_headers(headers)),
    )


def own_headers(headers: Iterable[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """A rejected record's headers without those that say why."""
    return [(name, text) for name, text in headers if not name.startswith(ERROR_HEADER)]


def _number(text: str) -> int:
    """A partition or an offset; -1 where a header is missing or is neither."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else -1


async def replay(
    servers: Servers, prefix: str, selection: Selection, on_progress: Callable[[int], object] = lambda done: None
) -> int:
    """Publish the selected dead letters again to where they came from, with key, bytes and headers; their number.

    An event whose id was counted meanwhile stays counted once (within the de-duplication horizon of its partition).
    """
    producer = idempotent_producer(servers)
    done = 0
    try:
        await producer.start()
        async for one in read_dead_letters(servers, prefix, selection):
            topic = one.source_topic or topic_name(prefix, "feedback")
            await producer.send_and_wait(topic, value=one.value, key=one.key, headers=list(one.headers))
            done += 1
            on_progress(done)
    except (KafkaError, OSError) as error:
        raise await error_of(error, servers, f"take records ({done} were sent)") from error
    finally:
        await producer.stop()
    return done
