"""What users wrote and are, in every field of records good and bad, is nowhere but where it must be."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from marketpulse.contract.topics import topic_name
from streams.dev.embedded.servers import EmbeddedStack, free_port
from tests.support.job import Job

pytestmark = pytest.mark.timeout(120)

EMAIL, CARD, IBAN, PHONE = "marked.user@example.org", "4242424242424242", "DE02120300000000202051", "+442079460958"
LINK, TOKEN = "https://marked.example/?t=m4rk3d", "sk-m4rk3dm4rk3dm4rk3d"
MARKS = (EMAIL, CARD, IBAN, PHONE, LINK, TOKEN, "marked", "m4rk3d")
TEXT = f"bad {EMAIL} {CARD} {IBAN} {PHONE} {LINK} {TOKEN}"
SILENT = (
    "feedback.classified",
    "market.steps",
    "market.metrics",
    "market.alerts",
    "market.shifts",
    "market.allocations",
)


def records() -> list[tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]]:
    """Good and broken ones, each with marks in the fields that its rejection could quote."""
    good = {"id": f"{EMAIL}-1", "market": "BR", "text": TEXT, "occurred_at": time.time_ns() // 1_000_000,
            "user": EMAIL, "lang": EMAIL[:35], "channel": CARD, "attributes": {EMAIL: IBAN}}  # fmt: skip
    changes: list[dict[str, object]] = [
        {}, {"id": "2", "lang": CARD}, {"id": "3", "v": int(CARD)}, {"market": EMAIL}, {"market": CARD}, {"id": None},
        {"text": {"marked": TEXT}}, {"occurred_at": EMAIL}, {"occurred_at": int(CARD)}, {"user": TEXT * 3},
        {"rating": int(CARD)}, {"attributes": {EMAIL: 4}}, {"attributes": {EMAIL * 20: TOKEN}}, {"channel": TEXT * 2},
        {"lang": TEXT}, {"occurred_at": "2001-01-01T00:00:00Z", "id": CARD},
        {"specversion": EMAIL, "data": {"id": CARD}},
    ]  # fmt: skip
    values = [json.dumps(good | change).encode() for change in changes]
    whole = TEXT.encode()
    values += [whole, b'{"id": "' + whole, b'["%s"]' % whole, b'{"text": "\xff%s"}' % whole]
    headers = [("ce_specversion", EMAIL.encode()), ("ce_id", CARD.encode()), ("__streams.errors.message", whole)]
    return [(EMAIL.encode(), value, []) for value in values] + [(EMAIL.encode(), values[3], headers)]


async def send(job: Job) -> int:
    """Publish them all, and a profile that quotes a user where no number is."""
    producer = AIOKafkaProducer(bootstrap_servers=job.settings.kafka)
    await producer.start()
    try:
        rows = records()
        for key, value, headers in rows:
            await producer.send_and_wait(job.topic, value, key=key, headers=headers)
        profile = json.dumps({"v": 1, "currency": [EMAIL], EMAIL: CARD}).encode()
        await producer.send_and_wait(topic_name(job.settings.prefix, "market.profiles"), profile, key=EMAIL.encode())
        return len(rows)
    finally:
        await producer.stop()


async def contents(job: Job, name: str) -> list[tuple[bytes | None, bytes | None, tuple[tuple[str, bytes], ...]]]:
    """Everything that a topic holds."""
    consumer = AIOKafkaConsumer(bootstrap_servers=job.settings.kafka, auto_offset_reset="earliest")
    await consumer.start()
    found = []
    try:
        topic = topic_name(job.settings.prefix, name)
        numbers = await consumer._client.fetch_all_metadata()
        partitions = [TopicPartition(topic, number) for number in numbers.partitions_for_topic(topic) or ()]
        consumer.assign(partitions)
        for partition, end in (await consumer.end_offsets(partitions)).items():
            await consumer.seek_to_beginning(partition)
            while await consumer.position(partition) < end:
                for record in (await consumer.getmany(partition, timeout_ms=500)).get(partition, []):
                    found.append((record.key, record.value, record.headers))
    finally:
        await consumer.stop()
    return found


def in_redis(job: Job) -> Iterator[bytes]:
    """Every key under the prefix with what it holds."""
    with redis.Redis.from_url(job.settings.redis) as client:
        for key in client.scan_iter(f"{job.settings.prefix}*"):
            read = {
                b"string": client.get, b"hash": client.hgetall, b"list": lambda one: client.lrange(one, 0, -1),
                b"set": client.smembers, b"stream": client.xrange, b"zset": lambda one: client.zrange(one, 0, -1),
            }[client.type(key)]  # fmt: skip
            yield key + repr(read(key)).encode()


def marks_in(content: bytes) -> list[str]:
    """Which of them stand there."""
    return [mark for mark in MARKS if mark.encode() in content]


def test_nothing_of_a_user_is_where_it_need_not_be(stack: EmbeddedStack, prefix: str, tmp_path: Path) -> None:
    """Logs, metrics, topics that workers write, reasons of dead letters, Redis; the raw records are the exception."""
    job, port = Job(stack, prefix, tmp_path), free_port()
    job.environment = job.environment | {"MARKETPULSE_HEALTH_PORT": str(port), "MARKETPULSE_LOG_LEVEL": "debug"}
    supervisor = job.workers(1)
    try:
        job.published += asyncio.run(send(job))
        job.until(job.settled)
        job.until(lambda: job.reader.snapshot().status.totals.get("dead_letter:bad_profile", 0) == 1)
        metrics = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).content
        letters = asyncio.run(contents(job, "feedback.dead-letter"))
        written = {name: asyncio.run(contents(job, name)) for name in SILENT}
        held = list(in_redis(job))
    finally:
        supervisor.stop()
        job.reader.close()
    told = b"".join(log.read_bytes() for log in supervisor.logs())
    assert b"step_published" in told
    assert b"marketpulse" in metrics
    assert ([], []) == (marks_in(told), marks_in(metrics))
    ours = [text for _, _, headers in letters for name, text in headers if name.startswith("__streams.errors.")]
    assert len(letters) > 15
    assert [] == marks_in(b" ".join(ours))
    for name, rows in written.items():
        assert (name, []) == (name, marks_in(b" ".join((key or b"") + (value or b"") for key, value, _ in rows)))
    assert written["feedback.classified"]
    assert [] == marks_in(b" ".join(held))
    assert any(b"[email]" in one for one in held)  # the excerpt is there, and says what was taken out
