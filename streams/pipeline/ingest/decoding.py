"""Records of one read to one batch: each decoded by `marketpulse.contract.decode`, repeated ids left out."""

from collections.abc import Iterator
from dataclasses import replace

from aiokafka.structs import ConsumerRecord

from marketpulse.contract.canary import canary_of
from marketpulse.contract.decode import Decoded, Rejected, decode
from marketpulse.contract.feedback import DeadLetterCode
from streams.batches import HEADER_BYTES, DeadLetter, DecodedBatch, Position, fitting
from streams.kafka.tolerant import UNKNOWN_TIME, Unreadable, unreadable
from streams.ledger.types import checksum
from streams.pipeline.ingest.claims import Assigned
from streams.pipeline.ingest.event_clock import clock_after
from streams.pipeline.off_loop import off_loop
from streams.telemetry.worker import Telemetry

QUICK_BYTES = 262_144
"""A slice of values and headers up to that is decoded at once; none takes longer than 50 ms."""
LARGEST_SLICE_BYTES = 2_097_152
"""What is decoded, classified and committed at a time."""
CREATE_TIME = 0
"""Type of a record's time that its producer set; the broker sets others where the topic has LogAppendTime."""


def slices(records: list[ConsumerRecord]) -> Iterator[tuple[int, list[ConsumerRecord]]]:
    """What was read, in order, in pieces of LARGEST_SLICE_BYTES with the size of each; a larger record goes alone."""
    begin = size = 0
    for at, record in enumerate(records):
        more = len(record.value or b"") + len(record.key or b"") + HEADER_BYTES * len(record.headers)
        if size and size + more > LARGEST_SLICE_BYTES:
            yield size, records[begin:at]
            begin, size = at, 0
        size += more
    if records:
        yield size, records[begin:]


async def decode_records(
    state: Assigned, size: int, records: list[ConsumerRecord], telemetry: Telemetry
) -> DecodedBatch:
    """Decode and de-duplicate one slice of a partition; a broken record costs only itself."""
    span = telemetry.traces.batch(records)
    times, now_ms = _times(records, state.mark.last_timestamp or 0), state.now_ms()
    with telemetry.traces.inside(span), telemetry.stage("decode"):
        decoded, dead_letters, canaries = await off_loop(size > QUICK_BYTES, _read, records, times, state.next, now_ms)
    last = records[-1]
    # Ids are forgotten, and partitions idle, by no producer's clock: one that is wrong would hide copies.
    ours = [
        min(at, now_ms) if one.timestamp_type == CREATE_TIME else at for one, at in zip(records, times, strict=True)
    ]
    read_ms = max(state.mark.seen_ms or 0, *ours) if last.timestamp_type == CREATE_TIME else times[-1]
    time_of = {one.offset: at for one, at in zip(records, ours, strict=True)}
    with telemetry.traces.inside(span), telemetry.stage("deduplicate"):
        first_seen = state.seen.first_seen
        digests = [first_seen(event.id) for event, _ in decoded]
        fresh = [pair for pair, digest in zip(decoded, digests, strict=True) if digest is not None]
        new = [digest for digest in digests if digest is not None]
        id_chunk, forget = state.seen.close_chunk(new, read_ms)
    state.mark = clock_after(
        replace(state.mark, last_offset=last.offset, last_timestamp=times[-1], last_checksum=checksum(last.value)),
        [event.occurred_ms for event, _ in fresh],
        [time_of[record.offset] for _, record in fresh],
        read_ms,
    )
    position = Position(state.claim.partition, state.claim.number, state.claim.generation, state.next, last.offset + 1)
    return DecodedBatch(
        position=position,
        events=[event for event, _ in fresh],
        records=[record for _, record in fresh],
        dead_letters=dead_letters,
        duplicates=len(decoded) - len(fresh),
        id_chunk=id_chunk,
        forget_chunks=forget,
        mark=state.mark,
        first_record_ms=times[0],
        last_record_ms=times[-1],
        span=span,
        canaries=canaries,
    )


def passing_batch(state: Assigned, end: int) -> DecodedBatch:
    """A batch past offsets that hold no record: it changes no counts, and commits where to read on."""
    position = Position(state.claim.partition, state.claim.number, state.claim.generation, state.next, end)
    known_ms = state.mark.last_timestamp or 0
    return DecodedBatch(position, [], [], [], 0, b"", 0, state.mark, known_ms, known_ms)


def _times(records: list[ConsumerRecord], last_ms: int) -> list[int]:
    """Record time of each record, epoch ms; that of the one before where a damaged batch does not tell."""
    times: list[int] = []
    for record in records:
        if record.timestamp != UNKNOWN_TIME:
            last_ms = record.timestamp
        times.append(last_ms)
    return times


def judged_ms(record: ConsumerRecord, now_ms: int) -> int:
    """Record time that an event is judged by: a producer's clock (CreateTime) may be ahead, or tell nothing."""
    if record.timestamp == UNKNOWN_TIME:
        return now_ms
    return min(record.timestamp, now_ms) if record.timestamp_type == CREATE_TIME else int(record.timestamp)


def _read(
    records: list[ConsumerRecord], times: list[int], begins: int, now_ms: int
) -> tuple[list[tuple[Decoded, ConsumerRecord]], list[DeadLetter], tuple[str, ...]]:
    """Events, dead letters and ids of canaries; `begins` is the slice's first offset, `now_ms` Redis's clock."""
    decoded: list[tuple[Decoded, ConsumerRecord]] = []
    dead_letters: list[DeadLetter] = []
    canaries: list[str] = []
    for record, record_ms in zip(records, times, strict=True):
        if record.headers and (name := canary_of(record.headers)):
            canaries.append(name)
            continue
        try:
            decoded.append((decode(record.value, judged_ms(record, now_ms), record.headers), record))
        except Rejected as rejected:
            if stretch := unreadable(record):
                dead_letters.append(_unreadable(record, stretch, max(begins, stretch.first), record_ms))
            else:
                dead_letters.append(dead_letter(record, rejected.code, str(rejected)))
    return decoded, dead_letters, tuple(canaries)


def _unreadable(record: ConsumerRecord, stretch: Unreadable, first: int, record_ms: int) -> DeadLetter:
    """One dead letter for all offsets of a stretch that were not counted before it was damaged."""
    message = f"offsets {first} to {stretch.last} cannot be read: {stretch.why}"
    return DeadLetter(
        "unreadable_batch", message, record.partition, first, None, None, (), record_ms, last_offset=stretch.last
    )


def dead_letter(record: ConsumerRecord, code: DeadLetterCode, message: str) -> DeadLetter:
    """A record on its way to the dead-letter topic, untouched unless it is larger than what is kept."""
    letter = DeadLetter(
        code=code,
        message=message,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        value=record.value,
        headers=tuple(record.headers),
        record_ms=record.timestamp,
    )
    return fitting(letter)
