"""The batch types that travel from the source to the ledger; after the model: `pipeline/classify/scored_batches.py`."""

import hashlib
from dataclasses import dataclass, field, replace
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


LARGEST_LETTER_BYTES = 2_000_000
"""A dead letter with more than that in key, value and headers is cut; the dead-letter topic takes 2 MiB."""
HEADER_BYTES = 16
"""What a header weighs beside its name and value: empty ones are not for nothing either."""
CUT_BYTES = 16_384
"""What is kept of a value, and of the headers together, where a dead letter is cut; of a key a sixteenth."""


CUT_HEADERS = 480
"""A dead letter with more headers is cut: with the twelve that say why it is one, it has to be read again."""


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
    """One record that breaks the contract, with its bytes, key and headers untouched unless it was `cut`.

    `last_offset`: it represents the offsets up to that, which cannot be read at all. `cut`: which parts were shortened;
    `value_bytes` and `value_sha256` (hex) are then those of the whole value.
    """

    code: DeadLetterCode
    message: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    record_ms: int
    last_offset: int | None = None
    cut: tuple[str, ...] = ()
    value_bytes: int = 0
    value_sha256: str = ""

    @property
    def size(self) -> int:
        """Bytes of key, value and headers."""
        return len(self.key or b"") + len(self.value or b"") + sum(map(_header_size, self.headers))


def fitting(letter: DeadLetter) -> DeadLetter:
    """The letter itself, or a cut one where it is larger than the dead-letter topic takes and its readers read."""
    return cut(letter) if letter.size > LARGEST_LETTER_BYTES or len(letter.headers) > CUT_HEADERS else letter


def cut(letter: DeadLetter) -> DeadLetter:
    """The same letter, short enough for any topic: size and checksum of its value tell what it was."""
    kept: list[tuple[str, bytes]] = []
    room = CUT_BYTES
    for header in letter.headers[:CUT_HEADERS]:
        room -= _header_size(header)
        if room >= 0:
            kept.append(header)
    value, key = letter.value and letter.value[:CUT_BYTES], letter.key and letter.key[: CUT_BYTES // 16]
    dropped = len(kept) < len(letter.headers)
    changed = (("value", value != letter.value), ("key", key != letter.key), ("headers", dropped))
    return replace(
        letter,
        key=key,
        value=value,
        headers=tuple(kept),
        cut=tuple(name for name, shorter in changed if shorter),
        value_bytes=len(letter.value or b""),
        value_sha256=hashlib.sha256(letter.value or b"").hexdigest(),
    )


def _header_size(header: tuple[str, bytes | None]) -> int:
    return HEADER_BYTES + len(header[0].encode("utf-8", "replace")) + len(header[1] or b"")


@dataclass(frozen=True, slots=True)
class CompactedRecord:
    """One record of a compacted topic; `value` None = a tombstone.

    `unreadable`: offsets from `offset` to `last_offset` hold no records that can be read, and why.
    """

    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp_ms: int = 0
    last_offset: int | None = None
    unreadable: str = ""


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
    canaries: tuple[str, ...] = ()  # ids of them


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
