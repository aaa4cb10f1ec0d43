"""The batch types that travel from the source to the ledger; after the model: `pipeline/classify/scored_batches.py`."""

from dataclasses import dataclass, field
from typing import Any

from marketpulse.contract.decode import Decoded
from marketpulse.contract.feedback import DeadLetterCode
from marketpulse.contract.records import Excerpt


@dataclass(frozen=True, slots=True)
class Position:
    """Where a batch comes from: records [start, end) of one partition, read under one claim."""

    partition: int
    claim: int
    generation: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class SourceMark:
    """What is known of the records of one partition before its next offset; None = nothing yet.

    `last_offset`, `last_timestamp`, `last_checksum` are those of the last record that was counted (there may be none
    right before the next offset: markers of transactions have offsets too). `newest_ms`, `rose_ms`, `seen_ms` and
    `recent` are the partition's clock, see `pipeline/ingest/event_clock.py`.
    """

    last_offset: int | None = None
    last_timestamp: int | None = None
    last_checksum: int | None = None
    newest_ms: int | None = None
    rose_ms: int | None = None
    seen_ms: int | None = None
    recent: bytes = b""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One record that breaks the contract, with its bytes, key and headers untouched."""

    code: DeadLetterCode
    message: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    record_ms: int


@dataclass(frozen=True, slots=True)
class CompactedRecord:
    """One record of a compacted topic; `value` None = a tombstone."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp_ms: int = 0


@dataclass(frozen=True, slots=True)
class DecodedBatch:
    """A partition batch after decoding and de-duplication, before the model.

    Without records it only moves the partition on, past offsets that hold none (markers of transactions). `mark`: what
    is known of the partition's records up to its end.
    """

    position: Position
    events: list[Decoded]
    records: list[Any]  # the Kafka record behind each event
    dead_letters: list[DeadLetter]
    duplicates: int
    id_chunk: bytes
    forget_chunks: int
    mark: SourceMark
    first_record_ms: int
    last_record_ms: int
    span: Any = None  # of OpenTelemetry, where there are traces


@dataclass(frozen=True, slots=True)
class Delta:
    """What one batch adds to the ledger, all additive: the same batch always gives the same delta."""

    counts: dict[str, int]
    users: dict[str, list[bytes]]
    totals: dict[str, int]
    excerpts: dict[str, list[Excerpt]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """One record on its way to Kafka."""

    id: bytes
    topic: str
    key: bytes
    value: bytes
