"""Records of one read to one batch: each decoded by `marketpulse.contract.decode`, repeated ids left out."""

from dataclasses import replace

from aiokafka.structs import ConsumerRecord

from marketpulse.contract.decode import Decoded, Rejected, decode
from marketpulse.contract.feedback import DeadLetterCode
from streams.batches import DeadLetter, DecodedBatch, Position
from streams.ledger.types import checksum
from streams.pipeline.ingest.claims import Assigned
from streams.pipeline.ingest.event_clock import clock_after
from streams.telemetry.worker import Telemetry


def decode_records(state: Assigned, records: list[ConsumerRecord], telemetry: Telemetry) -> DecodedBatch:
    """Decode and de-duplicate one partition batch; a broken record costs only itself."""
    span = telemetry.traces.batch(records)
    with telemetry.traces.inside(span), telemetry.stage("decode"):
        decoded, dead_letters = _decoded(records)
    last = records[-1]
    with telemetry.traces.inside(span), telemetry.stage("deduplicate"):
        first_seen = state.seen.first_seen
        digests = [first_seen(event.id) for event, _ in decoded]
        fresh = [pair for pair, digest in zip(decoded, digests, strict=True) if digest is not None]
        new = [digest for digest in digests if digest is not None]
        id_chunk, forget = state.seen.close_chunk(new, last.timestamp)
    state.mark = clock_after(
        replace(state.mark, last_offset=last.offset, last_timestamp=last.timestamp, last_checksum=checksum(last.value)),
        [event.occurred_ms for event, _ in fresh],
        [record.timestamp for _, record in fresh],
        last.timestamp,
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
        first_record_ms=records[0].timestamp,
        last_record_ms=last.timestamp,
        span=span,
    )


def passing_batch(state: Assigned, end: int) -> DecodedBatch:
    """A batch past offsets that hold no record: it changes no counts, and commits where to read on."""
    position = Position(state.claim.partition, state.claim.number, state.claim.generation, state.next, end)
    known_ms = state.mark.last_timestamp or 0
    return DecodedBatch(position, [], [], [], 0, b"", 0, state.mark, known_ms, known_ms)


def _decoded(records: list[ConsumerRecord]) -> tuple[list[tuple[Decoded, ConsumerRecord]], list[DeadLetter]]:
    decoded: list[tuple[Decoded, ConsumerRecord]] = []
    dead_letters: list[DeadLetter] = []
    for record in records:
        try:
            decoded.append((decode(record.value, record.timestamp, record.headers), record))
        except Rejected as rejected:
            dead_letters.append(dead_letter(record, rejected.code, str(rejected)))
    return decoded, dead_letters


def dead_letter(record: ConsumerRecord, code: DeadLetterCode, message: str) -> DeadLetter:
    """A record on its way to the dead-letter topic, untouched."""
    return DeadLetter(
        code=code,
        message=message,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        value=record.value,
        headers=tuple(record.headers),
        record_ms=record.timestamp,
    )
