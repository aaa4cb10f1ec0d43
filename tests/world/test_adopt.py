"""A mapping proposed for a topic that other software writes: what the output gives is what the bridge takes."""

import asyncio
import base64
import json
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from marketpulse.contract.topics import topic_name
from streams.dev.embedded.servers import EmbeddedStack
from streams.kafka.admin import consumer_groups, create_topics
from streams.kafka.log_reader import LogReader
from tests.support.clients import Sent, librdkafka
from tests.support.processes import marketpulse

PARTITIONS = 3
pytestmark = pytest.mark.timeout(120)


class Crm:
    """A foreign topic and a prefix of this project, on one broker."""

    def __init__(self, stack: EmbeddedStack, prefix: str) -> None:
        self.kafka, self.prefix, self.topic = str(stack.endpoints.kafka), prefix, f"{prefix}.tickets"
        self._environment = {
            "MARKETPULSE_KAFKA": self.kafka,
            "MARKETPULSE_REDIS_URL": stack.endpoints.redis,
            "MARKETPULSE_PREFIX": prefix,
        }
        admin = AdminClient({"bootstrap.servers": self.kafka})
        admin.create_topics([NewTopic(self.topic, PARTITIONS, 1)])[self.topic].result(20)
        asyncio.run(create_topics(self.kafka, prefix, 2))

    def run(self, *typed: str) -> subprocess.CompletedProcess[str]:
        """A command beside this project's own settings."""
        return marketpulse(*typed, environment=self._environment)

    def adopt(self, *options: str) -> subprocess.CompletedProcess[str]:
        """The topic, at its servers."""
        return self.run("adopt", "--topic", self.topic, "--from", self.kafka, *options)

    def send(self, partition: int, *values: Any, key: str | None = None) -> None:
        """JSON, or bytes as they are."""
        given = [value if isinstance(value, bytes) else json.dumps(value).encode() for value in values]
        keyed = None if key is None else key.encode()
        librdkafka(self.kafka, self.topic, [Sent(value, keyed, partition=partition) for value in given])

    def take_back(self, partition: int, number: int) -> None:
        """Records that a transaction writes and does not keep."""
        producer = Producer({"bootstrap.servers": self.kafka, "transactional.id": self.topic})
        producer.init_transactions(20)
        producer.begin_transaction()
        for _ in range(number):
            producer.produce(self.topic, b'{"nr": "none", "land": "XX"}', partition=partition)
        producer.flush(20)
        producer.abort_transaction(20)

    def bridged(self) -> list[dict[str, Any]]:
        """Events in `feedback`."""
        return asyncio.run(committed(self.kafka, topic_name(self.prefix, "feedback")))


async def committed(servers: str, topic: str) -> list[dict[str, Any]]:
    """Values of a topic, partition by partition."""
    async with LogReader(servers, topic) as log:
        return [
            json.loads(record.value)
            for number, (first, end) in log.offsets.items()
            async for record in log.records(first, end, number)
        ]


@pytest.fixture
def crm(stack: EmbeddedStack, prefix: str) -> Iterator[Crm]:
    before = asyncio.run(consumer_groups(stack.endpoints.kafka))
    yield Crm(stack, prefix)
    assert before == asyncio.run(consumer_groups(stack.endpoints.kafka))


def ticket(number: int, **changes: object) -> dict[str, object]:
    """As a program writes it that knows nothing of the contract."""
    return {"nr": f"T-{number}", "land": "Brazil", "kommentar": f"lento {number}", "created": now()} | changes


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def change(row: dict[str, object]) -> dict[str, object]:
    """A row's insert, as Debezium writes it with the schema of Kafka Connect's converter."""
    payload = {"before": None, "after": row, "op": "c", "ts_ms": 1, "source": {"table": "tickets"}}
    return {"schema": {"type": "struct"}, "payload": payload}


def cloud_event(row: dict[str, object]) -> dict[str, object]:
    """In structured mode, binary data."""
    data = base64.b64encode(json.dumps(row).encode()).decode()
    return {"specversion": "1.0", "id": "e", "source": "/crm", "type": "ticket", "data_base64": data}


def test_what_is_proposed_bridges_the_topic(crm: Crm, tmp_path: Path) -> None:
    """Of two envelopes; the newest records are behind some that were taken back, refused ones have their reasons."""
    crm.send(0, *(change(ticket(number)) for number in range(12)))
    crm.send(1, *(cloud_event(ticket(number)) for number in range(12, 24)), b"{", b"\0\0\0\0\1", b"\0\0\0\0\2")
    crm.take_back(1, 300)
    found = crm.adopt()
    assert 0 == found.returncode, found.stderr
    for reported in (
        "2 records left out: in the framing of Schema Registry",
        "1 record would be refused, the value is not UTF-8 JSON",
        "24 of 25 records would be events.",
    ):
        assert reported in found.stderr
    assert 10 == sum(line.partition(":")[0].isdecimal() for line in found.stderr.splitlines())
    (mapping := tmp_path / "mine.toml").write_text(found.stdout)
    following = f"Next: marketpulse bridge {crm.topic} --from {crm.kafka} --mapping mine.toml"
    assert following == found.stderr.splitlines()[-1]
    typed = following.removeprefix("Next: marketpulse ").replace("mine.toml", str(mapping)).split()
    done = crm.run(*typed, "--until-end", "--json")
    assert (24, 3) == ((answer := json.loads(done.stdout))["events"], answer["dead_letters"])
    events = sorted((event["id"], event["market"], event["text"]) for event in crm.bridged())
    assert sorted((f"T-{number}", "BR", f"lento {number}") for number in range(24)) == events


def test_what_the_values_lack_comes_from_kafka(crm: Crm, tmp_path: Path) -> None:
    """The time of a record, its place as identity: two with the same words are two events."""
    row = ticket(1)
    del row["nr"], row["created"]
    began = time.time()
    crm.send(0, cloud_event(row), cloud_event(row), key="branch 7")
    crm.send(2, change(row), key="branch 7")
    found = json.loads(crm.adopt("--json").stdout)
    assert (3, 3, {}) == (found["events"], found["records"], found["reasons"])
    assert 1 == found["toml"].count("# a guess")
    (mapping := tmp_path / "mine.toml").write_text(found["toml"])
    done = crm.run("bridge", crm.topic, "--from", crm.kafka, "--mapping", str(mapping), "--until-end")
    assert 0 == done.returncode, done.stderr
    events = crm.bridged()
    assert 3 == len({event["id"] for event in events})
    times = [datetime.fromisoformat(event["occurred_at"]).timestamp() for event in events]
    assert [True] * 3 == [began - 1 < at < time.time() + 1 for at in times]


def test_what_cannot_be_read_is_refused(crm: Crm) -> None:
    """An empty topic, one that is not there, servers that are none, a file and a topic: with the remedy."""
    crm.take_back(0, 3)
    nowhere = ("adopt", "--topic", crm.topic, "--from", "127.0.0.1:1")
    for code, why, done in (
        (2, f"{crm.topic} at {crm.kafka} has no records", crm.adopt()),
        (2, f"has no topic {crm.topic}-2. Operator action", crm.adopt("--topic", f"{crm.topic}-2")),
        (1, f"has no topic {crm.topic}-2. Operator action", crm.run("bridge", f"{crm.topic}-2", "--until-end")),
        (1, "Kafka at 127.0.0.1:1 does not answer", crm.run(*nowhere)),
        (2, "give either SAMPLE or --topic", crm.adopt("reviews.csv")),
        (2, "give either SAMPLE or --topic", crm.run("adopt")),
        (2, "--sheet does nothing for a topic", crm.adopt("--sheet", "March")),
        (
            2,
            "--from, --no-envelopes does nothing for a file",
            crm.run("adopt", "a.csv", "--from", "x:1", "--no-envelopes"),
        ),
        (2, "name two sources", crm.adopt("--from-file", "crm.env")),
    ):
        assert (code, True) == (done.returncode, why in done.stderr), done.stderr
    crm.send(0, b"\0\0\0\0\1")
    done = crm.adopt()
    assert (2, True) == (done.returncode, "1 are in the framing of Schema Registry" in done.stderr), done.stderr
