"""Golden records: what one version wrote to every topic, kept for ever.

`python -m tests.contract.golden 0.1.0` runs a job on embedded servers and writes `tests/data/golden/0.1.0`; done once
for each version that changes a contract.
"""

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from marketpulse.contract.decode import Rejected, decode
from marketpulse.contract.topics import topic_name
from streams.dev.embedded.servers import EmbeddedStack
from streams.dev.feeds.simulate import FeedPlan, generate
from streams.judgement.draw import name_of_week, week_of
from streams.kafka.compacted import read_all
from streams.kafka.publish import Record
from streams.settings import load_settings
from tests.support.job import Job
from tests.support.notifiers import HOOK, Shop
from tests.support.receiver import Receiver
from tests.support.waiting import until

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
PREFIX = "golden"
KEPT = 3
"""Records of each topic: its first ones, and the largest."""
TOPICS = (
    "feedback.bridge",
    "feedback.classified",
    "market.steps",
    "market.metrics",
    "market.shifts",
    "market.alerts",
    "market.allocations",
    "market.profiles",
    "market.mutes",
    "market.labels",
    "market.receipts",
)

COMMANDS = (
    "mute add --kind surge --hours 1",
    "mute add --market BR --hours 2 --comment known",
    "profiles apply strategy/markets.toml --market BR",
    "alerts test",
    f"bridge {PREFIX}.market.mutes --name {PREFIX} --until-end",
)


def chosen(lines: list[str]) -> str:
    """Some of a topic's records: those that say most are among them."""
    kept = dict.fromkeys([*lines[: KEPT - 1], *sorted(lines, key=len)[-1:]])
    return "".join(f"{line}\n" for line in kept)


def line_of(key: bytes | None, value: bytes, **more: int) -> str:
    """One record."""
    return json.dumps({"key": (key or b"").decode(), "value": json.loads(value), **more}, ensure_ascii=False)


def write(version: str) -> None:
    """Run a job, and keep some of its records."""
    folder = GOLDEN / version
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as logs, EmbeddedStack() as stack, Receiver() as receiver:
        now_ms = time.time_ns() // 1_000_000
        feed = [Record(None, line.value) for line in generate(FeedPlan(seed=11, events=6_000, end_ms=now_ms))]
        settings = load_settings(prefix=PREFIX, step_seconds=0.3)
        job, shop = Job(stack, PREFIX, Path(logs), settings), Shop(stack, PREFIX, Path(logs))
        try:
            job.workers(1)
            job.publish(feed)
            until(job.settled, 120)
            shop.write(HOOK.format(port=receiver.port))
            shop.start()
            week = name_of_week(week_of(now_ms))
            done = shop("label", "US", "--week", week, "--count", "2", "--rater", "Ada", given="u\ns\n")
            assert done.returncode in (0, 1), done.stderr
            for command in COMMANDS:
                done = shop(*command.split())
                assert 0 == done.returncode, done.stderr
            events = [line_of(one.key, one.value, at=now_ms) for one in feed if is_read(one.value, now_ms)]
            (folder / "feedback.jsonl").write_text(chosen(events), "utf-8")
            for topic in TOPICS:
                records = asyncio.run(read_all(job.settings.kafka, topic_name(PREFIX, topic)))
                lines = [line_of(one.key, one.value) for one in records if one.value is not None]
                (folder / f"{topic}.jsonl").write_text(chosen(lines), "utf-8")
        finally:
            shop.end()
            job.supervisor.stop()
            job.reader.close()


def is_read(value: bytes, now_ms: int) -> bool:
    """Whether an event keeps the contract."""
    try:
        decode(value, now_ms)
    except Rejected:
        return False
    return True


if __name__ == "__main__":
    write(sys.argv[1])
