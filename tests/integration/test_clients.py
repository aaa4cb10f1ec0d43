"""AsyncProducer and the intake on a real Kafka: what is told is what stands on the topic."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from marketpulse.client.async_producer import AsyncProducer, Delivery
from marketpulse.client.producer import Producer
from marketpulse.contract.decode import Rejected, utc
from marketpulse.contract.feedback import FeedbackEvent
from marketpulse.contract.topics import topic_name
from marketpulse.errors import KafkaUnavailable, NotAcknowledged
from streams.dev.embedded.servers import EmbeddedStack
from streams.kafka.admin import create_topics
from streams.kafka.publish import Record, publish
from tests.support.intakes import HEADERS, OTHER_TOKEN, Running, intake, records_of
from tests.support.processes import marketpulse
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(120)

PREFIX = "clients"
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def event(number: object, **fields: object) -> dict[str, object]:
    """A good event of its own user."""
    now = time.time_ns() // 1_000_000
    return {"id": f"e{number}", "market": "BR", "text": "bom", "occurred_at": now, "user": f"u{number}"} | fields


@pytest.fixture(scope="module")
def kafka(stack: EmbeddedStack) -> str:
    """Kafka with the topics of PREFIX."""
    servers = stack.kafka.bootstrap
    asyncio.run(create_topics(servers, PREFIX, 4))
    return servers


@pytest.fixture
def feedback(kafka: str, prefix: str) -> str:
    """A feedback topic of four partitions that no other test uses."""
    asyncio.run(create_topics(kafka, prefix, 4))
    return topic_name(prefix, "feedback")


def test_each_outcome_is_what_stands_on_the_topic(kafka: str, prefix: str, feedback: str) -> None:
    """Accepted ones at their partition and offset under their key, refused ones nowhere; counted."""
    events = [event(n) if n % 10 else event(n, market="XX") for n in range(500)]

    async def send() -> list[object]:
        async with AsyncProducer(kafka, prefix=prefix) as producer:
            outcomes = list(await producer.send_many(events))
            typed = FeedbackEvent("typed", "DE", "gut", time.time_ns() // 1_000_000)
            outcomes.append(await producer.send(typed, [("traceparent", PARENT.encode())]))
            with pytest.raises(Rejected, match="ISO 3166"):
                await producer.send(event("bad", market="XX"))
            assert (451, 0, {"unknown_market": 51}) == (
                producer.counts.sent, producer.counts.failed, producer.counts.refused,
            )  # fmt: skip
            return outcomes

    outcomes = asyncio.run(send())
    told = {(one.partition, one.offset): one.id for one in outcomes if isinstance(one, Delivery)}
    found = records_of(kafka, feedback)
    assert told == {(record.partition, record.offset): json.loads(record.value)["id"] for record in found}
    keys = {json.loads(record.value)["id"]: record.key for record in found}
    assert (b"u1", b"typed") == (keys["e1"], keys["typed"])
    assert [(("traceparent", PARENT.encode()),)] == [record.headers for record in found if record.key == b"typed"]


def test_a_copy_lands_where_publish_put_the_first(kafka: str, prefix: str, feedback: str) -> None:
    """The same partition for the same user, so that its id counts once."""
    events = [event(n) for n in range(50)]
    first = [Record(str(one["user"]).encode(), json.dumps(one).encode()) for one in events]
    asyncio.run(publish(kafka, feedback, first))
    with Producer(kafka, prefix=prefix) as producer:
        producer.send_many(events)
    where: dict[str, set[int]] = {}
    for record in records_of(kafka, feedback):
        where.setdefault(json.loads(record.value)["id"], set()).add(record.partition)
    assert [1] * 50 == [len(partitions) for partitions in where.values()]


def test_submitted_events_wait_for_room_and_flush_waits_for_them(kafka: str, prefix: str, feedback: str) -> None:
    """Never more on its way than was allowed."""

    async def send() -> int:
        async with AsyncProducer(kafka, prefix=prefix, max_pending_bytes=20_000) as producer:
            most = 0
            for number in range(300):
                await producer.submit(event(number))
                most = max(most, producer.pending_bytes)
            await producer.flush()
            assert (300, 0) == (producer.counts.sent + producer.counts.failed, producer.pending_bytes)
            return most

    assert 10_000 < asyncio.run(send()) <= 20_000
    assert {f"e{number}" for number in range(300)} == {
        json.loads(one.value)["id"] for one in records_of(kafka, feedback)
    }


def test_without_the_topic_start_says_so(kafka: str, prefix: str) -> None:
    """In the time that was given, and everything is closed again."""

    async def begin() -> None:
        producer = AsyncProducer(kafka, prefix=prefix, timeout_s=1)
        with pytest.raises(KafkaUnavailable):
            await producer.start()
        with pytest.raises(NotAcknowledged):
            await producer.send(event(1))
        await producer.close()

    asyncio.run(begin())


def test_the_synchronous_producer_tells_the_same(kafka: str, prefix: str, feedback: str) -> None:
    """From any thread, without an event loop of one's own."""
    with Producer(kafka, prefix=prefix) as producer:
        assert feedback == producer.send(event(1)).topic
        with pytest.raises(Rejected):
            producer.submit({})
        producer.submit(event(2))
        producer.flush()
        assert (2, {"missing_field": 1}) == (producer.counts.sent, producer.counts.refused)


# --- the intake -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def running(kafka: str) -> Iterator[Running]:
    """An intake with little patience and few places; the first of its tokens has a mapping."""
    settings = {"client_seconds": 1, "max_requests": 4, "max_bytes": 300_000, "mappings": "token-1=discourse market=SE"}
    with intake(kafka, PREFIX, **settings) as one:
        yield one


def test_what_was_posted_stands_on_the_topic(running: Running, kafka: str) -> None:
    """At the place that the answer names, with its key and trace."""
    answer = running.post([event("posted"), event("bad", text=" ")], traceparent=PARENT)
    accepted, refused = answer.json()["results"]
    assert (207, "text_empty") == (answer.status_code, refused["code"])
    (found,) = [one for one in records_of(kafka, topic_name(PREFIX, "feedback")) if one.key == b"uposted"]
    assert (accepted["partition"], accepted["offset"]) == (found.partition, found.offset)
    assert (("traceparent", PARENT.encode()),) == found.headers


def test_what_was_posted_through_a_mapping_stands_on_the_topic(running: Running, kafka: str) -> None:
    """As an event with its user as the key; a retry of the body has the same id, what is left out is nowhere."""
    post = {"username": "mapped", "created_at": utc(time.time_ns() // 1_000_000)}
    posts = [post | {"id": 51, "cooked": "<p>inte&nbsp;bra</p>"}, post | {"id": 52, "cooked": "<p></p>"}]
    body = {"id": 7, "post_stream": {"posts": posts}}
    answers = [running.post(body, Authorization=f"Bearer {OTHER_TOKEN}") for _ in range(2)]
    assert [207, 207] == [answer.status_code for answer in answers]
    accepted, refused = answers[0].json()["results"]
    assert ("51", "text_empty") == (accepted["id"], refused["code"])
    records = [one for one in records_of(kafka, topic_name(PREFIX, "feedback")) if one.key == b"mapped"]
    found = [json.loads(one.value) for one in records]
    assert [("51", "SE", "inte\xa0bra", "discourse")] * 2 == [
        (one["id"], one["market"], one["text"], one["channel"]) for one in found
    ]
    assert 422 == running.post(body).status_code, "with the token that has none"


def raw(running: Running, begin: bytes) -> socket.socket:
    """A connection on which so much has been sent."""
    connection = socket.create_connection(("127.0.0.1", running.port), 20)
    connection.sendall(begin)
    return connection


def head(length: int) -> bytes:
    """The head of a request with a body of so many bytes."""
    lines = (
        "POST /v1/feedback HTTP/1.1", "Host: localhost", "Content-Type: application/json",
        f"Authorization: {HEADERS['Authorization']}", f"Content-Length: {length}",
    )  # fmt: skip
    return "\r\n".join((*lines, "", "")).encode()


def test_slow_clients_lose_their_connection(running: Running) -> None:
    """Nothing sent, half a head, a head that dribbles, half a body: in some seconds all of them are gone."""
    slow = [raw(running, begin) for begin in (b"", b"POST /v1/fe", head(100) + b'{"id"')]
    dribbling = raw(running, b"POST /v1/feedback HTTP/1.1\r\n")

    def lost() -> bool:
        try:
            dribbling.sendall(b"X: y\r\n")
        except OSError:
            return True
        return False

    until(lost, 20, every_s=0.2)
    said = [connection.makefile("rb").read() for connection in slow]
    assert [b"", b""] == said[:2]
    assert said[2].startswith(b"HTTP/1.1 408 ")
    assert b'"too_slow"' in said[2]
    for connection in (*slow, dribbling):
        connection.close()
    assert 200 == running.post(event("meanwhile")).status_code


def test_bodies_and_heads_have_bounds(running: Running) -> None:
    """Also where no length was said."""
    with raw(running, head(0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")) as endless:
        for _ in range(12):
            endless.sendall(b"7530\r\n" + b" " * 0x7530 + b"\r\n")
        assert endless.recv(100).startswith(b"HTTP/1.1 413 ")
    with raw(running, head(2)[:-2] + b"X: " + b"y" * 20_000) as long_head:
        assert long_head.recv(100).startswith(b"HTTP/1.1 400 ")
    assert 413 == running.post([event(n, text="x" * 8_000) for n in range(50)]).status_code


def test_a_flood_is_429_and_costs_no_memory(running: Running) -> None:
    """200 clients at once with a quarter of a megabyte each: some are served, nobody sees an error of another kind."""
    batch = [event(n, text="x" * 5_000) for n in range(50)]
    before = memory(running)

    async def flood() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=200)
        async with httpx.AsyncClient(headers=HEADERS, trust_env=False, timeout=60, limits=limits) as client:
            url = f"{running.url}v1/feedback"
            return await asyncio.gather(*(client.post(url, json=batch) for _ in range(200)))

    answers = asyncio.run(flood())
    statuses = {one.status_code for one in answers}
    # A machine that is busy enough may also be too slow for a body, or for Kafka.
    assert {200, 429} <= statuses <= {200, 408, 429, 503}
    assert {"1"} == {one.headers["Retry-After"] for one in answers if one.status_code == 429}
    until(lambda: "marketpulse_intake_requests_in_flight 0.0" in running.metrics())
    assert memory(running) - before < 60_000_000


def memory(running: Running) -> float:
    """Resident bytes of the process."""
    lines = running.metrics().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("process_resident_memory_bytes "))


def test_sigterm_finishes_what_is_in_flight(kafka: str) -> None:
    """A request whose body is still on its way is answered; new ones are not taken; exit code 0."""
    body = json.dumps(event("last")).encode()
    with intake(kafka, PREFIX) as one:
        connection = raw(one, head(len(body)) + body[:20])
        until(lambda: "marketpulse_intake_requests_in_flight 1.0" in one.metrics())
        one.process.terminate()
        until(lambda: refuses(one.port))
        connection.sendall(body[20:])
        said = connection.makefile("rb").read()
        connection.close()
        assert said.startswith(b"HTTP/1.1 200 ")
        assert b'"accepted":1' in said
        assert 0 == one.process.wait(30)


def refuses(port: int) -> bool:
    """Whether nobody listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except ConnectionRefusedError:
        return True
    return False


def test_beyond_this_machine_it_wants_tokens() -> None:
    """Exit code 2 and its error code."""
    done = marketpulse("intake", "--host", "0.0.0.0")
    assert (2, True) == (done.returncode, "intake_unprotected" in done.stderr)
