"""A bridge from a topic that other software writes: each record once, whatever happens to the bridge."""

import asyncio
import json
import random
import signal
import subprocess
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from marketpulse.contract.topics import topic_name
from streams.bridge.positions import TOPIC, read_positions
from streams.dev.embedded.servers import EmbeddedStack
from streams.dev.processes import ending, start_marketpulse
from streams.kafka.admin import create_topics, topic_offsets
from tests.support.processes import marketpulse
from tests.support.waiting import until

PARTITIONS = 2
pytestmark = pytest.mark.timeout(120)


class Way:
    """A foreign topic and a prefix of this project, on one broker."""

    def __init__(self, stack: EmbeddedStack, prefix: str) -> None:
        self.kafka, self.prefix, self.topic = str(stack.endpoints.kafka), prefix, f"{prefix}-crm"
        self.environment: Mapping[str, str] = {
            "MARKETPULSE_KAFKA": self.kafka,
            "MARKETPULSE_REDIS_URL": stack.endpoints.redis,
            "MARKETPULSE_PREFIX": prefix,
        }
        admin = AdminClient({"bootstrap.servers": self.kafka})
        admin.create_topics([NewTopic(self.topic, PARTITIONS, 1)])[self.topic].result(20)
        asyncio.run(create_topics(self.kafka, prefix, 2))
        self.sent: dict[int, list[str]] = {number: [] for number in range(PARTITIONS)}

    def send(self, count: int, keep: bool = True, ago_ms: int = 0) -> None:
        """A transaction of librdkafka with as many events to each partition, of so long ago; not kept: taken back."""
        producer = Producer({"bootstrap.servers": self.kafka, "transactional.id": f"{self.topic}-{len(self.sent[0])}"})
        producer.init_transactions(20)
        producer.begin_transaction()
        at_ms = time.time_ns() // 1_000_000 - ago_ms
        for number, names in self.sent.items():
            for place in range(len(names), len(names) + count):
                name = f"{number}-{place}"
                value = {"id": name, "market": "BR", "text": "lento", "occurred_at": at_ms}
                producer.produce(self.topic, json.dumps(value), partition=number, key=b"k", timestamp=at_ms)
                if keep:
                    names.append(name)
        producer.flush(20)
        producer.commit_transaction(20) if keep else producer.abort_transaction(20)

    def bridge(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Until the end that the topic has."""
        typed = ["bridge", self.topic, "--from", self.kafka, "--name", "crm", "--until-end", "--json", *options]
        return marketpulse(*typed, environment=self.environment)

    def start(self, folder: Path) -> subprocess.Popen[str]:
        """A process that goes on."""
        typed = ("bridge", self.topic, "--from", self.kafka, "--name", "crm")
        with (folder / "bridge.log").open("ab") as log:
            return start_marketpulse(*typed, environment=self.environment, stdout=log, stderr=log)

    def bridged(self) -> dict[int, list[str]]:
        """Ids in `feedback`, by the partition that they came from, as a reader of committed records has them."""
        found: dict[int, list[str]] = {number: [] for number in range(PARTITIONS)}
        for value in asyncio.run(committed(self.kafka, topic_name(self.prefix, "feedback"))):
            name = json.loads(value)["id"]
            found[int(name[0])].append(name)
        return {number: sorted(names, key=lambda name: int(name[2:])) for number, names in found.items()}

    def moved(self, before: int) -> bool:
        """Whether positions are further together."""
        return sum(self.positions().values()) > before

    def positions(self) -> dict[bytes, int]:
        """As the next bridge would read them."""
        return asyncio.run(read_positions(self.kafka, topic_name(self.prefix, TOPIC)))


async def committed(servers: str, topic: str) -> list[bytes]:
    """Values of a topic, partition by partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, isolation_level="read_committed", enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in await topic_offsets(servers, topic)]
        values: list[bytes] = []
        for partition, end in (await consumer.end_offsets(partitions)).items():
            consumer.assign([partition])
            await consumer.seek_to_beginning(partition)
            while await consumer.position(partition) < end:
                records = (await consumer.getmany(partition, timeout_ms=300)).get(partition, [])
                values += [record.value for record in records]
        return values
    finally:
        await consumer.stop()


@pytest.fixture
def way(stack: EmbeddedStack, prefix: str) -> Way:
    return Way(stack, prefix)


def test_each_record_goes_over_once_and_later_ones_later(way: Way) -> None:
    """In order; what its producer took back does not, and a second run begins where the first one ended."""
    way.send(30)
    way.send(5, keep=False)
    first = way.bridge()
    assert 0 == first.returncode, first.stderr
    assert {"records": 60, "events": 60, "dead_letters": 0, "reasons": {}} == json.loads(first.stdout)
    assert 0 == json.loads(way.bridge().stdout)["records"]
    way.send(10)
    assert 20 == json.loads(way.bridge().stdout)["events"]
    assert way.sent == way.bridged()


def test_turns_of_one_record_lose_nothing(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where values take so long that the rest of what was fetched is fetched again, in the next turn."""
    monkeypatch.setattr("streams.bridge.bridge.TRANSACTION_S", 0.0)
    way.send(20)
    done = way.bridge()
    assert 40 == json.loads(done.stdout)["events"], done.stderr
    assert way.sent == way.bridged()


def test_what_cannot_become_an_event_costs_itself(way: Way) -> None:
    """A dead letter in the same transaction; the rest goes over."""
    producer = Producer({"bootstrap.servers": way.kafka})
    for value in (b"\0\0\0\0\1", b"{", None):
        producer.produce(way.topic, value, partition=0, key=b"k")
    producer.flush(20)
    way.send(3)
    done = way.bridge()
    answer = json.loads(done.stdout)
    assert (9, 6, 2) == (answer["records"], answer["events"], answer["dead_letters"])
    assert 2 == len(asyncio.run(committed(way.kafka, topic_name(way.prefix, "feedback.dead-letter"))))
    assert "Schema Registry" in done.stderr
    assert way.sent == way.bridged()


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.long)])
def test_kills_lose_nothing_and_bring_nothing_twice(way: Way, tmp_path: Path, kills: int) -> None:
    """SIGKILL at random moments while records come, then one run to the end: every record once, in order."""
    rng = random.Random(7)
    for _ in range(kills):
        with ending(way.start(tmp_path)) as running:
            before = sum(way.positions().values())
            for _ in range(3):
                way.send(400)
            until(partial(way.moved, before), 30)
            way.send(400)
            time.sleep(rng.random() * 0.3)
            running.kill()
            running.wait(10)
    done = way.bridge()
    assert 0 == done.returncode, done.stderr
    assert way.sent == way.bridged()


def test_a_long_pause_brings_nothing_twice(way: Way, tmp_path: Path) -> None:
    """Killed, and begun again 20 minutes of record time later: longer than ids are known."""
    way.send(3_000, ago_ms=1_200_000)
    with ending(way.start(tmp_path)) as running:
        until(partial(way.moved, 0), 60)
        running.kill()
        running.wait(10)
    way.send(100)
    assert 0 == way.bridge().returncode
    assert way.sent == way.bridged()


def test_the_older_of_two_is_shut_out(way: Way, tmp_path: Path) -> None:
    """Its next transaction is refused, it ends with 78, and what both did is there once."""
    way.send(20)
    with ending(way.start(tmp_path)) as older:
        until(lambda: 2 == len(way.positions()), 30)
        with ending(way.start(tmp_path)) as newer:
            until(lambda: 2 <= (tmp_path / "bridge.log").read_text().count("bridge_began"), 30)
            way.send(20)
            assert 78 == older.wait(30), (tmp_path / "bridge.log").read_text()[-2_000:]
            until(lambda: way.sent == way.bridged(), 30)
            newer.send_signal(signal.SIGTERM)
            assert 0 == newer.wait(30)
    assert "another process began the same" in (tmp_path / "bridge.log").read_text()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--partition", "7"], "has no partition 7, but 2"),
        (["--market", "BR"], "--market goes with --mapping"),
        (["--from-file", "none.env"], "name two sources"),
    ],
)
def test_wrong_options_are_refused(way: Way, options: list[str], why: str) -> None:
    """With exit code 2."""
    done = way.bridge(*options)
    assert (2, True) == (done.returncode, why in done.stderr), done.stderr


def test_another_topic_under_the_same_name_is_refused(way: Way) -> None:
    """Fewer records than were bridged: an operator decides."""
    way.send(5)
    assert 0 == way.bridge().returncode
    admin: Any = AdminClient({"bootstrap.servers": way.kafka})
    admin.delete_topics([way.topic])[way.topic].result(20)
    until(lambda: way.topic not in admin.list_topics(timeout=10).topics, 20)
    admin.create_topics([NewTopic(way.topic, PARTITIONS, 1)])[way.topic].result(20)
    done = way.bridge()
    assert (78, True) == (done.returncode, "another topic than before" in done.stderr), done.stderr
