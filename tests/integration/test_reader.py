"""The read client on a real Redis: following changes across a disconnect, sync and async."""

import asyncio
import threading
import time

import pytest

from streams.embedded import EmbeddedStack
from streams.errors import Unavailable
from streams.reader import AsyncReader, Change, Reader
from streams.redis_connection import connect


def write(client: object, prefix: str, step: int) -> None:
    client.xadd(f"{prefix}:changes", {"step": step, "stream_time": 5, "markets": "BR,CN", "alerts": 1})  # type: ignore[attr-defined]


def test_changes_go_on_after_a_disconnect(stack: EmbeddedStack, prefix: str) -> None:
    """Every entry once and in order, although every connection is cut in between."""
    client = connect(stack.endpoints.redis)

    def writing() -> None:
        for step in range(1, 7):
            time.sleep(0.15)
            write(client, prefix, step)
            if step == 3:
                client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    thread = threading.Thread(target=writing)
    with Reader(stack.endpoints.redis, prefix) as reader:
        found = reader.changes(block_s=0.3)
        thread.start()
        seen = [next(found) for _ in range(6)]
        thread.join()
    assert [1, 2, 3, 4, 5, 6] == [change.step for change in seen]
    assert (("BR", "CN"), 1, False) == (seen[0].markets, seen[0].alerts, seen[3].missed)


def test_a_reader_that_was_away_resumes_by_id_and_is_told_what_it_missed(stack: EmbeddedStack, prefix: str) -> None:
    """What is still there comes; where entries were trimmed, the first change says so."""
    client = connect(stack.endpoints.redis)
    with Reader(stack.endpoints.redis, prefix) as reader:
        for step in (1, 2, 3, 4):
            write(client, prefix, step)
        every = [entry.decode() for entry, _ in client.xrange(f"{prefix}:changes")]
        resumed = reader.changes(after=every[1])
        assert [(3, False), (4, False)] == [(one.step, one.missed) for one in (next(resumed), next(resumed))]
        client.xdel(f"{prefix}:changes", *every[:3])
        assert (4, True) == ((one := next(reader.changes(after=every[1]))).step, one.missed)


def test_patience_has_an_end_where_one_is_given() -> None:
    """Unavailable, with what to do."""
    with Reader("redis://127.0.0.1:1/0", "x") as reader, pytest.raises(Unavailable, match="Operator action"):
        next(reader.changes(patience_s=0.3))


async def test_the_async_reader_does_the_same_without_blocking(stack: EmbeddedStack, prefix: str) -> None:
    """A snapshot, markets, metrics, excerpts, allocations, and changes while the event loop goes on."""
    client = connect(stack.endpoints.redis)
    async with AsyncReader(stack.endpoints.redis, prefix) as reader:
        assert ([], None, [], []) == (
            await reader.markets(),
            await reader.metrics("BR"),
            await reader.excerpts("BR"),
            await reader.allocations(),
        )
        assert 0 == (await reader.snapshot()).status.step

        async def first() -> Change:
            return await anext(reader.changes())

        waiting = asyncio.create_task(first())
        await asyncio.sleep(0.3)
        write(client, prefix, 7)
        assert 7 == (await asyncio.wait_for(waiting, 5)).step
