"""A mapping proposed for a foreign topic: its newest records, as the bridge would read and map them."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Mapping as Known
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import msgspec

from marketpulse.client.kafka_servers import Servers
from marketpulse.contract.decode import TOO_LATE_MS
from marketpulse.contract.words import count_of
from marketpulse.errors import KafkaUnavailable, TopicMissing
from streams.bridge.events import Converter
from streams.clock import epoch_ms
from streams.errors import BadInput
from streams.kafka.log_reader import LogReader
from streams.kafka.tolerant import read_tolerantly
from streams.sources.adopt import MAX_RECORDS, Proposal, proposed_for
from streams.sources.events import NEEDED
from streams.sources.lines import OnBroken
from streams.sources.mapped import MappedForm, beside, mapped_form
from streams.sources.mapping import Identity, Mapping, Market, Text, Time

MAX_BYTES = 16_777_216
"""Of values, all partitions together; one record is always kept."""
PATIENCE_S = 20.0


@dataclass
class Sample:
    """The newest records of a topic, newest first, and what a person should know of how they were read."""

    records: list[Any]
    notes: list[str] = field(default_factory=list)


async def newest(servers: Servers, topic: str) -> Sample:
    """Up to `MAX_RECORDS` records of a topic, as many of each partition, of at most `MAX_BYTES`.

    No consumer group is joined. What was taken back in a transaction, tombstones, and what cannot be read do not count.
    After `PATIENCE_S` seconds it is what was read until then.

    Raises:
        BadInput: there is no such topic, or no record in it.
        KafkaUnavailable: Kafka does not answer, or gave no record in time.
        OperatorNeeded: Kafka refuses this client.
    """
    found: dict[int, deque[Any]] = {}
    notes = []
    read_tolerantly(topic)
    try:
        async with asyncio.timeout(PATIENCE_S), LogReader(servers, topic) as reader:
            await _read(reader, found)
    except TopicMissing as error:
        raise BadInput(
            f"Kafka at {servers} has no topic {topic}. Operator action: correct --topic or --from."
        ) from error
    except TimeoutError as error:
        if not any(found.values()):
            raise KafkaUnavailable(
                f"Kafka at {servers} gave no record of {topic} within {PATIENCE_S:g} s. Operator action: see whether "
                "each of its brokers can be reached from here under the name that it gives itself."
            ) from error
        notes.append(f"reading ended after {PATIENCE_S:g} s; there may be more, and newer records")
    records = sorted((record for part in found.values() for record in part), key=_age)[:MAX_RECORDS]
    if not records:
        raise BadInput(
            f"{topic} at {servers} has no records (tombstones and what transactions took back do not count). Operator "
            "action: wait for some, or give a file."
        )
    return Sample(records, notes)


async def _read(reader: LogReader, found: dict[int, deque[Any]]) -> None:
    filled = [number for number, (first, end) in sorted(reader.offsets.items()) if first < end]
    for place, number in enumerate(filled):
        records = [record for part in found.values() for record in part]
        left, held = MAX_RECORDS - len(records), sum(len(record.value) for record in records)
        if left <= 0 or held >= MAX_BYTES:
            return
        await _read_partition(reader, number, -(-left // (len(filled) - place)), MAX_BYTES // len(filled), found)


async def _read_partition(
    reader: LogReader, number: int, wanted: int, max_bytes: int, found: dict[int, deque[Any]]
) -> None:
    """The last records of a partition, from further back where compaction and transactions left few at its end."""
    first, end = reader.offsets[number]
    back = wanted
    while True:
        begin = max(first, end - back)
        kept: deque[Any] = deque()
        if not found.get(number):
            found[number] = kept  # as far as it comes, where the time ends
        seen = held = 0
        async for record in reader.records(begin, end, number):
            if record.value is None:
                continue
            kept.append(record)
            seen, held = seen + 1, held + len(record.value)
            while len(kept) > wanted or (held > max_bytes and len(kept) > 1):
                held -= len(kept.popleft().value)
        found[number] = kept
        if seen >= wanted or begin == first:
            return
        back *= 10


def _age(record: Any) -> int:
    return -(record.timestamp or 0)


_NOTHING = Mapping(id=Identity(), market=Market(), text=Text(), occurred_at=Time())


@dataclass(frozen=True, kw_only=True)
class _Collecting(MappedForm):
    """In the place of a mapping: keeps what one would get, and makes no events."""

    mapping: Mapping = _NOTHING
    seen: list[dict[str, Any]] = field(default_factory=list)

    def events(
        self,
        objects: Iterable[tuple[int, dict[str, Any]]],
        on_broken: OnBroken,
        most: int | None = None,
        known: Known[str, Any] = MappingProxyType({}),
    ) -> Iterator[dict[str, Any]]:
        """None."""
        self.seen.extend(beside(content, known) for _, content in objects)
        return iter(())


def proposed_of(
    sample: Sample, topic: str, market: str | None = None, envelopes: bool = True, now_ms: Callable[[], int] = epoch_ms
) -> Proposal:
    """A mapping for a sample of a topic, with its records as the bridge would bring them over.

    Args:
        sample: of the topic.
        topic: its name.
        market: country of all records, where they have none.
        envelopes: whether what they are wrapped in is opened.
        now_ms: the clock, epoch ms.

    Raises:
        BadInput: no record is an object of JSON, or `market` is none.
    """
    records = [record for record in sample.records if not record.value.startswith(b"\0")]
    notes = list(sample.notes)
    if framed := len(sample.records) - len(records):
        notes.append(
            f"{count_of(framed, 'record')} left out: in the framing of Schema Registry (Avro, Protobuf, JSON Schema)"
        )
    if late := sum((record.timestamp or 0) < now_ms() - TOO_LATE_MS for record in records):
        notes.append(f"{count_of(late, 'record')} older than 7 days: the bridge refuses events so late")
    collecting = _Collecting()
    for record in records:
        Converter(topic, collecting, envelopes).converted(record)
    if not collecting.seen:
        raise BadInput(
            f"None of the newest {count_of(len(sample.records), 'record')} of {topic} is an object of JSON, "
            f"{framed:,} are in the framing of Schema Registry. Operator action: have them written as JSON."
        )
    if all(content.keys() >= set(NEEDED) for content in collecting.seen):
        notes.append("these have the fields of events already: they need no --mapping")
    found = proposed_for(collecting.seen, "", "marketpulse bridge TOPIC", market, notes)
    if found.mapping is None:
        return found
    converter = Converter(topic, mapped_form(found.mapping, ""), envelopes)
    return replace(found, rows=[row for record in records for row in _rows(converter, record)])


def _rows(converter: Converter, record: Any) -> Iterator[dict[str, Any] | str]:
    """Events of a record, and why it would be a dead letter when it was written."""
    converted = replace(converter, now_ms=lambda: record.timestamp or 0).converted(record)
    for event in converted.events:
        yield msgspec.json.decode(event.value)
    if converted.letter is not None:
        yield converted.letter.message
