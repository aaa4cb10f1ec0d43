"""One simulated worker: the product's source, scorer, committer and leader, wired as the app and its pump wire them."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from marketpulse.contract.portfolio import Market, Plan, Portfolio
from marketpulse.contract.topics import topic_name
from marketpulse.errors import MarketpulseError, Unavailable
from models.classifier import ModelInfo
from models.stub import StubClassifier
from streams.agents import make_classify, make_commit, make_roll_up
from streams.errors import EXIT_RESTART
from streams.ledger.commit import Ledger
from streams.pipeline.classify.scorer import Scorer
from streams.pipeline.count.cells import CellLayout
from streams.pipeline.count.committer import Committer
from streams.pipeline.ingest.source import Source
from streams.pipeline.operators.mutes import Mutes
from streams.pipeline.operators.profiles import Profiles
from streams.pipeline.rollup.leader import RELAY_S, Leader
from streams.privacy.user_hashes import UserHashes
from streams.settings import Settings
from streams.worker.deps import Deps
from streams.worker.pump import LOOK_S, drain
from tests.simulation.clock import Process, VirtualLoop
from tests.simulation.kafka import Consumer, Kafka, LogEnds, Outbound
from tests.simulation.network import Network

PREFIX = "sim"
IDLE_MS = 5_000
ANSWER_S = 1.3
UNEXPECTED = -1  # an error that is none of the product's
SETTINGS = Settings(
    prefix=PREFIX,
    model="stub",
    batch_records=6,
    session_timeout_seconds=6.0,
    claim_timeout_seconds=15.0,
    dedupe_minutes=0.5,
    step_seconds=1.5,
    idle_step_seconds=10.0,
    lease_seconds=8.0,
    idle_partition_seconds=IDLE_MS / 1_000,
    drain_seconds=3.0,
)
INFO = StubClassifier.info
LAYOUT = CellLayout(INFO.topics, INFO.sentiments, tuple(INFO.languages))
MARKET = Market(population=1e6, income=1e4, culture=0.9, w=1, c=1, d=1, l=1, f=1, o=1)
PORTFOLIO = Portfolio(Plan(budget=100.0), {"BR": MARKET, "DE": MARKET})
HASHES = UserHashes(b"simulation")


class Classifier(StubClassifier):
    """The stub under another name, for workers that run different models."""

    def __init__(self, info: ModelInfo = INFO) -> None:
        self.info = info


@dataclass(frozen=True)
class Parts:
    """What of the product a worker is made of; mutants replace one of them."""

    ledger: type[Ledger] = Ledger
    source: type[Source] = Source
    committer: type[Committer] = Committer
    leader: type[Leader] = Leader


PRODUCT = Parts()


@dataclass
class World:
    """What all workers share."""

    loop: VirtualLoop
    network: Network
    kafka: Kafka
    base_ms: int
    ended: Callable[["Worker", int, str], None]
    failpoint: Callable[[Process, str], Awaitable[None]]
    parts: Parts = PRODUCT

    def now_ms(self) -> int:
        """Redis's clock."""
        return self.base_ms + int(self.loop.time() * 1000)


class Worker:
    """One life of a worker: from its start to its end or kill."""

    def __init__(self, world: World, name: str, holder: str, info: ModelInfo, skew_ms: int = 0) -> None:
        self._world = world
        self.name = name
        self.process = Process(world.loop, name)
        self._stopping = False
        deps = Deps(
            settings=SETTINGS,
            ledger=world.parts.ledger(
                "redis://simulated", PREFIX, connect=world.network.connect, nonce=f"{name}-{world.loop.time():.6f}"
            ),
            outbound=Outbound(world.kafka, PREFIX),  # type: ignore[arg-type]
            classifier=Classifier(info),
            profiles=Profiles(PORTFOLIO),
            mutes=Mutes(),
            layout=LAYOUT,
            hashes=HASHES,
            failpoint=lambda at: world.failpoint(self.process, at),
            now_ms=lambda: world.now_ms() + skew_ms,
            find_undone=world.kafka.find_undone,
            log_ends=LogEnds(world.kafka),  # type: ignore[arg-type]
        )
        self._deps = deps
        decoded: asyncio.Queue[Any] = asyncio.Queue(2)
        scored: asyncio.Queue[Any] = asyncio.Queue(2)
        self._ticks: asyncio.Queue[Any] = asyncio.Queue(1)
        self._source = world.parts.source(
            SETTINGS,
            topic_name(PREFIX, "feedback"),
            deps.ledger,
            decoded.put,
            lambda _: Consumer(world.kafka, f"{name}-{world.loop.time():.6f}"),
            deps.progress,
            deps.telemetry,
            world.kafka.check,
        )
        self._leader = world.parts.leader(deps, holder)
        committer = world.parts.committer(deps, self._source)
        classify, commit = make_classify(Scorer(deps, self._source), scored), make_commit(committer)
        for work in (
            self._read,
            self._look,
            self._tick,
            self._relay,
            self._answer,
            lambda: classify(Values(decoded)),
            lambda: commit(Values(scored)),
            lambda: make_roll_up(self._leader)(Values(self._ticks)),
        ):
            self.process.spawn(self._guarded(work))

    def terminate(self) -> None:
        """SIGTERM: finish what is in hand, hand the lease over, leave the group."""
        if not self._stopping and not self.process.dead:
            self._stopping = True
            self.process.spawn(self._guarded(self._end))

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception as error:
            code = UNEXPECTED
            if isinstance(error, MarketpulseError):
                code = error.exit_code if error.exit_code != 1 else EXIT_RESTART
            if self._stopping and code == EXIT_RESTART:
                return
            self.process.kill()
            self._world.ended(self, code, f"{type(error).__name__}: {error}")

    async def _read(self) -> None:
        await self._source.start()
        while not self._stopping:
            await self._source.poll()

    async def _look(self) -> None:
        await asyncio.sleep(LOOK_S)
        while not self._stopping:
            await self._source.look_at_ends()
            await self._source.look_at_ledger()
            await asyncio.sleep(LOOK_S)

    async def _tick(self) -> None:
        while not self._stopping:
            await self._ticks.put("tick")
            await asyncio.sleep(SETTINGS.step_seconds)

    async def _relay(self) -> None:
        while not self._stopping:
            await self._leader.relay()
            await asyncio.sleep(RELAY_S)

    async def _answer(self) -> None:
        """Store an answer now and then, as the reallocator of any worker does: the lease holder relays it."""
        ledger = self._deps.ledger
        while not self._stopping:
            await asyncio.sleep(ANSWER_S)
            at_ms = self._world.now_ms()
            answer = ledger.outbox_write("market.allocations", self.name, b"%d" % at_ms)
            with contextlib.suppress(Unavailable):
                await ledger.store_allocation(at_ms, [answer])

    async def _end(self) -> None:
        await drain(self._deps.progress, SETTINGS.drain_seconds)
        for close in (self._leader.release, self._source.stop):
            try:
                await asyncio.wait_for(close(), 5.0)
            except (MarketpulseError, TimeoutError):
                continue
        self.process.kill()
        self._world.ended(self, 0, "drained")


class Values:
    """What comes through a queue, for ever."""

    def __init__(self, queue: "asyncio.Queue[Any]") -> None:
        self._queue = queue

    def __aiter__(self) -> "Values":
        return self

    async def __anext__(self) -> Any:
        return await self._queue.get()


def other_model(number: int) -> ModelInfo:
    """Another model's name and checksum."""
    return replace(INFO, id=f"stub-{number}", sha256=f"{number:064d}")
