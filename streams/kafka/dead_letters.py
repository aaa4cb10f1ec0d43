"""The dead-letter topic: list, look at, and send back what was rejected."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from dataclasses import dataclass, replace

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from marketpulse.client.idempotent import idempotent_producer
from marketpulse.client.kafka_servers import Servers, client_options
from marketpulse.contract.topics import topic_name
from marketpulse.contract.wire import UNREADABLE
from streams.batches import LARGEST_LETTER_BYTES
from streams.kafka.admin import close_consumer, topic_offsets
from streams.kafka.errors import TOO_LARGE, error_of
from streams.kafka.publish import LARGEST_REQUEST_BYTES
from streams.kafka.tolerant import read_tolerantly, unreadable

ERROR_HEADER = "__streams.errors."
SOURCES = ("feedback", "market.profiles")
"""Topics of which records are rejected, and to which they may be sent again."""
AT_A_TURN = 100
"""Letters that are passed over before other work of the process has its turn."""
SHORT_BYTES = 8_192
"""A value up to here is parsed at once, in some 20 us; a longer one beside the loop."""
NOT_SHOWN = "a market profile, and what it changes was not shown"
NOT_WHOLE = "only a part of the record was kept"


@dataclass(frozen=True)
class RejectedRecord:
    """One dead letter: its offset, where it came from, why, and its original bytes.

    `whole`: they are all there; not where it was cut, or represents offsets that could not be read. `market` is None
    where the value names none, and where nobody asked for it.
    """

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
    whole: bool = True


@dataclass(frozen=True)
class Selection:
    """Which dead letters: by code, market, age and offset; None = all. `profiles`: also refused market profiles."""

    code: str | None = None
    market: str | None = None
    since_ms: int | None = None
    offset: int | None = None
    profiles: bool = True

    def takes(self, record: RejectedRecord) -> bool:
        """Whether a dead letter is meant."""
        return (
            self.code in (None, record.code)
            and self.market in (None, record.market)
            and self.offset in (None, record.offset)
            and (self.profiles or not record.source_topic.endswith("market.profiles"))
            and (self.since_ms is None or record.record_ms >= self.since_ms)
        )


class _Named(msgspec.Struct):
    market: object = None


_named = msgspec.json.Decoder(_Named)


async def read_dead_letters(
    servers: Servers, prefix: str, selection: Selection, newest: int | None = None, markets: bool = False
) -> AsyncIterator[RejectedRecord]:
    """The selected dead letters that are in the topic now, oldest first; `newest`: only among the last N.

    Values, which anybody may have written, are parsed only where a market is selected, or `markets` are to be shown.

    Raises:
        Unavailable: Kafka does not answer.
    """
    topic = topic_name(prefix, "feedback.dead-letter")
    first, end = (await topic_offsets(servers, topic, patience=1))[0]
    first = first if newest is None else max(first, end - newest)
    by_headers, markets = replace(selection, market=None), markets or selection.market is not None
    read_tolerantly()
    consumer = AIOKafkaConsumer(**client_options(servers), enable_auto_commit=False)
    try:
        await consumer.start()
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        consumer.seek(partition, first)
        at = first
        while at < end:
            answer = (await consumer.getmany(partition, timeout_ms=1_000)).get(partition, [])
            for number, record in enumerate(answer):
                if number % AT_A_TURN == 0:
                    await asyncio.sleep(0)
                at = record.offset + 1
                if unreadable(record):
                    continue  # of the dead-letter topic itself: nothing tells what it was
                one = parsed(record.offset, record.key, record.value, record.timestamp, record.headers)
                if record.offset >= end or not by_headers.takes(one):
                    continue
                one = await _with_market(one) if markets else one
                if selection.takes(one):
                    yield one
    except (KafkaError, OSError) as error:
        raise await error_of(error, servers, f"give records of {topic}") from error
    finally:
        await close_consumer(consumer)


def parsed(
    offset: int, key: bytes | None, value: bytes | None, record_ms: int, headers: tuple[tuple[str, bytes], ...]
) -> RejectedRecord:
    """A record of the dead-letter topic, whatever its headers say; without its market, for which it would be parsed."""
    ours = {name.removeprefix(ERROR_HEADER): text for name, text in headers if name.startswith(ERROR_HEADER)}
    why = {name: (text or b"").decode("utf-8", "replace") for name, text in ours.items()}
    return RejectedRecord(
        offset=offset,
        code=why.get("code", "unknown"),
        message=why.get("message", ""),
        source_topic=why.get("topic", ""),
        source_partition=_number(why.get("partition", "")),
        source_offset=_number(why.get("offset", "")),
        record_ms=record_ms,
        market=None,
        key=key,
        value=value,
        headers=tuple(own_headers(headers)),
        whole=not {"cut", "last-offset"} & why.keys(),
    )


def market_in(value: bytes | None) -> str | None:
    """The market that a value names, as it is written; None where it has none, or is larger than letters are."""
    if value is None or len(value) > LARGEST_LETTER_BYTES:
        return None
    try:
        market = _named.decode(value).market  # other fields are passed over, and cost no memory
    except UNREADABLE:
        return None
    return market if isinstance(market, str) else None


async def _with_market(one: RejectedRecord) -> RejectedRecord:
    short = len(one.value or b"") <= SHORT_BYTES
    return replace(one, market=market_in(one.value) if short else await asyncio.to_thread(market_in, one.value))


def own_headers(headers: Iterable[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """A rejected record's headers without those that say why."""
    return [(name, text) for name, text in headers if not name.startswith(ERROR_HEADER)]


def _number(text: str) -> int:
    """A partition or an offset; -1 where a header is missing or is neither."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else -1


@dataclass(frozen=True)
class Replayed:
    """How many dead letters were sent again, and which were left with the reason: (offset, why)."""

    sent: int
    left: tuple[tuple[int, str], ...]


async def replay(
    servers: Servers,
    prefix: str,
    selection: Selection,
    on_progress: Callable[[int], object] = lambda done: None,
    profiles: Collection[int] = (),
) -> Replayed:
    """Publish the selected dead letters again to where they came from, with key, bytes and headers.

    One that cannot be sent is left, and the next is sent. An event whose id was counted meanwhile stays counted once
    (within the de-duplication horizon of its partition).

    Args:
        servers: Kafka.
        prefix: of its topics.
        selection: which dead letters.
        on_progress: hears how many were sent.
        profiles: offsets of market profiles that may be sent: those of which somebody was shown what they change. More
            people may write dead letters than profiles.

    Raises:
        Unavailable: Kafka does not answer.
        OperatorNeeded: it refuses this client.
    """
    sender = _Sender(servers)
    done, left = 0, list[tuple[int, str]]()
    try:
        async for one in read_dead_letters(servers, prefix, selection):
            topic = one.source_topic or topic_name(prefix, "feedback")
            unseen = topic == topic_name(prefix, "market.profiles") and one.offset not in profiles
            why = why_not(one, prefix) or (NOT_SHOWN if unseen else await _sent(sender, one, topic))
            if why:
                left.append((one.offset, why))
            else:
                done += 1
                on_progress(done)
    except (KafkaError, OSError) as error:
        raise await error_of(error, servers, f"take records ({done} were sent)") from error
    finally:
        await sender.stop()
    return Replayed(done, tuple(left))


def why_not(one: RejectedRecord, prefix: str) -> str:
    """Why a dead letter cannot be sent again, empty where it can.

    Its own header names the topic, so whoever may write dead letters could have it written anywhere.
    """
    known = [topic_name(prefix, name) for name in SOURCES]
    if one.source_topic and one.source_topic not in known:
        return f"its header names the topic {one.source_topic}; records are sent to {' and '.join(known)} only"
    if not one.whole:
        return NOT_WHOLE
    return "it has neither key nor value" if one.key is None and one.value is None else ""


async def _sent(sender: "_Sender", one: RejectedRecord, topic: str) -> str:
    """Send one dead letter again; why it was left, empty where it was sent. Raises KafkaError, OSError."""
    if await sender.takes(one, topic):
        return ""
    return f"{len(one.value or b'')} bytes: {topic} takes no record as large"


class _Sender:
    """A producer of single records, replaced after a refusal: Kafka takes nothing behind a gap in its numbers."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._producer: AIOKafkaProducer | None = None

    async def takes(self, one: RejectedRecord, topic: str) -> bool:
        """Send a record; False where it is too large. Raises KafkaError, OSError."""
        if self._producer is None:
            # Compressed, as many producers send: the topic's bound is compared with the compressed record.
            self._producer = idempotent_producer(
                self._servers, compression_type="gzip", max_request_size=LARGEST_REQUEST_BYTES
            )
            await self._producer.start()
        try:
            await self._producer.send_and_wait(topic, value=one.value, key=one.key, headers=list(one.headers))
        except TOO_LARGE:
            await self.stop()
            return False
        return True

    async def stop(self) -> None:
        """Close the connection."""
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await producer.stop()
