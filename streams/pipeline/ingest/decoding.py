"""Records of one read to one batch: each decoded by `marketpulse.contract.decode`, repeated ids left out."""

from aiokafka.structs import ConsumerRecord

from marketpulse.contract.decode import Decoded, Rejected, decode
from marketpulse.contract.feedback import DeadLetterCode
from streams.batches import DeadLetter, DecodedBatch, Position
from streams.ledger.types import checksum
from streams.pipeline.ingest.claims import Assigned
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
    position = Position(state.claim.partition, state.claim.number, state.claim.generation, state.next, last.offset + 1)
    return DecodedBatch(
        position=position,
        events=[event for event, _ in fresh],
        records=[record for _, record in fresh],
        dead_letters=dead_letters,
        duplicates=len(decoded) - len(fresh),
        id_chunk=id_chunk,
        forget_chunks=forget,
        last_record_ms=last.timestamp,
        last_checksum=checksum(last.value),
        first_record_ms=records[0].timestamp,
        span=span,
    )


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
