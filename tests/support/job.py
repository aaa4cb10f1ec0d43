"""Workers under a prefix of their own on a running stack, a feed for them, and whether they counted it right."""

import asyncio
import json
import subprocess
import time
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pydantic import SecretStr

from marketpulse.client.reader import Reader
from marketpulse.contract.decode import key_of, parse_object
from marketpulse.contract.topics import topic_name
from marketpulse.errors import OperatorNeeded
from streams.dev.embedded.servers import EmbeddedStack
from streams.dev.embedded.supervisor import Supervisor
from streams.dev.feeds.simulate import FeedPlan, generate
from streams.dev.run import worker_environment
from streams.kafka.publish import Record, publish
from streams.ledger.commit import Ledger
from streams.ledger.content import LedgerContent
from streams.recovery.first_start import set_up
from streams.settings import Settings, load_settings
from tests.faults.oracle import truth_of
from tests.support.processes import marketpulse
from tests.support.waiting import until

EVENTS = 3_000


def counted_records(totals: Mapping[str, int]) -> dict[str, int]:
    """Totals of what was read: how long it took and which commits were refused depends on who counts, and when."""
    return {name: n for name, n in totals.items() if not name.startswith("latency") and name != "fenced_commits"}


def complaining(line: bytes) -> bytes:
    """The event with a text that the stub takes for a negative one, where it is from Brazil."""
    event = parse_object(line)
    if event is None or event.get("market") != "BR" or not isinstance(event.get("text"), str):
        return line
    while zlib.crc32(event["text"].encode()) % 3:
        event["text"] += "!"
    return msgspec.json.encode(event)


class Job:
    """Workers with the stub classifier under a prefix of their own; a step every .3 s, a checkpoint every second.

    `given`: other settings than these.
    """

    def __init__(self, stack: EmbeddedStack, prefix: str, logs: Path, given: Settings | None = None) -> None:
        given = given or load_settings(
            prefix=prefix,
            model="stub",
            dedupe_minutes=60.0,
            step_seconds=0.3,
            checkpoint_minutes=1 / 60,
            session_timeout_seconds=6.0,
        )
        self.settings: Settings = given.model_copy(
            update={"kafka": stack.endpoints.kafka, "redis_url": SecretStr(stack.endpoints.redis)}
        )
        self.topic = topic_name(prefix, "feedback")
        self.published = 0
        self.events: list[dict[str, object]] = []
        self.environment = worker_environment(given, stack.endpoints)
        self._logs = logs
        plan = FeedPlan(seed=5, events=EVENTS, end_ms=time.time_ns() // 1_000_000)
        self.feed = [Record(key_of(parse_object(line.value)), line.value) for line in generate(plan)]
        asyncio.run(set_up(stack.endpoints, prefix, 8))
        self.reader = Reader(stack.endpoints.redis, prefix=prefix)
        self.supervisor = self.workers(0)

    def workers(self, number: int) -> Supervisor:
        """Start N workers."""
        folder = self._logs / str(time.monotonic_ns())
        self.supervisor = Supervisor(number, self.environment, folder, self.events.append)
        self.supervisor.start()
        return self.supervisor

    def publish(self, records: list[Record], rate: float | None = None) -> None:
        """Publish some of the feed."""
        self.published += asyncio.run(publish(self.settings.kafka, self.topic, records, rate))

    def until(self, reached: Callable[[], bool]) -> None:
        """Wait, with dead workers started again."""
        until(reached, 60, what=lambda: self.events, meanwhile=self.supervisor.watch)

    def settled(self) -> bool:
        """Everything is counted, published, answered and relayed."""
        committed = self.reader.committed()  # before the rest: what is committed later is in no step yet
        status = self.reader.snapshot().status
        quiet = not status.open_cells and not status.outbox and status.shifts_answered
        return committed == self.published and quiet

    def ends_with(self, code: str) -> str:
        """The reason that the last worker gave for its end with exit code 78."""
        with pytest.raises(OperatorNeeded, match="exit code 78"):
            self.until(lambda: False)
        lines = [line for log in self.supervisor.logs() for line in log.read_text().splitlines()]
        last = json.loads(next(line for line in lines if '"process_ends"' in line))
        assert code == last["code"]
        self.supervisor.stop()
        return str(last["why"])

    def cli(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run `marketpulse` with these settings, `given` as its standard input."""
        return marketpulse(*arguments, environment=self.environment, given=given)

    def done(self, *arguments: str) -> dict[str, Any]:
        """The answer of a command that must succeed."""
        run = self.cli(*arguments, "--yes", "--json")
        assert 0 == run.returncode, run.stderr
        answer: dict[str, Any] = json.loads(run.stdout)
        return answer

    async def empty_redis(self) -> None:
        """Remove every key of the prefix."""
        ledger = Ledger(self.settings.redis, self.settings.prefix)
        await LedgerContent(ledger).remove()
        await ledger.close()

    def check(self) -> None:
        """Counts are those of the oracle, and `ledger verify` says so too."""
        truth = asyncio.run(truth_of(self.settings.kafka, self.topic))
        snapshot = self.reader.snapshot()
        totals = snapshot.status.totals
        dead = sum(n for name, n in totals.items() if name.startswith("dead_letter:"))
        assert (truth.accepted, truth.duplicates, truth.dead_letters.total()) == (
            totals["accepted"],
            totals["duplicates"],
            dead,
        )
        assert {market: one.labels for market, one in truth.markets.items()} == {
            market: dict(one.windows["24h"].labels) for market, one in snapshot.metrics.items()
        }
        for market, one in truth.markets.items():
            users = len(set[str]().union(*one.users.values()))
            assert snapshot.metrics[market].windows["24h"].users == pytest.approx(users, rel=0.03, abs=2)
        verified = self.cli("ledger", "verify", "--json")
        assert (0, []) == (verified.returncode, json.loads(verified.stdout)["left_out"]), verified.stdout
