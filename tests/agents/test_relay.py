"""The lease holder relays the outbox between its ticks, alone and in order."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from marketpulse.contract.portfolio import Market, Plan, Portfolio
from marketpulse.errors import Unavailable
from models.stub import StubClassifier
from streams.batches import OutboxEntry
from streams.ledger.commit import Ledger
from streams.pipeline.count.cells import CellLayout
from streams.pipeline.operators.mutes import Mutes
from streams.pipeline.operators.profiles import Profiles
from streams.pipeline.rollup.leader import Leader
from streams.pipeline.rollup.rewind import Undone
from streams.privacy.user_hashes import UserHashes
from streams.settings import Settings
from streams.worker.deps import Deps
from tests.simulation.fake_redis import FakeRedis
from tests.simulation.programs import Direct

SETTINGS = Settings(prefix="p", model="stub", lease_seconds=60.0)
MARKET = Market(population=1e6, income=1e4, culture=0.9, w=1, c=1, d=1, l=1, f=1, o=1)


class Kafka:
    """Keeps what it is given; `gate` holds every send back, the first `fails` are refused."""

    def __init__(self, fails: int = 0) -> None:
        self.sent: list[bytes] = []
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self._fails = fails

    async def relay(self, entries: Sequence[OutboxEntry]) -> None:
        self.asked += 1
        await self.gate.wait()
        if self.asked <= self._fails:
            raise Unavailable("Kafka is away")
        self.sent += [one.value for one in entries if one.topic == "p.market.allocations"]


async def nothing_undone(bootstrap: str, prefix: str, seq: int) -> Undone:
    return Undone()


class Stage:
    """Workers on one Redis and one Kafka."""

    def __init__(self, fails: int = 0) -> None:
        self.store: Any = FakeRedis(lambda: 1_700_000_000_000)
        self.kafka = Kafka(fails)
        self.ledger = Ledger("redis://fake", "p", connect=Direct(self.store).connect)

    def leader(self, holder: str) -> Leader:
        return Leader(self.deps(), holder)

    def deps(self) -> Deps:
        info = StubClassifier.info
        return Deps(
            settings=SETTINGS,
            ledger=self.ledger,
            outbound=self.kafka,  # type: ignore[arg-type]
            classifier=StubClassifier(),
            profiles=Profiles(Portfolio(Plan(budget=100.0), {"BR": MARKET})),
            mutes=Mutes(),
            layout=CellLayout(info.topics, info.sentiments, tuple(info.languages)),
            hashes=UserHashes(b"test"),
            find_undone=nothing_undone,
        )

    async def begin(self) -> Leader:
        """A leader that has ticked once."""
        await self.ledger.init("ledger", {0: 0})
        leader = self.leader("first")
        await leader.tick()
        return leader

    async def answer(self, seq: int) -> None:
        """Store an answer, as any worker does."""
        write = self.ledger.outbox_write("market.allocations", "a", b"%d" % seq)
        assert await self.ledger.store_allocation(seq, [write])


async def test_an_answer_is_relayed_without_a_tick() -> None:
    """In the order stored, and the outbox is empty afterwards."""
    stage = Stage()
    leader = await stage.begin()
    await stage.answer(1)
    await stage.answer(2)
    await leader.relay()
    assert [b"1", b"2"] == stage.kafka.sent
    assert [] == await stage.ledger.read_outbox(1)


async def test_who_holds_no_lease_relays_nothing() -> None:
    """Neither a worker that never had it, nor one that handed it over."""
    stage = Stage()
    leader, other = await stage.begin(), stage.leader("second")
    await other.tick()
    await stage.answer(1)
    await other.relay()
    await leader.release()
    await leader.relay()
    assert [] == stage.kafka.sent
    await other.tick()
    assert [b"1"] == stage.kafka.sent


async def test_a_tick_and_a_relay_do_not_send_at_once() -> None:
    """The relay waits for the tick, which leaves nothing to it."""
    stage = Stage()
    leader = await stage.begin()
    await stage.answer(1)
    before = stage.kafka.asked
    stage.kafka.gate.clear()
    both = asyncio.gather(leader.tick(), leader.relay())
    while stage.kafka.asked == before:  # noqa: ASYNC110 - the fake counts, and tells nobody
        await asyncio.sleep(0)
    for _ in range(100):
        await asyncio.sleep(0)
    assert before + 1 == stage.kafka.asked
    stage.kafka.gate.set()
    await both
    assert [b"1"] == stage.kafka.sent


async def test_a_relay_waits_while_kafka_is_away() -> None:
    """It says what it waits for, tries again by itself, and says that it goes on."""
    stage = Stage(fails=3)  # the tick's own relay is the first
    await stage.ledger.init("ledger", {0: 0})
    deps = stage.deps()
    leader = Leader(deps, "first")
    with pytest.raises(Unavailable):
        await leader.tick()
    await stage.answer(1)
    relay = asyncio.create_task(leader.relay())
    while "outbox" not in deps.progress.waiting:
        assert not relay.done()
        await asyncio.sleep(0)
    await relay
    assert [b"1"] == stage.kafka.sent
    assert "outbox" not in deps.progress.waiting
