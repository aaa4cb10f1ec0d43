"""The feed that all clients share: one reading a step, differences, resuming, slow clients."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from marketpulse.client.snapshot import Change
from streams.dashboard.feed import Feed
from streams.dashboard.parts import Rendered, ViewKey
from streams.dashboard.render import Renderer
from streams.dashboard.sse import messages
from tests.support.waiting import until_async
from tests.unit.dashboard.fakes import FakeReader, metrics, snapshot

MARKETS = ViewKey("markets")


@pytest.fixture
async def reader() -> FakeReader:
    return FakeReader(snapshot(7, BR=metrics(), CN=metrics()))


@pytest.fixture
async def feed(reader: FakeReader) -> AsyncIterator[Feed]:
    """A running feed that has read the first snapshot."""
    feed = Feed(reader, Renderer(reader))  # type: ignore[arg-type]
    await feed.start()
    await until_async(lambda: feed.seen is not None)
    yield feed
    await feed.stop()


def parsed(message: bytes) -> tuple[str, str, dict[str, Any]]:
    """Kind, id and data of one message."""
    fields = dict(line.split(": ", 1) for line in message.decode().strip().split("\r\n"))
    return fields["event"], fields.get("id", ""), msgspec.json.decode(fields["data"])


async def following(stream: AsyncIterator[bytes]) -> tuple[str, str, dict[str, Any]]:
    return parsed(await asyncio.wait_for(anext(stream), 10))


async def test_a_client_gets_everything_once_and_then_what_changed(feed: Feed, reader: FakeReader) -> None:
    """The second message has only the row that changed, and the id of the change that it holds."""
    stream = messages(feed, MARKETS, None)
    kind, identity, data = await following(stream)
    assert ("view", "1-2", True) == (kind, identity, "market-rows" in data["parts"])
    reader.tell(snapshot(8, BR=metrics(0.1), CN=metrics()), Change("1-3", step=8))
    kind, identity, data = await following(stream)
    assert ("view", "1-3", {"row-BR", "stand", "summary"}) == (kind, identity, set(data["parts"]))
    reader.tell(snapshot(9, BR=metrics(0.1), CN=metrics(), NG=metrics()), Change("1-4", step=9))
    assert "market-rows" in (await following(stream))[2]["parts"]
    await stream.aclose()  # type: ignore[attr-defined]


async def test_a_hundred_clients_cost_one_reading_and_one_rendering(feed: Feed, reader: FakeReader) -> None:
    """All get the same bytes; Redis is read once for the step."""
    streams = [messages(feed, MARKETS, None) for _ in range(100)]
    await asyncio.gather(*(anext(one) for one in streams))
    assert 100 == feed.clients
    before = reader.snapshots
    reader.tell(snapshot(8, BR=metrics(0.2), CN=metrics()), Change("1-3", step=8))
    got = await asyncio.wait_for(asyncio.gather(*(anext(one) for one in streams)), 10)
    assert (1, 1) == (len({id(one) for one in got}), reader.snapshots - before)
    for one in streams:
        await one.aclose()  # type: ignore[attr-defined]
    assert 0 == feed.clients


async def test_a_slow_client_holds_nobody_up_and_gets_the_newest_whole(feed: Feed, reader: FakeReader) -> None:
    """Two steps pass while it does not read: it is sent one message, with everything of the last."""
    slow, fast = messages(feed, MARKETS, None), messages(feed, MARKETS, None)
    await following(slow)
    await following(fast)
    for step, identity in ((8, "1-3"), (9, "1-4"), (10, "1-5")):
        reader.tell(snapshot(step, BR=metrics(step / 100), CN=metrics()), Change(identity, step=step))
        assert identity == (await following(fast))[1]
    _, identity, data = await following(slow)
    assert ("1-5", True) == (identity, "market-rows" in data["parts"])
    for one in (slow, fast):
        await one.aclose()  # type: ignore[attr-defined]


async def test_a_client_resumes_by_the_id_that_it_saw_last(feed: Feed, reader: FakeReader) -> None:
    """It is told what it missed, then gets the view."""
    reader.tell(snapshot(8, BR=metrics()), Change("1-3", step=8, markets=("BR",), alerts=1))
    await until_async(lambda: feed.since("1-3") is not None)
    stream = messages(feed, MARKETS, "1-2")
    kind, _, data = await following(stream)
    missed = {"id": "1-3", "step": 8, "markets": ["BR"], "alerts": 1, "allocation": None}
    assert ("resumed", [missed]) == (kind, data["missed"])
    assert "view" == (await following(stream))[0]
    await stream.aclose()  # type: ignore[attr-defined]


@pytest.mark.parametrize("last", ["0-1", "9-9", "x", "<script>"])
async def test_an_id_that_is_no_longer_kept_resets_the_client(feed: Feed, last: str) -> None:
    """It is told to read a snapshot; nothing is pretended to be complete."""
    stream = messages(feed, MARKETS, last)
    kind, _, data = await following(stream)
    assert ("reset", last) == (kind, data["after"])
    await stream.aclose()  # type: ignore[attr-defined]


async def test_nobody_resumes_across_a_gap(feed: Feed, reader: FakeReader) -> None:
    """Where the reader itself missed changes, ids of before are not known any more."""
    reader.tell(snapshot(9, BR=metrics()), Change("1-9", step=9, missed=True))
    await until_async(lambda: feed.since("1-9") is not None)
    assert (None, []) == (feed.since("1-2"), feed.since("1-9"))


async def test_an_outage_is_told_and_ends(feed: Feed, reader: FakeReader) -> None:
    """The banner comes with the stream, and goes again."""
    stream = messages(feed, ViewKey("market", "BR", "24h"), None)
    await following(stream)
    reader.away = True
    assert "Redis is away" in (await following(stream))[2]["parts"]["banner"]
    reader.away = False
    assert "hidden" in (await following(stream))[2]["parts"]["banner"]
    await stream.aclose()  # type: ignore[attr-defined]


def test_what_differs_is_sent_and_nothing_else() -> None:
    """Parts, rows and figures; other rows in another number mean the whole table."""
    before = Rendered({"a": "1", "b": "2"}, {"t": {"r1": "x", "r2": "y"}}, {"f": 1})
    same = before.since(before)
    assert ({}, {}) == (same.parts, same.figures)
    after = Rendered({"a": "1", "b": "3"}, {"t": {"r1": "x", "r2": "z"}}, {"f": 2})
    assert ({"b": "3", "r2": "z"}, {"f": 2}) == ((found := after.since(before)).parts, found.figures)
    fewer = Rendered({"a": "1", "b": "2"}, {"t": {"r2": "y"}}, {"f": 1})
    assert {"t": '<tbody id="t">y</tbody>'} == fewer.since(before).parts
