"""One fault test's job: a prefix of its own on running servers, workers, a feed, and the comparison with the oracle."""

import asyncio
import json
import random
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import redis

from marketpulse.contract.topics import topic_name
from marketpulse.errors import MarketpulseError
from streams.dev.embedded.servers import EmbeddedStack, Endpoints
from streams.dev.run import worker_environment
from streams.kafka.admin import topic_offsets
from streams.kafka.publish import Record, publish
from streams.recovery.first_start import set_up
from streams.settings import load_settings
from tests.faults.crew import Crew, Worker
from tests.faults.feed import Feed, simulated
from tests.faults.guard import Guard
from tests.faults.oracle import Truth, truth_of
from tests.faults.shown import (
    Journal,
    alerts_difference,
    classified_difference,
    connect,
    expected_of,
    first_difference,
    journal_of,
    shown_by,
    users_difference,
)
from tests.support.processes import marketpulse_process
from tests.support.waiting import until

SESSION_S = 6.0
BATCH = 100
PARTITIONS = 8
CONVERGES_S = 60.0


class Job:
    """A prefix, its workers and its feed. Everything it started ends with `stop`."""

    def __init__(
        self,
        stack: EmbeddedStack,
        folder: Path,
        seed: int,
        links: Endpoints | None = None,
        **settings: Any,
    ) -> None:
        self.stack = stack
        self.seed = seed
        self.rng = random.Random(seed)
        given = {"batch_records": BATCH, "dedupe_minutes": 60.0, "session_timeout_seconds": SESSION_S} | settings
        self.settings = load_settings(prefix=f"f{uuid.uuid4().hex[:10]}", model="stub", log_format="json", **given)
        self.prefix = self.settings.prefix
        self.topic = self.name("feedback")
        asyncio.run(set_up(stack.endpoints, self.prefix, PARTITIONS))
        self.crew = Crew(worker_environment(self.settings, links or stack.endpoints), folder / "logs")
        self.redis = connect(stack.redis.url)
        self.guard = Guard(stack.redis.url, self.prefix, PARTITIONS)
        self.feeds: list[Feed] = []
        self.figures: dict[str, Any] = {}
        self.truth = Truth()
        self.journal = Journal()
        self.again: Counter[int] = Counter()
        self.poison = "\0"

    def name(self, topic: str) -> str:
        """Full name of a topic."""
        return topic_name(self.prefix, topic)

    # --- input --------------------------------------------------------------------------------------------------

    def feed(self, events: int, rate: float, records: Iterable[Record] | None = None) -> Feed:
        """Publish in the background; the simulated feed of the seed, or given records."""
        chosen = simulated(self.seed, events) if records is None else records
        one = Feed(self.stack.endpoints.kafka, self.topic, chosen, rate)
        self.feeds.append(one)
        return one

    def publish(self, records: Iterable[Record]) -> int:
        """Publish at once."""
        return asyncio.run(publish(self.stack.endpoints.kafka, self.topic, records))

    # --- what is seen -------------------------------------------------------------------------------------------

    def total(self, name: str) -> int:
        """One of the ledger's totals."""
        return int(self.redis.hget(f"{self.prefix}:totals", name) or 0)

    def offsets(self) -> list[int]:
        """Where the ledger stands in each partition."""
        keys = [f"{self.prefix}:partition:{number}" for number in range(PARTITIONS)]
        return [int(self.redis.hget(key, "next") or 0) for key in keys]

    def committed(self) -> int:
        """Records counted so far."""
        return sum(self.offsets())

    def backlog(self) -> int:
        """Records in the log that the ledger has not counted; -1 where Kafka does not say."""
        try:
            ends = asyncio.run(topic_offsets(self.stack.endpoints.kafka, self.topic))
        except MarketpulseError:
            return -1
        return sum(end for _, end in ends.values()) - self.committed()

    def settled(self) -> bool:
        """The ledger stands at the log's end, the last step is published, the outbox is empty."""
        if self.backlog():  # first: what was counted meanwhile would not be in a step yet
            return False
        ledger = self.redis.hgetall(f"{self.prefix}:ledger")
        opened, published = int(ledger[b"open"]), int(ledger[b"published"])
        idle = opened == published + 1 and not self.redis.exists(f"{self.prefix}:step:{opened}:counts")
        return idle and not self.redis.xlen(f"{self.prefix}:outbox")

    def until(self, reached: Callable[[], object], seconds: float = 40.0, what: str = "") -> float:
        """Wait, watching the workers; the seconds it took."""

        def state() -> str:
            return f"{what}; ended {self.crew.ended}\n{self.crew.last_words()}"

        return until(reached, seconds, state, self.crew.watch, every_s=0.1)

    def pause(self, seconds: float) -> None:
        """Let a fault last, watching the workers."""
        ends = time.monotonic() + seconds
        self.until(lambda: time.monotonic() >= ends, seconds + 5)

    def under_way(self, share: float = 0.15) -> None:
        """Wait until workers count: a share of the feed's records."""
        wanted = sum(len(one._records) for one in self.feeds) * share
        self.until(lambda: self.committed() >= wanted, 60, f"{wanted} records counted")

    def worker_with(self, partition: int) -> Worker:
        """The worker that claimed a partition last, by the logs' times."""
        newest: tuple[str, Worker] | None = None
        for worker in self.crew.workers:
            for line in worker.log.read_text().splitlines():
                if '"partition_claimed"' not in line:
                    continue
                row = json.loads(line)
                if row["partition"] == partition and (newest is None or row["timestamp"] > newest[0]):
                    newest = (row["timestamp"], worker)
        assert newest is not None
        return newest[1]

    def shared(self) -> tuple[Worker, Worker]:
        """Wait until two workers share the partitions: those that have the first and the last one."""
        last = PARTITIONS - 1
        self.until(lambda: self.worker_with(0) is not self.worker_with(last), 30, "two workers have partitions")
        return self.worker_with(0), self.worker_with(last)

    # --- convergence --------------------------------------------------------------------------------------------

    def check(self, seconds: float = CONVERGES_S, window: str = "24h", clocks_agree: bool = True) -> None:
        """The faults are over: within `seconds` all that Redis and the topics show equals the oracle's count.

        `seconds` count from the feed's end; `window` covers all events; workers whose clocks are wrong are not asked
        for the time of their last word. Raises AssertionError with the first key that differs.
        """
        for one in self.feeds:
            self.until(lambda one=one: not one.under_way, 120, "the feed is published")
        self.figures["seconds_to_converge"] = round(self.until(self._settled_safely, seconds, "converged"), 1)
        if clocks_agree:
            self.until(self._alive_with_progress, 30, "every live process left word lately")
        kafka = self.stack.endpoints.kafka
        horizon_ms = self.settings.dedupe_ms
        self.truth = asyncio.run(truth_of(kafka, self.topic, horizon_ms, self.poison))
        self.journal = asyncio.run(journal_of(kafka, self.name("market.steps")))
        shown = shown_by(self.redis, self.prefix, self.journal, window)
        difference = first_difference(expected_of(self.truth, window), shown)
        assert difference is None, difference
        assert users_difference(self.truth, self.redis, self.prefix) is None
        difference, self.again = asyncio.run(classified_difference(self.truth, kafka, self.name("feedback.classified")))
        assert difference is None, difference
        alerts = asyncio.run(alerts_difference(kafka, self.name("market.alerts"), self.redis, self.prefix))
        assert alerts is None, alerts
        assert not self.journal.forks or self.total("rewinds"), "the journal forked without a rewind"
        self.guard.holds()
        self.tell()

    def tell(self) -> None:
        """Put the figures seen into the report's row."""
        self.figures |= {
            "events": self.truth.records,
            "restarts": self.crew.restarts,
            "fenced": self.total("fenced_commits"),
            "rewinds": self.total("rewinds"),
            "counted_again": sum(self.again.values()),
            "steps": self.journal.steps,
        }

    def _settled_safely(self) -> bool:
        try:
            return self.settled()
        except (MarketpulseError, redis.RedisError, OSError, KeyError):  # servers may still be coming up
            return False

    def _alive_with_progress(self) -> bool:
        words = [json.loads(word) for word in self.redis.hvals(f"{self.prefix}:workers")]
        fresh = {int(one["holder"].rpartition(":")[2]) for one in words if time.time() * 1000 - one["at"] < 10_000}
        return all(worker.pid in fresh for worker in self.crew.workers)

    def marketpulse(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command of an operator on this job."""
        environment = worker_environment(self.settings, self.stack.endpoints)
        return marketpulse_process(*arguments, environment=environment, timeout=120)

    def stop(self) -> None:
        """End feed, guard and workers."""
        for one in self.feeds:
            one.stop()
        self.guard.stop()
        self.crew.stop()
        self.redis.close()
