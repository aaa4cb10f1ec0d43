"""What is read goes on in slices, and large ones are worked on beside the event loop."""

import asyncio
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st

from marketpulse.contract.decode import decode
from streams.batches import DecodedBatch, SourceMark
from streams.ledger.types import Claim
from streams.pipeline.ingest import decoding
from streams.pipeline.ingest.claims import Assigned
from streams.pipeline.ingest.decoding import LARGEST_SLICE_BYTES, QUICK_BYTES, slices
from streams.pipeline.ingest.dedupe import SeenIds
from streams.pipeline.ingest.source import Source
from streams.pipeline.off_loop import off_loop
from streams.settings import Settings

PARTITION = TopicPartition("feedback", 0)
NOW = 1_790_000_000_000


def record(offset: int, size: int = 0) -> ConsumerRecord:
    """An event; `size`: how many bytes of another field it carries along."""
    event = {"id": str(offset), "market": "BR", "text": "bom", "occurred_at": NOW, "more": "x" * size}
    return ConsumerRecord("feedback", 0, offset, NOW, 1, b"k", msgspec.json.encode(event), None, 1, 1, ())


class Reading:
    """A source with one claimed partition, and what it delivers."""

    def __init__(self) -> None:
        self.delivered: list[DecodedBatch] = []
        self.source = Source(Settings(), "feedback", None, self._deliver)  # type: ignore[arg-type]
        self.claim()

    def claim(self) -> None:
        claim = Claim(0, 1, "g", 0, SourceMark(), [], NOW)
        self.source._assigned[0] = Assigned(claim, 0, SeenIds(60_000, 1_000), SourceMark())

    async def take(self, *records: ConsumerRecord) -> list[tuple[int, int]]:
        """The offsets of every batch that comes of records: where it begins, and where the next does."""
        await self.source._take(PARTITION, list(records))
        return [(one.position.start, one.position.end) for one in self.delivered]

    async def _deliver(self, batch: DecodedBatch) -> None:
        self.delivered.append(batch)


@given(st.lists(st.sampled_from([0, LARGEST_SLICE_BYTES // 3, LARGEST_SLICE_BYTES + 1]), max_size=9))
def test_slices_hold_every_record_once_and_few_bytes(sizes: list[int]) -> None:
    """In the order of the log; a record that is larger than a slice goes alone."""
    records: list[Any] = [SimpleNamespace(key=None, value=b"x" * size, headers=()) for size in sizes]
    cut = list(slices(records))
    assert records == [one for _, some in cut for one in some]
    assert [sum(len(one.value) for one in some) for _, some in cut] == [size for size, _ in cut]
    assert all(size <= LARGEST_SLICE_BYTES or 1 == len([one for one in some if one.value]) for size, some in cut)


async def test_what_is_read_at_once_is_delivered_in_slices() -> None:
    """One after the other, without a hole between them."""
    large = LARGEST_SLICE_BYTES // 2
    assert [(0, 1), (1, 3), (3, 4)] == await Reading().take(
        record(0, large), record(1, large), record(2), record(3, large)
    )


async def test_large_slices_are_decoded_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small ones at once: a thread would cost more."""
    threads: list[bool] = []

    def watched(*given: Any) -> Any:
        threads.append(threading.current_thread() is not threading.main_thread())
        return decode(*given)

    monkeypatch.setattr(decoding, "decode", watched)
    reading = Reading()
    await reading.take(record(0))
    await reading.take(record(1, QUICK_BYTES))
    assert [False, True] == threads


@pytest.mark.parametrize("again", [False, True])
async def test_a_slice_is_dropped_whose_partition_went_while_it_was_decoded(
    monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    """Whoever claims it next reads it, from the ledger's offset; also where that is this worker."""
    reading = Reading()

    async def meanwhile(large: bool, work: Callable[..., Any], *given: Any) -> Any:
        await reading.source.on_partitions_revoked([PARTITION])
        if again:
            reading.claim()
        return work(*given)

    monkeypatch.setattr(decoding, "off_loop", meanwhile)
    assert [] == await reading.take(record(0), record(1))
    monkeypatch.setattr(decoding, "off_loop", off_loop)
    assert ([(0, 2)] if again else []) == await reading.take(record(0), record(1))


async def test_the_loop_goes_on_beside_large_work() -> None:
    """Work that waits for the loop would wait for ever on it."""
    beat = threading.Event()
    asyncio.get_running_loop().call_soon(beat.set)
    assert await off_loop(True, beat.wait, 10)
    assert "same thread" == await off_loop(False, lambda: "same thread")
