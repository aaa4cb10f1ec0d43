"""Checkpoints in the journal: what the ledger holds after a step, packed into records and unpacked again."""

import asyncio
import base64
import zlib
from collections.abc import AsyncIterator, Iterable, Iterator

import msgpack
import msgspec

from marketpulse.contract.topics import topic_name
from marketpulse.contract.wire import encode
from streams.batches import OutboxEntry
from streams.contract.journal import CHECKPOINT_KEY, JOURNAL_FORMAT, CheckpointRecord, StepRecord
from streams.kafka.outbound import Outbound
from streams.ledger.commit import Ledger
from streams.ledger.content import LedgerContent, common_names, market_names
from streams.ledger.types import Entry, Lease
from streams.telemetry.logs import get_logger

log = get_logger("checkpoint")

PART_BYTES = 4_000_000  # of content before compression: base64 of it stays far below a message's limit
MARKETS_AT_ONCE = 16


class Checkpointer:
    """Writes a checkpoint when the last one is older than the interval, on Redis's clock; the lease holder has one."""

    def __init__(self, ledger: Ledger, outbound: Outbound, prefix: str, interval_ms: int) -> None:
        self._ledger = ledger
        self._outbound = outbound
        self._topic = topic_name(prefix, "market.steps")
        self._interval_ms = interval_ms
        self._at_ms: int | None = None

    async def after(self, lease: Lease, holder: str, lease_ms: int, record: StepRecord) -> bool:
        """Write one if it is due after a published step; whether it was written. Raises Unavailable.

        Args:
            lease, holder, lease_ms: under which the step was published; renewed meanwhile.
            record: of the step published last.
        """
        step, now_ms = record.step, record.now
        if self._at_ms is None:
            known = await self._ledger.get(self._ledger.keys.checkpoint)
            self._at_ms = now_ms if known is None else int(known)
            if known is None:
                await self._ledger.note_checkpoint(now_ms)
        if now_ms - self._at_ms < self._interval_ms:
            return False
        name, count = f"{step}-{lease.number}-{now_ms}", 0
        async for part in parts_of(read_ledger(LedgerContent(self._ledger))):
            if count == 0 and not answered(part):
                return False
            content = await asyncio.to_thread(packed, part)
            await self._send(CheckpointRecord(name, step, count, count + 1, content=content))
            count += 1
            if not await self._still(lease, holder, lease_ms, step):
                return False
        await self._send(end_of(name, record, count))
        await self._ledger.note_checkpoint(now_ms)
        self._at_ms = now_ms
        log.info("checkpoint_written", step=step, parts=count)
        return True

    def forget(self) -> None:
        """Another may write the next one: look again when it was."""
        self._at_ms = None

    async def _still(self, lease: Lease, holder: str, lease_ms: int, step: int) -> bool:
        """Whether nobody else can have published anything since."""
        now = await self._ledger.lease(holder, lease_ms)
        return now is not None and (now.number, now.published) == (lease.number, step)

    async def _send(self, record: CheckpointRecord) -> None:
        await self._outbound.relay([OutboxEntry(b"", self._topic, CHECKPOINT_KEY, encode(record))])


def end_of(name: str, at: StepRecord, parts: int) -> CheckpointRecord:
    """The record that completes an hourly checkpoint."""
    return CheckpointRecord(
        name,
        at.step,
        parts,
        parts,
        now=at.now,
        cut=at.cut,
        partitions=at.partitions,
        totals=at.totals,
        format=JOURNAL_FORMAT,
    )


async def read_ledger(content: LedgerContent) -> AsyncIterator[list[Entry]]:
    """Everything that a published step left, in several slices; totals and offsets are in the step's own record."""
    found = await content.read(common_names())
    yield found
    markets = sorted(market.decode() for entry in found if entry.name == "markets" for market in entry.rows)
    for at in range(0, len(markets), MARKETS_AT_ONCE):
        yield await content.read(name for market in markets[at : at + MARKETS_AT_ONCE] for name in market_names(market))
    async for names in content.scan("users:*"):
        yield await content.read((name, "string") for name in names)


async def parts_of(slices: AsyncIterator[list[Entry]]) -> AsyncIterator[list[Entry]]:
    """The entries of all slices, in parts of at most `PART_BYTES` (a single value that is larger goes alone)."""
    pieces: list[Entry] = []
    async for entries in slices:
        pieces += entries
        while size_of(pieces) >= PART_BYTES:
            part, pieces = first_part(pieces)
            yield part
    while pieces:
        part, pieces = first_part(pieces)
        yield part


def answered(entries: Iterable[Entry]) -> bool:
    """Whether no shift waits for its allocation: a replay from here would not know of it."""
    strings = {entry.name: entry.rows[0] for entry in entries if entry.kind == "string"}
    return int(strings.get("allocation:seq", 0)) >= int(strings.get("shift:seq", 0))


def size_of(entries: Iterable[Entry]) -> int:
    """Bytes of the content."""
    return sum(sum(map(len, entry.rows)) + len(entry.name) for entry in entries)


def first_part(entries: list[Entry]) -> tuple[list[Entry], list[Entry]]:
    """As many entries as fit into one part, and the rest; an entry that is larger alone is cut in two."""
    part: list[Entry] = []
    size, at = 0, 0
    for at, entry in enumerate(entries):
        room = PART_BYTES - size
        if size_of([entry]) > room:
            fits = _rows_within(entry, room)
            rest = [msgspec.structs.replace(entry, rows=entry.rows[fits:]), *entries[at + 1 :]]
            if fits:
                part.append(msgspec.structs.replace(entry, rows=entry.rows[:fits]))
            if part:
                return part, rest
            return [entry], entries[at + 1 :]  # one value alone: it goes whole
        part.append(entry)
        size += size_of([entry])
    return part, entries[at + 1 :]


def _rows_within(entry: Entry, room: int) -> int:
    """How many rows of an entry fit; fields of a hash stay with their values."""
    step, fits = (2 if entry.kind == "hash" else 1), 0
    for at in range(0, len(entry.rows), step):
        room -= sum(map(len, entry.rows[at : at + step]))
        if room < 0:
            break
        fits = at + step
    return fits


def packed(entries: Iterable[Entry]) -> str:
    """The content of one part."""
    rows = [[entry.name, entry.kind, *entry.rows] for entry in entries]
    return base64.b64encode(zlib.compress(msgpack.packb(rows))).decode()


def unpacked(content: str) -> Iterator[Entry]:
    """The entries of one part."""
    for name, kind, *rows in msgpack.unpackb(zlib.decompress(base64.b64decode(content))):
        yield Entry(name, kind, rows)
