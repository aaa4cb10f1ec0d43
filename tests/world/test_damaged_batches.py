"""Batches that cannot be read: damaged on the broker's disk, or sent by a client that bends the rules."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.kafka.dead_letters import RejectedRecord, Selection, read_dead_letters
from streams.kafka.decompression import LARGEST_BATCH_BYTES
from tests.support.clients import Sent, event, events, kcat, librdkafka, needs_kcat
from tests.world.conftest import World

pytestmark = pytest.mark.timeout(90)


def damage(world: World, folder: Path, marker: bytes, partition: int = 0) -> None:
    """Change one byte of a batch in the broker's log, as a disk that fails does."""
    log = folder / "logs" / f"{world.topic}-{partition}" / f"{0:020}.log"
    at = log.read_bytes().index(marker)
    with log.open("r+b") as file:
        file.seek(at)
        file.write(bytes([marker[0] ^ 1]))


def dead_letters(world: World, code: str) -> list[RejectedRecord]:
    """The dead letters of a code."""

    async def read() -> list[RejectedRecord]:
        settings = world.job.settings
        return [one async for one in read_dead_letters(settings.kafka, settings.prefix, Selection(code))]

    return asyncio.run(read())


@pytest.fixture
def disk(own: World, stack: object) -> Iterator[Path]:
    """The broker's folder."""
    return stack.kafka.folder  # type: ignore[attr-defined]


def test_a_damaged_batch_costs_itself(own: World, disk: Path) -> None:
    """Batches before, behind and beside it are counted; one dead letter names its offsets."""
    for name in ("before", "damaged", "behind"):
        own.send(*events(name))
    own.send(*(Sent(one.value, one.key, partition=1) for one in events("beside")))
    damage(own, disk, b"damaged-7")
    own.job.workers(1)
    own.counts(accepted=60, unreadable_batch=1)
    [letter] = dead_letters(own, "unreadable_batch")
    assert (0, 20, None, False) == (letter.source_partition, letter.source_offset, letter.value, letter.whole)
    assert "offsets 20 to 39 cannot be read: its checksum is wrong" in letter.message
    own.job.until(lambda: 0 == own.job.cli("ledger", "verify").returncode)


def test_a_batch_that_is_damaged_after_it_was_counted_stops_nobody(own: World, disk: Path) -> None:
    """The next worker compares the last record that was counted: it cannot, and goes on."""
    own.job.workers(1)
    own.send(*events("counted"))
    own.counts(accepted=20)
    own.job.supervisor.stop()
    damage(own, disk, b"counted-19")
    own.job.workers(1)
    own.send(*events("later"))
    own.counts(accepted=40)


def test_a_batch_that_bursts_when_it_is_decompressed_costs_itself(world: World) -> None:
    """A few kilobytes of zstd with more blanks than any worker should hold."""
    world.send(Sent(b" " * (LARGEST_BATCH_BYTES + 1)), compression_type="zstd")
    world.send(*events("behind-the-bomb"))
    world.counts(accepted=20, unreadable_batch=1)


@needs_kcat
def test_a_header_name_in_other_bytes_than_utf8_costs_nothing(world: World) -> None:
    """librdkafka sends any bytes; the event is counted."""
    kcat(world.servers, world.topic, [event("latin-1")], "-H", b"gr\xf6sse=1")
    world.counts(accepted=1)


def test_a_damaged_profile_is_named_and_the_others_hold(own: World, disk: Path) -> None:
    """Operators' topics are read on too: the damaged record is a dead letter, the worker becomes ready."""
    topic = f"{own.job.settings.prefix}.market.profiles"
    librdkafka(own.servers, topic, [Sent(b'{"damaged-profile": 1}', b"BR")])
    log = disk / "logs" / f"{topic}-0" / f"{0:020}.log"
    content = log.read_bytes()
    log.write_bytes(content.replace(b"damaged-profile", b"Damaged-profile"))
    own.job.workers(1)
    own.send(*events("profile"))
    own.counts(accepted=20, bad_profile=1)
    [letter] = dead_letters(own, "bad_profile")
    assert "cannot be read" in letter.message
