"""How a bridge divides what it fetched into transactions, without a Kafka."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from streams.bridge.bridge import TRANSACTION_BYTES, TRANSACTION_S, Bridge, Plan
from streams.bridge.events import Converted, Converter
from streams.kafka.publish import Record


class Reading:
    """Takes a time for each record, of which each becomes so many bytes of events."""

    name = "crm"

    def __init__(self, seconds: float, size: int = 0, stops: asyncio.Event | None = None) -> None:
        self.read_so_far, self._seconds, self._size, self._stops = 0, seconds, size, stops

    async def read(self, record: Any) -> Converted:
        self.read_so_far += 1
        await asyncio.sleep(self._seconds)
        if self._stops is not None:
            self._stops.set()
        return Converted(record.offset + 1, [Record(b"", bytes(self._size))] if self._size else [])


async def parts_of(reading: Reading, number: int, stop: asyncio.Event) -> list[int]:
    """Records of each transaction."""
    plan = Plan("a:1", "crm", "b:1", "p", cast("Converter", reading))
    records = [SimpleNamespace(offset=offset) for offset in range(number)]
    return [len(part) async for part in Bridge(plan)._parts(records, stop)]


async def test_values_that_take_long_leave_the_rest_to_the_next_turn() -> None:
    """Though none of them becomes an event: the position is kept, and other partitions go on."""
    reading = Reading(TRANSACTION_S / 4)
    (read,) = await parts_of(reading, 2_000, asyncio.Event())
    assert 2 <= read <= 5
    assert read == reading.read_so_far


async def test_who_is_asked_to_stop_keeps_what_was_read() -> None:
    """And reads no more."""
    stop = asyncio.Event()
    assert [1] == await parts_of(Reading(0, stops=stop), 2_000, stop)


async def test_quick_records_are_all_read() -> None:
    """In one transaction where they are small, in several where they are large."""
    assert [500] == await parts_of(Reading(0), 500, asyncio.Event())
    assert [2, 2, 1] == await parts_of(Reading(0, TRANSACTION_BYTES // 2), 5, asyncio.Event())
