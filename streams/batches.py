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
    """A partition batch after decoding and de-duplication, before the model."""

    position: Position
    events: list[Decoded]
    records: list[Any]  # the Kafka record behind each event
    dead_letters: list[DeadLetter]
    duplicates: int
    id_chunk: bytes
    forget_chunks: int
    last_record_ms: int
    last_checksum: int
    first_record_ms: int
    span: Any = None  # of OpenTelemetry, where there are traces


@dataclass(frozen=True, slots=True)
class Delta:
    """What one batch adds to the ledger, all additive: the same batch always gives the same delta."""

    counts: dict[str, int]
    users: dict[str, list[bytes]]
    totals: dict[str, int]
    newest_ms: int
    excerpts: dict[str, list[Excerpt]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """One record on its way to Kafka."""

    id: bytes
    topic: str
    key: bytes
    value: bytes
