"""Keys, values, headers and times that Kafka allows and producers of others do send."""

import time

import pytest

from marketpulse.contract.topics import topic_name
from streams.kafka.tolerant import MAX_HEADERS
from tests.support.clients import Sent, console_producer, event, events, librdkafka, set_topic
from tests.world.conftest import World

pytestmark = pytest.mark.timeout(90)

KEYS = {"none": None, "empty": b"", "binary": b"\x00\xff\xfe", "long": b"k" * 100_000}
HEADERS = {
    "without a name": (("", b"x"),),
    "without a value": (("n", None), ("ce_type", None), ("traceparent", None)),
    "empty value": (("n", b""),),
    "same name twice": (("n", b"1"), ("n", b"2")),
    "binary value": (("n", b"\xff\x00"),),
    "as many as are read": tuple((f"h{n}", b"x") for n in range(MAX_HEADERS)),
    "ours": (("__streams.errors.code", None), ("__streams.errors.offset", b"\xff")),
}


@pytest.mark.parametrize("name", KEYS)
def test_any_key_is_taken(world: World, name: str) -> None:
    """An event counts whatever its key; a broken one keeps it."""
    world.send(Sent(event(f"key-{name}"), KEYS[name]), Sent(b"{", KEYS[name]))
    world.counts(accepted=1, not_json=1)


@pytest.mark.parametrize("name", KEYS)
def test_a_tombstone_is_a_dead_letter(world: World, name: str) -> None:
    """Nothing is erased by it, nothing is counted."""
    world.send(Sent(None, KEYS[name]), *events(f"tombstone-{name}"))
    world.counts(accepted=20, empty_value=1)


@pytest.mark.parametrize("name", HEADERS)
def test_any_headers_are_taken(world: World, name: str) -> None:
    """An event counts whatever its headers; a broken one is a dead letter that can be read and listed."""
    world.send(Sent(event(f"headers-{name}"), headers=HEADERS[name]), Sent(b"[]", headers=HEADERS[name]))
    world.counts(accepted=1, not_an_object=1)
    assert 0 == world.job.cli("dead-letters", "ls", "--json").returncode


def test_a_record_with_more_headers_than_are_read_is_named(world: World) -> None:
    """It costs itself alone: a dead letter says how many it has."""
    more = tuple((f"h{n}", b"x") for n in range(MAX_HEADERS + 1))
    world.send(Sent(event("too-many-headers"), headers=more), *events("beside-too-many"))
    world.counts(accepted=20, unreadable_batch=1)


def test_a_topic_with_the_producers_times_is_counted(own: World) -> None:
    """CreateTime, which a topic has that somebody else made: Java's client, and times that no clock shows."""
    set_topic(
        own.servers, own.topic,
        {"message.timestamp.type": "CreateTime", "message.timestamp.after.max.ms": str(2**63 - 1)},
    )  # fmt: skip
    own.job.workers(1)
    console_producer(own.servers, own.topic, [one.value or b"" for one in events("create-time")])
    own.counts(accepted=20)
    own.send(Sent(b"{", timestamp_ms=2**62), Sent(b"{", timestamp_ms=1))
    own.counts(accepted=20, not_json=2)
    year_ahead = time.time_ns() // 1_000_000 + 365 * 86_400_000
    own.send(Sent(event("ahead", occurred_at=year_ahead), timestamp_ms=year_ahead), *events("behind-it"))
    own.counts(accepted=40, not_json=2, from_the_future=1)
    now_ms = time.time_ns() // 1_000_000
    own.job.until(lambda: abs(now_ms - (own.job.reader.snapshot().status.stream_time or 0)) < 120_000)
    doctor = own.job.cli("doctor")
    assert (1, True) == (doctor.returncode, "LogAppendTime" in doctor.stdout)


def test_a_tombstone_on_the_shifts_stops_no_worker(world: World) -> None:
    """Whoever may write there sends nothing but a key; feedback is counted on."""
    librdkafka(world.servers, topic_name(world.job.settings.prefix, "market.shifts"), [Sent(None, b"BR")])
    world.send(*events("after-the-tombstone"))
    world.counts(accepted=20)
    assert 0 == world.job.supervisor.restarts
