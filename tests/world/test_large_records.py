"""Records as large as Kafka takes them: dead letters that do not fit are cut, and nothing waits for them."""

import asyncio
import hashlib
import json
import os

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from marketpulse.contract.topics import topic_name
from streams.batches import OutboxEntry
from streams.errors import RecordTooLarge
from streams.kafka.outbound import Outbound
from tests.support.clients import Sent, event, events, set_topic
from tests.world.conftest import World

pytestmark = pytest.mark.timeout(90)

LARGEST = 1_048_476  # of a value, where a topic takes Kafka's default of 1,048,588 bytes


async def _last(servers: str, topic: str) -> tuple[bytes | None, dict[str, bytes]]:
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False)
    await consumer.start()
    try:
        one = TopicPartition(topic, 0)
        consumer.assign([one])
        consumer.seek(one, (await consumer.end_offsets([one]))[one] - 1)
        record = await consumer.getone(one)
        return record.value, {name.removeprefix("__streams.errors."): text for name, text in record.headers}
    finally:
        await consumer.stop()


def last_letter(world: World) -> tuple[bytes | None, dict[str, bytes]]:
    """Value and headers of the newest dead letter."""
    return asyncio.run(_last(world.servers, topic_name(world.job.settings.prefix, "feedback.dead-letter")))


def test_a_value_as_large_as_kafka_takes_is_kept_whole(world: World) -> None:
    """With its headers it is larger than the feedback topic takes: the dead-letter topic takes more."""
    value = os.urandom(LARGEST)
    world.send(Sent(value), *events("large"))
    world.counts(accepted=20, too_large=1)
    kept, why = last_letter(world)
    assert value == kept
    assert "cut" not in why


def test_a_dead_letter_that_does_not_fit_is_cut(own: World) -> None:
    """On a dead-letter topic that somebody else made: what is kept, and size and checksum of the rest."""
    set_topic(own.servers, f"{own.job.settings.prefix}.feedback.dead-letter", {"max.message.bytes": "1048588"})
    own.job.workers(1)
    value = os.urandom(LARGEST)
    broken = [Sent(b"no json", partition=0), Sent(value), Sent(b"no json either", partition=0)]
    own.send(*broken, *events("cut"))
    own.counts(accepted=20, too_large=1, not_json=2)
    replayed = own.job.cli("dead-letters", "replay", "--json")
    assert 1 == replayed.returncode, replayed.stderr
    assert (2, "only a part of the record was kept") == (
        json.loads(replayed.stdout)["replayed"], json.loads(replayed.stdout)["left"][0]["why"],
    )  # fmt: skip
    own.counts(accepted=20, too_large=1, not_json=4)


def test_headers_of_a_megabyte_are_cut_too(own: World) -> None:
    """Seven bytes of value: it is the headers that do not fit."""
    set_topic(own.servers, f"{own.job.settings.prefix}.feedback.dead-letter", {"max.message.bytes": "1000000"})
    own.job.workers(1)
    own.send(Sent(b"no json", headers=(("small", b"kept"), ("large", os.urandom(1_000_000)))), *events("headers"))
    own.counts(accepted=20, not_json=1)
    kept, why = last_letter(own)
    assert (b"no json", b"headers", b"kept") == (kept, why["cut"], why["small"])
    assert "large" not in why


def test_a_value_that_was_compressed_is_cut(world: World) -> None:
    """17 MB in 400 KB of gzip: more than is kept of any record."""
    value = b"".join(b" " * 19_800 + os.urandom(200) for _ in range(850)) + b" " * 32
    world.send(Sent(value), *events("blanks"), compression_type="gzip")
    world.counts(accepted=20, too_large=1)
    kept, why = last_letter(world)
    assert (b" " * 16_384, b"value", str(len(value)).encode()) == (kept, why["cut"], why["bytes"])
    assert hashlib.sha256(value).hexdigest().encode() == why["sha256"]


def test_a_dead_letter_topic_that_takes_nothing_ends_with_what_to_raise(own: World) -> None:
    """Nothing can be kept there, not even the reason: an operator has to decide, and Kafka is not called away."""
    set_topic(own.servers, f"{own.job.settings.prefix}.feedback.dead-letter", {"max.message.bytes": "100"})
    own.send(Sent(event("broken", market="nowhere")))
    own.job.workers(1)
    why = own.job.ends_with("record_too_large")
    assert "max.message.bytes" in why


async def test_a_step_of_twenty_megabytes_is_sent(own: World) -> None:
    """What compresses below its topic's bound fits, whatever it was before."""
    settings = own.job.settings
    outbound = Outbound(settings.kafka, settings.prefix)
    topic = topic_name(settings.prefix, "market.steps")
    try:
        await outbound.relay([OutboxEntry(b"1", topic, b"1", b"0123456789" * 2_000_000)])
        with pytest.raises(RecordTooLarge, match="does not take a record of 20000000 bytes"):
            await outbound.relay([OutboxEntry(b"2", topic, b"2", os.urandom(20_000_000))])
        await outbound.relay([OutboxEntry(b"3", topic, b"3", b"small")])
    finally:
        await outbound.stop()


def test_a_topic_that_takes_more_than_workers_plan_for_is_named(own: World) -> None:
    """By the doctor as wrong, by a worker as a warning: it bounds its memory, but not below one batch as it is sent."""
    set_topic(own.servers, own.topic, {"max.message.bytes": "20000000"})
    examined = json.loads(own.job.cli("doctor", "--json").stdout)
    [found] = [one for one in examined if one["part"] == "kafka and topics"]
    assert not found["fine"]
    assert "takes batches of 20000000 bytes" in found["what"]
    own.job.workers(1)
    own.send(*events("planned"))
    own.counts(accepted=20)
    assert '"batches_too_large"' in own.job.supervisor.logs()[-1].read_text()
