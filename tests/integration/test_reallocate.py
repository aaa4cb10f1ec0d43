"""From a shift to its answer on the topic, and what is said of an answer that is no plan; real Kafka and Redis."""

import asyncio
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from pydantic import SecretStr

from marketpulse.client.idempotent import idempotent_producer
from marketpulse.client.reader import Reader
from marketpulse.contract.decode import key_of, parse_object
from marketpulse.contract.operators import ApplyMark, apply_headers, apply_of, profiles_transaction
from marketpulse.contract.portfolio import Portfolio
from marketpulse.contract.records import AlertRecord, AllocationRecord
from marketpulse.contract.topics import topic_name
from marketpulse.errors import OperatorNeeded
from strategy.portfolio import load_portfolio
from streams.dev.embedded.servers import EmbeddedStack
from streams.dev.embedded.supervisor import Supervisor
from streams.dev.feeds.simulate import FeedPlan, generate
from streams.dev.run import worker_environment
from streams.kafka.compacted import read_all, write_all
from streams.kafka.errors import kafka_errors
from streams.kafka.log_reader import LogReader
from streams.kafka.profiles import apply_profiles
from streams.kafka.publish import Record, publish
from streams.pipeline.operators.profiles import profile_records
from streams.pipeline.operators.published import PLAN_KEY
from streams.recovery.first_start import set_up
from streams.recovery.replay_report import replay_journal
from streams.settings import Settings, load_settings
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(150)

PLAN = FeedPlan(seed=6, events=2_000, end_ms=time.time_ns() // 1_000_000)


Row = tuple[str, bytes | None]


class Company:
    """A counted feed with its first allocation; one worker at a time, started with settings of its own."""

    def __init__(self, stack: EmbeddedStack, folder: Path) -> None:
        self._stack = stack
        self._folder = folder
        self._prefix = f"t{uuid.uuid4().hex[:12]}"
        self._lives = 0
        self._supervisor: Supervisor | None = None
        self.reader = Reader(stack.endpoints.redis, prefix=self._prefix)
        self.settings = self._settings(step_seconds=0.3, idle_step_seconds=0.5)
        asyncio.run(set_up(stack.endpoints, self._prefix, 2))
        feed = [Record(key_of(parse_object(line.value)), line.value) for line in generate(PLAN)]
        asyncio.run(publish(stack.endpoints.kafka, self._topic("feedback"), feed))
        self.start()
        self.until(lambda: self.reader.snapshot().allocation)

    def _settings(self, **changes: object) -> Settings:
        given = load_settings(prefix=self._prefix, model="stub", dedupe_minutes=60.0, **changes)
        servers = self._stack.endpoints
        return given.model_copy(update={"kafka": servers.kafka, "redis_url": SecretStr(servers.redis)})

    def start(self, **changes: object) -> None:
        """A worker in place of the one that runs."""
        self.stop()
        self._lives += 1
        settings = self._settings(**changes) if changes else self.settings
        environment = worker_environment(settings, self._stack.endpoints)
        self._supervisor = Supervisor(1, environment, self._folder / str(self._lives), lambda _: None)
        self._supervisor.start()

    def stop(self) -> None:
        if self._supervisor is not None:
            self._supervisor.stop()

    def budget(self, budget: float) -> None:
        """An operator changes the budget: a shift."""
        plan = msgspec.structs.replace(load_portfolio(None).plan, budget=budget)
        rows = [(PLAN_KEY, msgspec.json.encode(plan))]
        asyncio.run(write_all(self.settings.kafka, self._topic("market.profiles"), rows))

    def profiles(self, budget: float) -> list[Row]:
        """A plan and three markets, all changed: another income with every budget."""
        base = load_portfolio(None)
        markets = {code: msgspec.structs.replace(base.markets[code], income=5 * budget) for code in ("BR", "DE", "FR")}
        plan = msgspec.structs.replace(base.plan, budget=budget)
        return [*profile_records(Portfolio(plan, markets))]

    def feed(self, events: int) -> None:
        """More feedback, while something else happens."""
        lines = generate(FeedPlan(seed=8, events=events, end_ms=time.time_ns() // 1_000_000))
        records = [Record(key_of(parse_object(line.value)), line.value) for line in lines]
        asyncio.run(publish(self.settings.kafka, self._topic("feedback"), records))

    def write_slowly(self, rows: list[Row], pause_s: float) -> None:
        """An apply by a writer that knows no transactions."""

        async def write() -> None:
            async with AIOKafkaProducer(bootstrap_servers=self.settings.kafka) as producer:
                for number, (key, value) in enumerate(rows, start=1):
                    headers = apply_headers(ApplyMark("slow", number, len(rows)))
                    topic = self._topic("market.profiles")
                    await producer.send_and_wait(topic, key=key.encode(), value=value, headers=headers)
                    await asyncio.sleep(pause_s)

        asyncio.run(write())

    def in_force(self, budget: float) -> bool:
        portfolio = self.reader.portfolio()
        return portfolio is not None and portfolio.plan.budget == budget

    def told(self) -> list[AlertRecord]:
        """The states of the allocation alert on the topic, as they came."""
        values = asyncio.run(self._values("market.alerts"))
        alerts = [msgspec.json.decode(value, type=AlertRecord) for value in values]
        return [alert for alert in alerts if alert.kind == "allocation"]

    def answers(self) -> list[AllocationRecord]:
        """What stands on the topic."""
        values = asyncio.run(self._values("market.allocations"))
        return [msgspec.json.decode(value, type=AllocationRecord) for value in values]

    async def _values(self, name: str) -> list[bytes]:
        async with LogReader(self.settings.kafka, self._topic(name)) as reader:
            return [record.value async for record in reader.records(*reader.offsets[0])]

    def until(self, reached: Callable[[], object]) -> None:
        assert self._supervisor is not None
        until(reached, 60, meanwhile=self._supervisor.watch)

    def settled(self) -> bool:
        status = self.reader.snapshot().status
        return status.shifts_answered and not status.open_cells and not status.outbox

    def _topic(self, name: str) -> str:
        return topic_name(self._prefix, name)


@pytest.fixture
def company(stack: EmbeddedStack, tmp_path: Path) -> Iterator[Company]:
    """A company whose markets have their first allocation."""
    one = Company(stack, tmp_path)
    yield one
    one.stop()
    one.reader.close()


def test_an_infeasible_answer_fires_until_a_mended_profile_is_answered(company: Company) -> None:
    """The alert names shift and reason, outlives its worker, ends with the next plan; a replay says the same."""
    in_force = company.reader.snapshot().allocation
    company.budget(1.0)
    company.until(lambda: [one.state for one in company.told()] == ["firing"])
    [fired] = company.told()
    [answer] = [one for one in company.reader.allocations() if one.status == "infeasible"]
    assert {"shift": answer.id.removeprefix("allocation-"), "status": "infeasible", "why": answer.why} == fired.evidence
    assert in_force == company.reader.snapshot().allocation
    step = company.reader.snapshot().status.step
    company.start()
    company.until(lambda: company.reader.snapshot().status.step > step)
    company.budget(1_500.0)
    company.until(lambda: len(company.told()) > 1)
    assert [(fired.id, "firing"), (fired.id, "resolved")] == [(one.id, one.state) for one in company.told()]
    company.until(company.settled)
    company.stop()
    report = asyncio.run(replay_journal(company.settings, compare=True))
    status = company.reader.snapshot().status
    assert (status.digest, []) == (report.sha256, report.differences)
    assert fired.id in [one["id"] for one in report.alerts]


def test_an_answer_does_not_wait_for_the_next_step(company: Company) -> None:
    """With half a minute between two ticks it stands on its topic while the newest step is still the shift's own."""
    company.until(company.settled)
    company.stop()
    company.budget(1_500.0)
    company.start(step_seconds=30.0, idle_step_seconds=1.0, lease_seconds=60.0)
    company.until(lambda: any(one.cause == "profile" for one in company.answers()))
    [answer] = [one for one in company.answers() if one.cause == "profile"]
    assert answer.seq == company.reader.snapshot().status.step


def test_one_apply_is_answered_once(company: Company) -> None:
    """Plan and three markets, also where the records come one by one, between steps: one answer, of all of them."""
    company.until(company.settled)
    company.feed(500)
    asyncio.run(apply_profiles(company.settings.kafka, company.settings.prefix, company.profiles(1_800.0)))
    company.until(lambda: company.in_force(1_800.0))
    company.feed(500)
    company.write_slowly(company.profiles(1_600.0), pause_s=0.7)
    company.until(lambda: company.in_force(1_600.0))
    step = company.reader.snapshot().status.step
    company.until(lambda: company.reader.snapshot().status.step > step + 5 and company.settled())
    answers = [one for one in company.answers() if one.cause == "profile"]
    assert [(True, 1_800.0), (True, 1_600.0)] == [(one.adopted, one.allocation.budget) for one in answers]
    company.stop()
    report = asyncio.run(replay_journal(company.settings, compare=True))
    assert (company.reader.snapshot().status.digest, []) == (report.sha256, report.differences)


def test_of_two_applies_at_once_one_writes_nothing(stack: EmbeddedStack) -> None:
    """The second ends the first, which is not taken for a Kafka that is away; readers see whole applies only."""
    prefix, kafka = f"t{uuid.uuid4().hex[:12]}", stack.endpoints.kafka
    topic = topic_name(prefix, "market.profiles")

    async def both() -> None:
        first = idempotent_producer(kafka, transactional_id=profiles_transaction(prefix))
        await first.start()
        try:
            async with kafka_errors(kafka, "take records"), first.transaction():
                await first.send_and_wait(topic, key=b"BR", value=b"first")
                await apply_profiles(kafka, prefix, [("DE", b"second"), ("FR", b"second")])
        finally:
            await first.stop()

    asyncio.run(set_up(stack.endpoints, prefix, 1))
    with pytest.raises(OperatorNeeded, match="nothing of this one was written"):
        asyncio.run(both())
    records = asyncio.run(read_all(kafka, topic))
    assert [(b"DE", 1, 2), (b"FR", 2, 2)] == [
        (one.key, mark.number, mark.count) for one in records if (mark := apply_of(one.headers))
    ]
    assert 2 == len(records)
