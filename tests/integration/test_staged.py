"""A successor in Redis until it is put in place: it goes by itself if nobody does, and then lives as a ledger does."""

from collections.abc import AsyncIterator, Iterator

import msgpack
import msgspec
import pytest
from pydantic import SecretStr

from marketpulse.contract.keys import EXCERPTS_LIVE_S
from marketpulse.contract.records import Excerpt
from marketpulse.contract.units import DAY_MS
from streams.clock import epoch_ms
from streams.contract.journal import PartitionMark
from streams.kafka.outbound import Outbound
from streams.ledger.commit import Ledger
from streams.ledger.content import SCRATCH_S, SCRATCH_USERS_S, LedgerContent
from streams.ledger.lives import HOUR_LIVES_MS
from streams.ledger.staged import remove_staged, staged_prefixes
from streams.ledger.types import Entry
from streams.recovery.erase import STAGED, Erase, Place
from streams.recovery.fold import folded
from streams.recovery.source_starts import PartitionStart
from streams.recovery.succession import Beginning, Succession
from streams.settings import load_settings
from tests.support.alerts import alert
from tests.support.redis_servers import BUNDLED, RedisOf

ENTRIES = [
    Entry("state", "hash", [b"market:BR", msgpack.packb({})]),
    Entry("alerts", "hash", [b"one", b"{}"]),
    Entry("excerpts:BR", "string", [b"[]"]),
    Entry("metrics:BR", "string", [b"{}"]),
    Entry("markets", "set", [b"BR"]),
    Entry("allocations", "list", [b"{}"]),
]
BEGINS = Beginning(3, {0: PartitionStart(7, PartitionMark(), [b"ids"])}, {"accepted": 7}, 1_000)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis without a Kafka beside it."""
    server = RedisOf(tmp_path_factory.mktemp("staged"), BUNDLED)
    server.start()
    yield server.url
    server.stop()


@pytest.fixture
async def live(url: str, prefix: str) -> AsyncIterator[Ledger]:
    one = Ledger(url, prefix)
    await one.init("ledger-1", {0: 0})
    yield one
    await one.close()


@pytest.fixture
async def staged(live: Ledger) -> AsyncIterator[Ledger]:
    one = Ledger(live.url, f"{live.keys.prefix}~rebuild-01234567")
    yield one
    await one.close()


@pytest.fixture
async def succession(live: Ledger, staged: Ledger) -> AsyncIterator[Succession]:
    """With everything staged, distinct users too."""
    users = Entry("users:hour:BR:1", "string", [b"HYLL"])
    content = LedgerContent(staged)
    await content.stage(content.writes_of([users]), SCRATCH_USERS_S)
    outbound = Outbound("127.0.0.1:1", live.keys.prefix)
    one = Succession(live, staged, outbound)
    await one.stage(BEGINS, folded("", ENTRIES))
    yield one
    await outbound.stop()


async def lives(ledger: Ledger) -> dict[str, int]:
    """Key without the prefix -> seconds that it lives; -1 = for ever."""
    names = [name async for some in LedgerContent(ledger).scan() for name in some]
    return {name: await ledger.redis.ttl(ledger.keys.namespace + name) for name in names}


async def test_what_is_staged_goes_within_a_day(succession: Succession, staged: Ledger) -> None:
    """Whoever staged it was killed: no text stays. Distinct users, which a replay counts with, go within 60 hours."""
    found = await lives(staged)
    assert {entry.name for entry in ENTRIES} | {"ledger", "partition:0", "ids:0", "totals", "checkpoint"} < found.keys()
    users = found.pop("users:hour:BR:1")
    assert SCRATCH_S < users <= SCRATCH_USERS_S
    assert all(0 < life_s <= SCRATCH_S for life_s in found.values()), found


async def test_a_successor_in_place_lives_as_a_ledger_does(
    succession: Succession, live: Ledger, staged: Ledger
) -> None:
    """For ever, but for excerpts and users."""
    await succession.swap(await live.seize_lease("operator", 60_000), 3)
    found = await lives(live)
    assert EXCERPTS_LIVE_S - 60 < found.pop("excerpts:BR") <= EXCERPTS_LIVE_S
    assert HOUR_LIVES_MS // 1_000 - 60 < found.pop("users:hour:BR:1") <= HOUR_LIVES_MS // 1_000
    assert {-1} == set(found.values()), found
    assert {} == await lives(staged)


async def test_a_successors_keys_end_when_they_would_have(live: Ledger, staged: Ledger) -> None:
    """A repair on the tenth day of lives does not begin them again; what is over is in neither ledger any more."""
    day, tenth_ms = 20_000, 20_010 * DAY_MS
    names = [f"users:day:BR:{day}", f"users:day:BR:{day - 8}", f"users:hour:BR:{24 * (day + 9)}"]
    content, over = LedgerContent(staged), f"users:hour:BR:{24 * day}"
    hashed = [Entry(name, "string", [b"HYLL"]) for name in (*names, over)]
    await content.stage(content.writes_of(hashed), SCRATCH_USERS_S)
    await live.redis.set(live.keys.namespace + over, b"HYLL")
    said = [Excerpt(1, "quebrado", "negative", "app", tenth_ms - days * DAY_MS) for days in (7, 4)]
    outbound = Outbound("127.0.0.1:1", live.keys.prefix)
    one = Succession(live, staged, outbound)
    begins = msgspec.structs.replace(BEGINS, stream_ms=tenth_ms, stepped_ms=epoch_ms())
    quoted = Entry("excerpts:BR", "string", [msgspec.json.encode(said)])
    await one.stage(begins, folded("", [quoted, Entry("excerpts:DE", "string", [msgspec.json.encode(said[:1])])]))
    await one.swap(await live.seize_lease("operator", 60_000), 3)
    await outbound.stop()
    found = {name: left for name, left in (await lives(live)).items() if left >= 0}
    days = {"excerpts:BR": 4.0, "excerpts:DE": 1.0, names[0]: 7.0, names[2]: 1.5}
    assert days == {name: pytest.approx(left / 86_400, abs=0.001) for name, left in found.items()}


async def test_what_another_left_is_removed_and_cannot_be_put_in_place(
    succession: Succession, live: Ledger, staged: Ledger
) -> None:
    """Its texts go; distinct users stay, since a replay that still runs may count with them."""
    assert [staged.keys.prefix] == await staged_prefixes(live)
    number, before = await live.seize_lease("operator", 60_000), await lives(live)
    renames = [(staged.keys.namespace + name, live.keys.namespace + name) for name in await lives(staged)]
    assert [staged.keys.prefix] == await remove_staged(live)
    assert {"users:hour:BR:1"} == (await lives(staged)).keys()
    assert not await live.swap(number, [live.keys.totals], [(*pair, None) for pair in renames], [])
    assert before.keys() == (await lives(live)).keys()
    assert [] == await staged_prefixes(live)


async def test_neighbours_keep_what_they_staged(live: Ledger) -> None:
    """Another prefix that begins alike, and a replay's scratch."""
    others = [f"{live.keys.prefix}{name}:state" for name in ("x~rebuild-01234567", "~replay-01234567", "~rebuild-x")]
    for key in others:
        await live.redis.set(key, 1)
    assert [] == await remove_staged(live)
    assert len(others) == await live.redis.exists(*others)


async def test_an_erasure_finds_and_removes_what_was_left(live: Ledger, staged: Ledger) -> None:
    """For ever where an older version staged it, else for a day; nothing of it is said of another user."""
    settings = load_settings(redis_url=SecretStr(live.url), prefix=live.keys.prefix)
    order = settings.user_hashes.orders[0].of("BR", "u7", 0, 7, negative=True)
    said = Excerpt(order, "quebrado", "negative", "app", 5)
    await staged.redis.set(staged.keys.excerpts("BR"), msgspec.json.encode([said]))
    await staged.redis.hset(staged.keys.alerts, "other", msgspec.json.encode(alert(market="DE")))

    def work(user: str = "u7") -> Erase:
        return Erase(settings, user, None, lambda *_: None)

    assert Place(STAGED, 1) == await work()._in_staged()
    assert Place(STAGED, 0) == await work("u8")._in_staged()
    await staged.redis.expire(staged.keys.excerpts("BR"), SCRATCH_S)
    await staged.redis.expire(staged.keys.alerts, 1_000)
    place = await work()._in_staged()
    assert 1 == pytest.approx(((place.gone_by or 0) - epoch_ms()) / DAY_MS, abs=0.01)
    await work()._remove_staged()
    assert ({}, Place(STAGED, 0)) == (await lives(staged), await work()._in_staged())
