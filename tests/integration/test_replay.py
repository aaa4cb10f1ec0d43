"""The journal replayed on a real Kafka and Redis: the same outcomes bit for bit, from wherever it begins."""

import asyncio
import json
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import redis
from pydantic import SecretStr

from marketpulse.client.reader import Reader
from marketpulse.client.snapshot import Snapshot
from marketpulse.contract.decode import key_of, parse_object
from marketpulse.contract.topics import topic_name
from strategy.portfolio import load_portfolio
from streams.backtest.journal import what_if
from streams.contract.rules import Rules, ShiftRule, SurgeRule, WatchRules
from streams.dev.embedded.servers import EmbeddedStack, Endpoints
from streams.dev.embedded.supervisor import Supervisor
from streams.dev.feeds.simulate import FeedPlan, generate
from streams.dev.run import worker_environment
from streams.errors import BadInput
from streams.kafka.compacted import write_all
from streams.kafka.log_reader import LogReader
from streams.kafka.publish import Record, publish
from streams.recovery.first_start import set_up
from streams.recovery.journal import Journal
from streams.recovery.replay_report import replay_journal
from streams.settings import Settings, load_settings
from tests.support.job import complaining, counted_records
from tests.support.processes import marketpulse
from tests.support.waiting import until

pytestmark = [pytest.mark.long, pytest.mark.timeout(150)]

PLAN = FeedPlan(seed=5, events=3_000, end_ms=time.time_ns() // 1_000_000)

OFTEN = {"step_seconds": 0.3, "idle_step_seconds": 0.5, "checkpoint_minutes": 1 / 60}


class Counted:
    """A feed counted by some workers with the stub classifier, which have ended."""

    def __init__(
        self, stack: EmbeddedStack, workers: int, rate: float | None, later: Path | None = None, **changes: object
    ) -> None:
        given = load_settings(prefix=f"t{uuid.uuid4().hex[:12]}", model="stub", dedupe_minutes=60.0, **changes)
        self.settings: Settings = given.model_copy(
            update={"kafka": stack.endpoints.kafka, "redis_url": SecretStr(stack.endpoints.redis)}
        )
        self.topic = topic_name(given.prefix, "feedback")
        self._makes_checkpoints = given.checkpoint_minutes < 1
        asyncio.run(set_up(stack.endpoints, given.prefix, 8))
        changed = given if later is None else given.model_copy(update={"rules": later})
        with tempfile.TemporaryDirectory() as logs, Reader(stack.endpoints.redis, prefix=given.prefix) as reader:
            first, rest = (
                Supervisor(workers, worker_environment(one, stack.endpoints), Path(logs) / name, lambda _: None)
                for name, one in (("first", given), ("rest", changed))
            )
            rest = first if later is None else rest
            first.start()
            try:
                self._publish(first, rest, reader, rate)
            finally:
                first.stop()
                rest.stop()
            self.snapshot: Snapshot = reader.snapshot()

    def _publish(self, supervisor: Supervisor, rest: Supervisor, reader: Reader, rate: float | None) -> None:
        lines = [line.value for line in generate(PLAN)]
        lines = [*lines[:2_000], *map(complaining, lines[2_000:])]
        feed = [Record(key_of(parse_object(line)), line) for line in lines]
        asyncio.run(publish(self.settings.kafka, self.topic, feed[:1_500], rate))
        until(lambda: self._allocated(reader, "initial"), 60, meanwhile=supervisor.watch)
        profiles = topic_name(self.settings.prefix, "market.profiles")
        plan = msgspec.structs.replace(load_portfolio(None).plan, budget=1_500.0)
        asyncio.run(write_all(self.settings.kafka, profiles, [("_plan", msgspec.json.encode(plan))]))
        until(lambda: self._allocated(reader, "profile"), 60, meanwhile=supervisor.watch)
        if rest is not supervisor:
            supervisor.stop()
            rest.start()
        asyncio.run(publish(self.settings.kafka, self.topic, feed[1_500:2_300], rate))
        until(lambda: self._settled(reader, 2_300), 60, meanwhile=rest.watch)
        at_ms = time.time_ns() // 1_000_000
        until(lambda: not self._makes_checkpoints or self._checkpoint() > at_ms, 60, meanwhile=rest.watch)
        asyncio.run(publish(self.settings.kafka, self.topic, feed[2_300:], rate))
        until(lambda: self._settled(reader, PLAN.events), 60, meanwhile=rest.watch)

    def _allocated(self, reader: Reader, cause: str) -> bool:
        return cause in [one.cause for one in reader.allocations()]

    def _checkpoint(self) -> int:
        """When the newest one was made, in epoch ms; 0 = none yet."""
        with redis.Redis.from_url(self.settings.redis) as client:
            return int(client.get(f"{self.settings.prefix}:checkpoint") or 0)

    def _settled(self, reader: Reader, events: int) -> bool:
        status = reader.snapshot().status
        counted = reader.committed() == events and not status.open_cells and not status.outbox
        return counted and status.shifts_answered


@pytest.fixture(scope="module")
def counted(stack: EmbeddedStack) -> Iterator[Counted]:
    """Two workers, a step every .3 s, a checkpoint every second, other rules from the middle on."""
    with tempfile.TemporaryDirectory() as folder:
        rules = Path(folder) / "rules.toml"
        rules.write_text("[surge]\nthreshold = 7\n[market.BR.surge]\nthreshold = 5\n", "utf-8")
        yield Counted(stack, 2, 600.0, rules, **OFTEN)


def test_the_journal_replayed_twice_is_what_stands_on_the_topics(counted: Counted) -> None:
    """The same digest as the live one, every record equal byte for byte; one that is not is named."""
    first, second = (asyncio.run(replay_journal(counted.settings, compare=True)) for _ in range(2))
    assert first == second
    status = counted.snapshot.status
    assert (status.digest, status.step, []) == (first.sha256, first.last_step, first.differences)
    assert (1, None, 0) == (first.first_step, first.first_differing_step, first.aged)
    assert first.metrics + len(first.alerts) + len(first.shifts) + len(first.allocations) == first.compared
    assert ["initial", "profile"] == [name.partition("-")[0] for name in first.shifts if "shift" not in name]
    assert 2 <= len(first.allocations)
    asyncio.run(plant(counted.settings))
    report = asyncio.run(replay_journal(counted.settings, compare=True))
    assert report.differences is not None
    assert [("market.shifts", True, None)] == [
        (one.topic, one.id.startswith("profile-"), one.replayed) for one in report.differences
    ]
    assert (False, None) == (report.same, report.first_differing_step)


async def plant(settings: Settings) -> None:
    """Write a shift that no step came to beside the first one."""
    topic = topic_name(settings.prefix, "market.shifts")
    async with LogReader(settings.kafka, topic) as reader:
        [value] = [record.value async for record in reader.records(0, 1)]
    planted = value.replace(b'"cause":"initial"', b'"cause":"profile"').replace(b"initial-", b"profile-")
    await write_all(settings.kafka, topic, [("_all", planted)])


def test_a_replay_from_the_checkpoint_ends_like_one_from_the_begin(counted: Counted) -> None:
    """Fewer steps, the same digest, and its records are those of the topics too."""
    whole = asyncio.run(replay_journal(counted.settings))
    rest = asyncio.run(replay_journal(counted.settings, newest_checkpoint=True, compare=True))
    assert rest.steps < whole.steps
    assert (whole.sha256, [], None) == (rest.sha256, rest.differences, rest.first_differing_step)


async def journalled_rules(settings: Settings) -> list[Rules]:
    """The rules that steps carry, in order."""
    async with LogReader(settings.kafka, topic_name(settings.prefix, "market.steps")) as reader:
        journal = Journal(reader)
        await journal.find_all()
        [stretch] = journal.chain.stretches()
        return [record.rules async for record in journal.steps(stretch) if record.rules is not None]


def test_the_journal_tells_which_rules_were_in_force(counted: Counted) -> None:
    """The defaults from the first step on, the file's from the middle on: that is what replays go by."""
    first, later = asyncio.run(journalled_rules(counted.settings))
    assert (Rules(), 7.0, 5.0) == (first, later.surge.threshold, later.of("BR").surge.threshold)


@pytest.fixture(scope="module")
def usual(stack: EmbeddedStack) -> Counted:
    """The feed under the default rules, with checkpoints every second."""
    return Counted(stack, 1, 600.0, **OFTEN)


def left_in_redis(settings: Settings) -> list[str]:
    with redis.Redis.from_url(settings.redis) as client:
        return [key.decode() for key in client.scan_iter(f"{settings.prefix}~*")]


def test_the_rules_in_force_would_have_done_what_was_done(usual: Counted) -> None:
    """The two columns are equal, from the begin and from a checkpoint; nothing is left behind."""
    whole = asyncio.run(what_if(usual.settings, Rules()))
    assert (True, {}, []) == (whole.same, whole.changed, left_in_redis(usual.settings))
    assert {"surge"} <= {row.kind for row in whole.alerts if row.in_fact}
    assert {"initial", "profile"} <= {row.cause for row in whole.allocations if row.in_fact}
    assert all(was == now for was, now in whole.spend.values())
    late = whole.begin + (whole.end - whole.begin) * 9 // 10
    rest = asyncio.run(what_if(usual.settings, Rules(), late))
    first = asyncio.run(what_if(usual.settings, Rules(), None, late))
    assert (True, True) == (rest.same, first.same)
    assert whole.first_step < rest.first_step
    assert first.last_step < whole.last_step
    by_events = [row for row in whole.alerts if row.in_fact and row.kind != "blind"]  # which goes by the clock
    assert [row for row in by_events if row.in_fact and row.in_fact.fired_at >= late] == rest.alerts


def test_other_rules_would_have_done_otherwise(usual: Counted) -> None:
    """Without any surge, drop and shift: the alerts are only in fact, and nothing but the begin is answered."""
    deaf = Rules(
        surge=SurgeRule(threshold=1000.0),
        shift=ShiftRule(u_threshold=1.0, r_threshold=5.0),
        watch=WatchRules(drop_events=1_000_000),
    )
    found = asyncio.run(what_if(usual.settings, deaf))
    assert not found.same
    assert (SurgeRule().threshold, 1000.0) == found.changed["surge.threshold"]
    surges = [row for row in found.alerts if row.kind == "surge"]
    assert surges
    assert all(row.in_fact and row.with_rules is None for row in surges)
    assert {"initial", "profile"} == {row.cause for row in found.allocations if row.with_rules}
    keen = asyncio.run(what_if(usual.settings, Rules(surge=SurgeRule(threshold=3.0))))
    assert any(row.in_fact is None for row in keen.alerts)
    with pytest.raises(BadInput, match="no step"):
        asyncio.run(what_if(usual.settings, deaf, None, 1))


def test_the_command_shows_both_columns(usual: Counted, tmp_path: Path) -> None:
    """As a table for people, as JSON for machines."""
    rules = tmp_path / "rules.toml"
    rules.write_text("[surge]\nthreshold = 1000\n", "utf-8")
    environment = worker_environment(usual.settings, Endpoints(usual.settings.kafka, usual.settings.redis))

    def asked(*more: str) -> str:
        done = marketpulse("what-if", "--rules", str(rules), *more, environment=environment)
        assert 0 == done.returncode, done.stderr
        return done.stdout

    table = asked()
    assert f"surge.threshold: {SurgeRule().threshold} -> 1000.0" in table
    assert "the outcome would have differed" in table
    found = json.loads(asked("--json"))
    assert (False, [SurgeRule().threshold, 1000.0]) == (found["same"], found["changed"]["surge.threshold"])
    assert "surge BR" in table
    assert "surge" in {row["kind"] for row in found["alerts"] if row["in_fact"] and not row["with_rules"]}


def test_the_same_file_gives_the_same_counts_through_one_two_and_three_workers(stack: EmbeddedStack) -> None:
    """Events, labels, users, topics and totals per market; only latencies depend on who counts."""

    def counts(workers: int) -> object:
        snapshot = Counted(stack, workers, None).snapshot
        return counted_records(snapshot.status.totals), {
            market: [(one.windows[name].n, one.windows[name].labels, one.windows[name].users) for name in ("24h", "7d")]
            for market, one in snapshot.metrics.items()
        }

    assert counts(1) == counts(2) == counts(3)
