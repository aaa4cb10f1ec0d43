"""What the producer refuses is what a worker would reject; and what it does without a Kafka."""

import asyncio
import time
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketpulse.client import async_producer
from marketpulse.client.async_producer import AsyncProducer, Event, checked
from marketpulse.client.producer import Producer
from marketpulse.contract.decode import Decoded, Rejected, decode, key_of
from marketpulse.contract.feedback import FeedbackEvent
from marketpulse.errors import KafkaUnavailable, NotAcknowledged
from streams.dev.embedded.servers import free_port

NOW = 1_790_000_000_000
GOOD: dict[str, object] = {"id": "1", "market": "BR", "text": " bom ", "occurred_at": "2026-09-21T14:13:20Z"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.datetimes() | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = [*GOOD, "v", "user", "lang", "rating", "channel", "attributes", "specversion", "data"]
CE = [("ce_specversion", b"1.0"), ("ce_id", b"c1"), ("ce_time", b"2026-09-21T14:13:20Z")]


@given(st.dictionaries(st.sampled_from(FIELDS), JSON) | st.binary(), st.sampled_from([[], CE]))
def test_producer_and_worker_never_disagree(event: dict[str, object] | bytes, headers: list[tuple[str, bytes]]) -> None:
    """What is accepted here is accepted there, of the same bytes; what is refused has the worker's own code."""
    given_event: Event = event if isinstance(event, bytes) else GOOD | event
    try:
        value = given_event if isinstance(given_event, bytes) else msgspec.json.encode(given_event)
    except (ValueError, OverflowError):
        value = b"NaN"  # what has no JSON never comes to a worker
    told, worker = (
        outcome(lambda: checked(given_event, NOW, headers)[1]),
        outcome(lambda: decode(value, NOW, headers)),
    )
    assert told == worker or (value == b"NaN" and told == "bad_value")


def outcome(work: Callable[[], Decoded]) -> Decoded | str:
    """What was read, or the code of its refusal."""
    try:
        return work()
    except Rejected as rejected:
        return rejected.code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"id": None}, "missing_field"),
        ({"market": "XX"}, "unknown_market"),
        ({"text": " "}, "text_empty"),
        ({"text": "x" * 8193}, "text_too_long"),
        ({"rating": 6}, "bad_value"),
        ({"text": object()}, "bad_type"),
        ({"text": "\ud800"}, "bad_value"),
        ({"rating": 10**400}, "bad_value"),
        ({"occurred_at": NOW - 8 * 86_400_000}, "too_late"),
        ({"occurred_at": NOW + 301_000}, "from_the_future"),
        ({"attributes": {"a": 1}}, "bad_type"),
        ({"v": 2}, "unknown_version"),
    ],
)
def test_refusals_have_the_codes_of_dead_letters(changes: dict[str, object], code: str) -> None:
    """Also where Python holds what JSON cannot."""
    with pytest.raises(Rejected) as refused:
        checked(GOOD | changes, NOW)
    assert code == refused.value.code


def test_the_wire_type_a_mapping_and_json_are_one_event() -> None:
    """The same is read in each."""
    typed = msgspec.convert(GOOD, FeedbackEvent)
    seen = [checked(event, NOW)[1] for event in (typed, GOOD, msgspec.json.encode(GOOD))]
    assert [seen[0]] * 3 == seen


@pytest.mark.parametrize(("user", "key"), [("u7", b"u7"), ("", b"1"), (None, b"1")])
def test_the_key_is_the_one_that_publish_gives(user: str | None, key: bytes) -> None:
    """User, else id."""
    _, seen = checked(GOOD | {"user": user}, NOW)
    assert key == key_of({"user": seen.user, "id": seen.id}) == key_of(GOOD | {"user": user})


def test_without_a_kafka_everybody_is_told() -> None:
    """Start, send, batch and submit; refusals do not need one; the counts know all of it."""

    async def told() -> None:
        producer = AsyncProducer(f"127.0.0.1:{free_port()}", timeout_s=1)
        event = GOOD | {"occurred_at": time.time_ns() // 1_000_000}
        with pytest.raises(KafkaUnavailable, match="Operator action"):
            await producer.start()
        with pytest.raises(NotAcknowledged, match="send it again"):
            await producer.send(event)
        with pytest.raises(NotAcknowledged):
            await producer.submit(event)
        outcomes = await producer.send_many([event, event | {"market": "XX"}])
        assert [NotAcknowledged, Rejected] == [type(one) for one in outcomes]
        assert (False, 0) == (await producer.answers(), producer.pending_bytes)
        assert (0, 3, {"unknown_market": 1}) == (producer.counts.sent, producer.counts.failed, producer.counts.refused)
        await producer.flush()
        await producer.close()

    asyncio.run(told())


def test_others_run_while_many_events_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that takes others' events too does not stand while a request of a megabyte is looked at."""
    monkeypatch.setattr(async_producer, "CHECKS_S", 0)

    async def turns() -> int:
        sending = asyncio.ensure_future(AsyncProducer("127.0.0.1:1").send_many([b"[]"] * 100))
        had = 0
        while not sending.done():
            await asyncio.sleep(0)
            had += 1
        return had

    assert asyncio.run(turns()) >= 100


def test_the_synchronous_one_ends_its_thread_where_kafka_is_away() -> None:
    """The same error, and nothing left running."""
    with pytest.raises(KafkaUnavailable, match="Operator action"):
        Producer(f"127.0.0.1:{free_port()}", timeout_s=1)
