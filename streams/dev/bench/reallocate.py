"""Benchmark of the way from a shift to its allocation on the topic: an embedded stack, one worker, many shifts."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from marketpulse.client.reader import Reader
from marketpulse.client.snapshot import Change
from marketpulse.contract.records import AllocationRecord
from marketpulse.contract.topics import topic_name
from marketpulse.errors import Unavailable
from strategy.portfolio import load_portfolio
from streams.dev.bench.engine import PARTITIONS, Say, plain_events
from streams.dev.embedded.servers import Endpoints
from streams.dev.embedded.supervisor import Supervisor
from streams.dev.run import servers, worker_environment
from streams.kafka.log_reader import LogReader
from streams.kafka.profiles import apply_profiles
from streams.kafka.publish import publish
from streams.pipeline.operators.published import PLAN_KEY
from streams.recovery.first_start import set_up
from streams.settings import Settings, load_settings

EVENTS = 20_000
PATIENCE_S = 60.0
BUDGETS = (1_500.0, 2_000.0)  # in turn: another portfolio than before is a shift


def bench_reallocate(settings: Settings, rounds: int, say: Say) -> dict[str, object]:
    """Milliseconds from a shift's step, published in Redis, to its allocation's record in Kafka; one shift at a time.

    Both are times of this machine's clock: of the step's entry in the change stream, and the timestamp of the record on
    `market.allocations`, taken by the lease holder when it sends. `stored`: until the answer stands in Redis.

    Raises:
        Unavailable: a shift was not answered within a minute.
    """
    given = {name: getattr(settings, name) for name in settings.model_fields_set}
    bench = load_settings(**given | {"model": "stub", "classified": False})
    with servers(bench, embedded=True, data_folder=None) as endpoints, tempfile.TemporaryDirectory() as logs:
        asyncio.run(set_up(endpoints, bench.prefix, PARTITIONS))
        asyncio.run(publish(endpoints.kafka, topic_name(bench.prefix, "feedback"), plain_events(EVENTS)))
        supervisor = Supervisor(1, worker_environment(bench, endpoints), Path(logs), say)
        supervisor.start()
        try:
            with Reader(endpoints.redis, prefix=bench.prefix) as reader:
                watched = _Watched(reader.changes(after="0"), supervisor)
                watched.until_answered()
                for number in range(rounds):
                    _change_budget(endpoints, bench.prefix, BUDGETS[number % 2])
                    watched.until_answered()
                    if number % 10 == 9:
                        say({"event": "progress", "shifts": number + 1, "of": rounds})
            sent = asyncio.run(_sent(endpoints, bench.prefix, len(watched.stored)))
        finally:
            supervisor.stop()
    return _summary(watched, sent)


class _Watched:
    """The change stream as it comes: when (epoch ms) each step and each answer was written."""

    def __init__(self, changes: Iterator[Change], supervisor: Supervisor) -> None:
        self._changes = changes
        self._supervisor = supervisor
        self.steps: dict[int, int] = {}
        self.stored: dict[str, int] = {}

    def until_answered(self) -> None:
        """Follow the stream up to the next answer: in vain for at most a minute."""
        deadline = time.monotonic() + PATIENCE_S
        for change in self._changes:
            at_ms = int(change.id.partition("-")[0])
            if change.allocation is not None:
                self.stored[change.allocation] = at_ms
                return
            if change.step is not None:
                self.steps[change.step] = at_ms
            self._supervisor.watch()
            if time.monotonic() > deadline:
                raise Unavailable("a shift is not answered. Operator action: look at the worker's log.")


def _change_budget(endpoints: Endpoints, prefix: str, budget: float) -> None:
    plan = msgspec.structs.replace(load_portfolio(None).plan, budget=budget)
    asyncio.run(apply_profiles(endpoints.kafka, prefix, [(PLAN_KEY, msgspec.json.encode(plan))]))


async def _sent(endpoints: Endpoints, prefix: str, count: int) -> dict[str, tuple[int, AllocationRecord]]:
    """Time and content of every answer on its topic, by id, once all are there."""
    topic = topic_name(prefix, "market.allocations")
    found: dict[str, tuple[int, AllocationRecord]] = {}
    deadline = time.monotonic() + PATIENCE_S
    while len(found) < count:
        if time.monotonic() > deadline:
            raise Unavailable(
                f"{topic} holds {len(found)} of {count} answers. Operator action: look at the worker's log."
            )
        async with LogReader(endpoints.kafka, topic) as reader:
            first, end = reader.offsets[0]
            async for record in reader.records(first, end):
                answer = msgspec.json.decode(record.value, type=AllocationRecord)
                found.setdefault(answer.id, (record.timestamp, answer))
    return found


def _summary(watched: _Watched, sent: dict[str, tuple[int, AllocationRecord]]) -> dict[str, object]:
    ways = [(at_ms - watched.steps[one.seq], one) for at_ms, one in sent.values()]
    took = sorted(ms for ms, _ in ways)
    stored = [watched.stored[one.id] - watched.steps[one.seq] for _, one in ways]
    return {
        "shifts": len(took),
        "median_ms": statistics.median(took),
        "p95_ms": took[int(0.95 * (len(took) - 1))],
        "most_ms": took[-1],
        "stored_median_ms": statistics.median(stored),
        "adopted": sum(one.adopted for _, one in ways),
    }
