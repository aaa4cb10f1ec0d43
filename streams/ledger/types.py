"""What the ledger hands out: claims, cuts, leases, outbox entries. Plain values, no Redis."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgpack
import msgspec

from marketpulse.contract.records import Excerpt
from streams.batches import SourceMark

Answer = Literal["OK", "ALREADY", "FENCED", "REWOUND", "AHEAD", "FULL", "UNMERGED"]
Command = list[str | int | float | bytes]
Kind = Literal["string", "hash", "set", "list"]


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to commit one partition, until somebody else claims it. `now_ms`: Redis's clock when it was given."""

    partition: int
    number: int
    generation: str
    next: int
    mark: SourceMark
    id_chunks: list[bytes]
    now_ms: int = 0


@dataclass(frozen=True, slots=True)
class PartitionCut:
    """Where a partition was when a step was cut; None = not known, or nothing was ever committed.

    Args:
        next: offset of the next record to count.
        newest_ms: event time up to which the partition has got.
        rose_ms: record time of the record that last raised it.
        seen_ms: record time up to which the log was read, whatever was in it.
        last_offset, last_timestamp, last_checksum: the last record that was counted.
        began: the partition's first offset.
        end: where Kafka had its last stable offset.
    """

    next: int
    newest_ms: int | None = None
    rose_ms: int | None = None
    seen_ms: int | None = None
    last_offset: int | None = None
    last_timestamp: int | None = None
    last_checksum: int | None = None
    began: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class CutStep:
    """A closed step: the sums of everything committed since the step before; `totals` are those since the begin."""

    number: int
    now_ms: int
    counts: dict[str, int]
    users: dict[str, bytes]
    partitions: dict[int, PartitionCut]
    excerpts: dict[str, list[Excerpt]] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to roll up: `number` fences every earlier holder; `published` is the last published step.

    `now_ms`: Redis's clock when it was given; `partitions`: how many the ledger has.
    """

    number: int
    published: int
    partitions: int = 0
    now_ms: int = 0


class Entry(msgspec.Struct, frozen=True):
    """One Redis key with its content (or a part of it): `name` without the prefix, `rows` as its kind has them."""

    name: str
    kind: Kind
    rows: list[bytes]


def partition_cut(row: Sequence[str], written: int) -> PartitionCut:
    """A partition of a cut step; one that was cut by the version before the format is of 1, and comes again."""
    next_offset, *rest = (int(value) if value else None for value in row)
    if written == 1:
        newest, committed, timestamp, crc, began = rest
        rest = [newest, committed, committed, None, timestamp, crc, began]
    return PartitionCut(next_offset or 0, *rest)


def checksum(value: bytes | None) -> int:
    """CRC-32 of a record's value: tells a recreated topic from the one that was counted."""
    return zlib.crc32(value or b"")


def excerpts_of(fields: Mapping[bytes, bytes]) -> dict[str, list[Excerpt]]:
    """Market -> excerpts, of a step's hash as `lua/commit.lua` writes it."""
    return {
        market.decode(): [msgspec.json.decode(one, type=Excerpt) for _, one in msgpack.unpackb(rows, raw=True)]
        for market, rows in sorted(fields.items())
    }
