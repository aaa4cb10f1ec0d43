"""What the ledger hands out: claims, cuts, leases, outbox entries. Plain values, no Redis."""

import zlib
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from marketpulse.contract.records import Excerpt

Answer = Literal["OK", "ALREADY", "FENCED", "REWOUND", "AHEAD", "FULL"]
Command = list[str | int | float | bytes]
Kind = Literal["string", "hash", "set", "list"]


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to commit one partition, until somebody else claims it."""

    partition: int
    number: int
    generation: str
    next: int
    last_timestamp: int | None
    last_checksum: int | None
    id_chunks: list[bytes]


@dataclass(frozen=True, slots=True)
class PartitionCut:
    """Where a partition stood when a step was cut; None = nothing was ever committed. `began`: its first offset."""

    next: int
    newest_ms: int | None
    committed_at_ms: int | None
    last_timestamp: int | None = None
    last_checksum: int | None = None
    began: int | None = None


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
    """The right to roll up: `number` fences every earlier holder; `published` is the last published step."""

    number: int
    published: int


class Entry(msgspec.Struct, frozen=True):
    """One Redis key with its content (or a part of it): `name` without the prefix, `rows` as its kind has them."""

    name: str
    kind: Kind
    rows: list[bytes]


def checksum(value: bytes | None) -> int:
    """CRC-32 of a record's value: tells a recreated topic from the one that was counted."""
    return zlib.crc32(value or b"")
