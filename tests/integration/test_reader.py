"""The read client on a real Redis: following changes across a disconnect, sync and async."""

import asyncio
import threading
import time

import msgspec
import pytest
from redis import Redis

from marketpulse.client.async_reader import AsyncReader
from marketpulse.client.reader import Reader
from marketpulse.client.redis_server import connect
from marketpulse.client.snapshot import Change
from marketpulse.errors import Unavailable
from models.classifier import ModelInfo
from streams.dashboard.history import PageReader
from streams.dev.embedded.servers import EmbeddedStack
from streams.ledger.keys import Keys
from streams.pipeline.count.cells import CellLayout
from tests.support.waiting import until


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
    with Reader(stack.endpoints.redis, prefix=prefix) as reader:
        found = reader.changes(block_s=0.3)
        thread.start()
        seen = [next(found) for _ in range(6)]
        thread.join()
    assert [1, 2, 3, 4, 5, 6] == [change.step for change in seen]
    assert (("BR", "CN"), 1, False) == (seen[0].markets, seen[0].alerts, seen[3].missed)


def test_a_reader_that_was_away_resumes_by_id_and_is_told_what_it_missed(stack: EmbeddedStack, prefix: str) -> None:
    """What is still there comes; where entries were trimmed, the first change says so."""
    client = connect(stack.endpoints.redis)
    with Reader(stack.endpoints.redis, prefix=prefix) as reader:
        for step in (1, 2, 3, 4):
            write(client, prefix, step)
        every = [entry.decode() for entry, _ in client.xrange(f"{prefix}:changes")]
        resumed = reader.changes(after=every[1])
        assert [(3, False), (4, False)] == [(one.step, one.missed) for one in (next(resumed), next(resumed))]
        client.xdel(f"{prefix}:changes", *every[:3])
        assert (4, True) == ((one := next(reader.changes(after=every[1]))).step, one.missed)


def step_by_step(client: Redis, keys: Keys, steps: int) -> None:
    """Each step counts one record of one partition, is cut and is published: three transactions."""
    client.hset(keys.ledger, mapping={"partitions": 1, "open": 1})
    for step in range(1, steps + 1):
        with client.pipeline(transaction=True) as pipe:
            pipe.hset(keys.partition(0), "next", step)
            pipe.hset(keys.step_counts(step), "BR:1:confidence", 1)
            pipe.execute()
        with client.pipeline(transaction=True) as pipe:
            pipe.set(keys.step_cut(step), "cut")
            pipe.hset(keys.ledger, "open", step + 1)
            pipe.execute()
        with client.pipeline(transaction=True) as pipe:
            pipe.hset(keys.step, "step", step)
            pipe.delete(keys.step_counts(step), keys.step_cut(step))
            pipe.execute()


def test_a_snapshot_is_one_moment(stack: EmbeddedStack, prefix: str) -> None:
    """Where nothing is open, all that is counted is published, however fast steps pass meanwhile."""
    writer = threading.Thread(target=step_by_step, args=(connect(stack.endpoints.redis), Keys(prefix), 3_000))
    with Reader(stack.endpoints.redis, prefix=prefix) as reader:
        writer.start()
        seen = [reader.snapshot().status]
        while writer.is_alive():
            seen.append(reader.snapshot().status)
        seen.append(reader.snapshot().status)
    quiet = [one for one in seen if not one.open_cells and one.partitions]
    assert [one.step for one in quiet] == [one.partitions[0] for one in quiet]
    assert (3_000, 0) == (seen[-1].step, seen[-1].open_cells)
    assert any(one.open_cells for one in seen)


def test_a_reader_that_is_closed_leaves_other_threads_their_connections(stack: EmbeddedStack, prefix: str) -> None:
    """What they wait for still comes; a socket that is closed under them reads from the file that is opened next."""
    reader, found = Reader(stack.endpoints.redis, prefix=prefix), list[object]()
    reader.markets()
    waits = threading.Thread(target=lambda: found.append(reader._redis.blpop([f"{prefix}:nothing"], 20)))
    waits.start()
    other = connect(stack.endpoints.redis)
    until(lambda: any(one["cmd"] == "blpop" for one in other.client_list()))
    reader.close()
    other.rpush(f"{prefix}:nothing", "there")
    waits.join(10)
    assert [(f"{prefix}:nothing".encode(), b"there")] == found


async def test_the_past_of_markets_comes_in_buckets(stack: EmbeddedStack, prefix: str) -> None:
    """Events per label, u shrunk to the span's mean, users by hour; an empty bucket, a market never seen, no step."""
    client, keys = connect(stack.endpoints.redis), Keys(prefix)
    info = ModelInfo("m", "0", "cpu", "p", ("negative", "neutral", "positive"), ("app", "price"))
    layout, hour = CellLayout(info.topics, info.sentiments, ()), 500_000
    cells = layout.zeros()
    cells[layout.index("negative/app")], cells[layout.index("positive/price")] = 30, 10
    cells[layout.index("e/price")], cells[layout.index("e2")], cells[layout.index("with_user")] = (
        10 * 10**6,
        10 * 10**6,
        40,
    )
    async with PageReader(stack.endpoints.redis, prefix) as reader:
        assert {} == await reader.history(["BR"], "hour", 3)
        client.hset(f"{prefix}:step", mapping={"stream_time": hour * 3_600_000 + 5})
        client.set(keys.model, msgspec.json.encode(info))
        client.hset(keys.hours("BR"), mapping={hour: cells.tobytes(), hour - 1: b"of another model"})
        client.pfadd(keys.users_of_hour("BR", hour), *(f"u{at}" for at in range(12)))
        found = await reader.history(["BR", "NG"], "hour", 3)
        minutes = (await reader.history(["BR"], "minute", 2))["BR"]
    assert [hour - 2, hour - 1, hour] == [one.at // 3_600_000 for one in found["BR"]]
    assert [(0, 0), (0, 0), (40, 12)] == [(one.n, one.users) for one in found["BR"]]
    newest = found["BR"][-1]
    assert {"negative": 30, "neutral": 0, "positive": 10} == newest.labels
    assert newest.u is not None
    assert 0.25 == pytest.approx(newest.u.value)
    assert [None] * 3 == [one.u for one in found["NG"]]
    assert [(0, None)] * 2 == [(one.n, one.users) for one in minutes]


def test_the_newest_changes_are_there_at_once(stack: EmbeddedStack, prefix: str) -> None:
    """Oldest first, at most as many as asked for."""
    client = connect(stack.endpoints.redis)
    with Reader(stack.endpoints.redis, prefix=prefix) as reader:
        assert [] == reader.recent_changes()
        for step in (1, 2, 3):
            write(client, prefix, step)
        assert [2, 3] == [one.step for one in reader.recent_changes(2)]


def test_patience_has_an_end_where_one_is_given() -> None:
    """Unavailable, with what to do."""
    with Reader("redis://127.0.0.1:1/0", prefix="x") as reader, pytest.raises(Unavailable, match="Operator action"):
        next(reader.changes(patience_s=0.3))


async def test_the_async_reader_does_the_same_without_blocking(stack: EmbeddedStack, prefix: str) -> None:
    """A snapshot, markets, metrics, excerpts, allocations, and changes while the event loop goes on."""
    client = connect(stack.endpoints.redis)
    async with AsyncReader(stack.endpoints.redis, prefix=prefix) as reader:
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
