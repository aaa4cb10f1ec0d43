"""One simulated run from its seed: a safety phase with faults, then a liveness phase in which all must be counted."""

import asyncio
import hashlib
import json
import random
from collections.abc import Callable, Collection, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog

from marketpulse.contract.topics import topic_name
from marketpulse.errors import EXIT_OPERATOR
from streams.ledger.keys import Keys
from streams.ledger.scripts import FORMAT
from tests.simulation.checks import Checks
from tests.simulation.clock import Process, VirtualLoop
from tests.simulation.fake_redis import FakeRedis
from tests.simulation.kafka import Kafka
from tests.simulation.nemesis import Nemesis, Plan
from tests.simulation.network import Network, Store
from tests.simulation.worker import (
    IDLE_MS,
    INFO,
    LAYOUT,
    PREFIX,
    PRODUCT,
    UNEXPECTED,
    Parts,
    Worker,
    World,
    other_model,
)

EPOCH_MS = 1_700_000_000_000
PATIENCE_S = 90
MakeStore = Callable[[Callable[[], int]], Store]


@dataclass
class Result:
    """What came of one seed: `violation` is empty when everything held."""

    seed: int
    violation: str
    trace_hash: str
    records: int
    faults: dict[str, int]
    seconds: float
    settled_s: float
    steps: int
    restarts: int
    alerts: int
    trace: list[str] = field(default_factory=list)


class Simulation:
    """Workers, servers and nemesis of one seed."""

    def __init__(
        self,
        seed: int,
        make_store: MakeStore = FakeRedis,
        parts: Parts = PRODUCT,
        keep_trace: bool = False,
        without: Collection[str] = (),
    ) -> None:
        self.seed = seed
        random.seed(seed)  # tenacity's jitter
        self.rng = random.Random(seed)
        self.loop = VirtualLoop(random.Random(self.rng.random()))
        self._keep_trace = keep_trace
        self._trace: list[str] = []
        self._hash = hashlib.blake2b(digest_size=16)
        self._violation = ""
        self._workers: dict[str, Worker] = {}
        self._lives: dict[str, int] = {}
        self._restarts = 0
        self._over = False
        self._base_ms = EPOCH_MS + self.rng.randrange(0, 86_400_000)
        draw = self._draw
        self.kafka = Kafka(self.loop, draw(), self.rng.randrange(1, 4), self._fault)
        self.store = make_store(self._now_ms)
        keys = Keys(PREFIX)
        self.checks = Checks(self.store, self.kafka, keys, LAYOUT, IDLE_MS, self._fail)
        self.network = Network(self.loop, self.store, draw(), self._fault, self._hit, self._ran)
        self.nemesis = Nemesis(Plan.of(draw(), without), draw(), self.loop, self.network, self.kafka, self.checks, self)
        self.world = World(self.loop, self.network, self.kafka, self._base_ms, self._ended, self.nemesis.at, parts)
        self._same_holder = self.rng.random() < 0.5
        self._models = [other_model(1) if self.rng.random() < 0.1 else INFO for _ in range(3)]
        self._skews = [self.rng.choice((0, 0, -40_000, 40_000)) for _ in range(3)]
        self.loop.slow_s = self.rng.choice((4.0, 8.0)) if self.rng.random() < 0.1 else 0.02
        self._names = [f"w{number}" for number in range(self.rng.randrange(1, 4))]
        first = [0] * (1 + seed % self.kafka.partitions)  # the others were added to the topic later
        self.store.script("init", [keys.ledger], [keys.namespace, "ledger", FORMAT, *first])

    def run(self) -> Result:
        """Run both phases."""
        settled_s = 0.0
        self.loop.set_exception_handler(lambda _, context: self._unexpected(context))
        with product_logs(self._log):
            try:
                settled_s = self.loop.run_until_complete(self._phases())
                if not self._violation:
                    self.checks.final()
            except RuntimeError as error:  # stopped by a violation, or nothing would ever happen again
                self._fail(str(error))
            finally:
                self._over = True  # coroutines that are closed now have no loop to end in
                self.loop.abandon_tasks()
                self.loop.close()
                self.store.close()
        journal = self.kafka.topics.get(topic_name(PREFIX, "market.steps"), [])
        return Result(
            seed=self.seed,
            violation=self._violation,
            trace_hash=self._hash.hexdigest(),
            records=sum(map(len, self.kafka.log)),
            faults=dict(self.nemesis.injected),
            seconds=self.loop.time(),
            settled_s=settled_s,
            steps=len(dict.fromkeys(journal)),
            restarts=self._restarts,
            alerts=len(dict.fromkeys(self.kafka.topics.get(topic_name(PREFIX, "market.alerts"), []))),
            trace=self._trace,
        )

    async def _phases(self) -> float:
        self.kafka.group.watch()
        producer = self.loop.create_task(self._produce())
        for name in self._names:
            self._start(name)
        await self.nemesis.run()
        await producer
        self.say("faults are over")
        calm = self.loop.time()
        for _ in range(2 * PATIENCE_S):
            if not (left := self.checks.unfinished()):
                return self.loop.time() - calm
            await asyncio.sleep(0.5)
        self._fail(f"not live: {PATIENCE_S} s after the last fault {left}")
        return PATIENCE_S

    # --- the producers ------------------------------------------------------------------------------------------

    async def _produce(self) -> None:
        rng = self._draw()
        recent: list[list[str]] = [[] for _ in self.kafka.log]
        gaps = rng.choice((0.0, 0.03, 0.3))
        angry, broken = rng.random() < 0.3, rng.choice((0.05, 0.05, 0.4))
        for number in range(rng.randrange(20, 120)):
            await asyncio.sleep(rng.expovariate(8.0) if rng.random() < 0.95 else rng.uniform(0.0, 4.0))
            partition, now_ms = rng.randrange(len(self.kafka.log)), self._now_ms()
            event: dict[str, Any] = {
                "id": f"e{number}",
                "market": rng.choice(("BR", "DE")),
                "text": "awful 7" if angry else f"text {rng.randrange(200)}",
                "occurred_at": now_ms - rng.randrange(0, 600_000),
            }
            if rng.random() < 0.8:
                event["user"] = f"u{rng.randrange(30)}"
            if rng.random() < 0.3:
                event["rating"] = rng.randrange(1, 6)
            if recent[partition] and rng.random() < 0.1:
                event["id"] = rng.choice(recent[partition][-5:])
            recent[partition].append(event["id"])
            value = json.dumps(event).encode()
            if rng.random() < broken:
                recent[partition].pop()
                value = b"{broken %d" % number
            self.kafka.append(partition, value, now_ms, gap=rng.randrange(1, 4) if rng.random() < gaps else 0)
            if rng.random() < gaps:
                self.kafka.mark(partition, rng.randrange(1, 4))

    # --- the workers --------------------------------------------------------------------------------------------

    def alive(self) -> list[Process]:
        """Processes that run or are stopped."""
        return [one.process for _, one in sorted(self._workers.items()) if not one.process.dead]

    def kill(self, process: Process) -> None:
        """SIGKILL; the supervisor starts it anew."""
        process.kill()
        self._restart(process.name)

    def terminate(self, process: Process) -> None:
        """SIGTERM; the supervisor starts it anew once it is gone."""
        self._workers[process.name].terminate()

    def say(self, text: str) -> None:
        """A line of the trace."""
        line = f"{self.loop.time():10.4f} {text}"
        self._hash.update(line.encode())
        if self._keep_trace:
            self._trace.append(line)

    def _start(self, name: str) -> None:
        life = self._lives[name] = self._lives.get(name, 0) + 1
        number = int(name[1:])
        self.say(f"{name} starts, life {life}")
        holder = f"{name}:1" if self._same_holder else f"{name}:{life}"
        self._workers[name] = Worker(self.world, name, holder, self._models[number], self._skews[number])

    def _restart(self, name: str) -> None:
        self._restarts += 1
        self.loop.later(self.rng.uniform(0.3, 3.0), self._start, name)

    def _ended(self, worker: Worker, code: int, why: str) -> None:
        if self._over:
            return
        self.say(f"{worker.name} ends with {code}: {why}")
        if code in (EXIT_OPERATOR, UNEXPECTED):
            self._fail(f"{worker.name} ended with {code}: {why}")
        self._restart(worker.name)

    def _unexpected(self, context: dict[str, Any]) -> None:
        self._fail(f"unexpected: {context.get('exception')!r} {context['message']}")

    # --- what is told -------------------------------------------------------------------------------------------

    def _draw(self) -> random.Random:
        return random.Random(self.rng.random())

    def _now_ms(self) -> int:
        return self._base_ms + int(self.loop.time() * 1000)

    def _hit(self, process: Process, kind: str) -> None:
        self.nemesis.hit(process, kind)

    def _fault(self, kind: str) -> None:
        self.nemesis.fault(kind)

    def _ran(self, name: str, keys: Sequence[str], args: Sequence[Any], answer: list[Any]) -> None:
        self.say(f"{name} {[one for one in args if not isinstance(one, bytes)]} -> {answer[:2]}")
        self.checks.ran(name, keys, args, answer)

    def _log(self, logger: Any, name: str, event: MutableMapping[str, Any]) -> Any:
        told = {key: value for key, value in event.items() if isinstance(value, int | str | list)}
        self.say(f"    {told}")
        raise structlog.DropEvent

    def _fail(self, what: str) -> None:
        if not self._violation:
            self.say(f"VIOLATION {what}")
            self._violation = what
        self.loop.stop()


@contextmanager
def product_logs(take: Callable[..., Any]) -> Iterator[None]:
    """Send the product's logs into the trace."""
    before = structlog.get_config()
    structlog.configure(processors=[take], cache_logger_on_first_use=False)
    try:
        yield
    finally:
        structlog.configure(**before)
