"""The intake under a producer's rights alone: TLS, logins and ACLs on, no Redis, no key of user ids."""

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from marketpulse.contract.topics import topic_name
from streams.access.kafka_acls import create_acls
from streams.dev.embedded.servers import free_port
from streams.dev.processes import served
from streams.kafka.admin import create_topics, topic_offsets
from tests.support.intakes import HEADERS, TOKEN, Running, intake, records_of
from tests.support.secured import Secured
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(240)
PREFIX = "secured-intake"
OTHER = "another-token-of-an-intake"


def event(name: str) -> dict[str, Any]:
    """One that keeps the contract."""
    return {"id": name, "market": "BR", "text": "chegou quebrado", "occurred_at": time.time_ns() // 1_000_000}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """Kafka with every role's user, its rules and topics; Redis stays down, no intake needs it."""
    both = Secured(tmp_path_factory.mktemp("secured"), PREFIX)
    try:
        both.kafka.start()
        asyncio.run(create_acls(both.settings("admin").kafka_servers, PREFIX, both.principals))
        asyncio.run(create_topics(both.settings("operator").kafka_servers, PREFIX, 2))
        yield both
    finally:
        both.kafka.stop()


def login(servers: Secured, role: Any) -> dict[str, str]:
    """Kafka's login of a role, a port of probes, and nothing of Redis."""
    given = {name: value for name, value in servers.environment(role).items() if "_REDIS_" not in name}
    return given | {"MARKETPULSE_REDIS_URL": "redis://127.0.0.1:1/0", "MARKETPULSE_HEALTH_PORT": str(free_port())}


@pytest.fixture(scope="module")
def running(servers: Secured) -> Iterator[tuple[Running, dict[str, str]]]:
    """An intake with a producer's login and two tokens; what it was given."""
    given = login(servers, "producer")
    with intake(servers.kafka.bootstrap, PREFIX, given, tokens=f"shop:{TOKEN},{OTHER}", events_per_second=50) as one:
        yield one, given


def test_each_form_of_events_is_on_the_topic_when_it_is_answered(
    servers: Secured, running: tuple[Running, dict[str, str]]
) -> None:
    """One, a batch, a CloudEvent; what the contract refuses is not there."""
    envelope = {"specversion": "1.0", "id": "4", "source": "/shop", "type": "feedback", "data": event("4")}
    answers = [
        running[0].post(event("1")),
        running[0].post([event("2"), event("3") | {"market": "XX"}]),
        running[0].post(envelope, **{"Content-Type": "application/cloudevents+json"}),
    ]
    assert [200, 207, 200] == [one.status_code for one in answers], [one.text for one in answers]
    admin = servers.settings("admin").kafka_servers
    names = {json.loads(one.value).get("id") for one in records_of(admin, topic_name(PREFIX, "feedback"))}
    assert {"1", "2", "4"} == names & {"1", "2", "3", "4", None}  # others' are there too, in any order of tests


def test_what_it_says_names_the_client_and_no_secret(running: tuple[Running, dict[str, str]]) -> None:
    """Metrics on the port of the probes: names of tokens; neither tokens nor the login's password."""
    one, given = running
    inside = f"http://127.0.0.1:{given['MARKETPULSE_HEALTH_PORT']}"
    ready, metrics = (httpx.get(f"{inside}/{path}", trust_env=False) for path in ("readyz", "metrics"))
    assert (200, {"status": "ok", "problems": []}) == (ready.status_code, ready.json())
    assert 'marketpulse_intake_client_events_total{client="shop"}' in metrics.text
    for secret in (TOKEN, OTHER, given["MARKETPULSE_KAFKA_PASSWORD"]):
        assert secret not in metrics.text
    assert 401 == httpx.get(f"{one.url}metrics", trust_env=False).status_code


def test_one_clients_quota_is_not_the_others(running: tuple[Running, dict[str, str]]) -> None:
    """A burst of 1,000, then 429 with the time to wait; who has another token is served."""
    batch = [event(f"b-{number}") for number in range(1_000)]
    over = until_refused(running[0], batch)
    assert ("over_quota", True) == (over.json()["code"], int(over.headers["Retry-After"]) > 1)
    assert '"events";q=1000;w=20' == over.headers["RateLimit-Policy"]
    assert 200 == running[0].post(event("other"), Authorization=f"Bearer {OTHER}").status_code


def until_refused(one: Running, batch: list[dict[str, Any]]) -> httpx.Response:
    """The first answer that is no 200, of three at most."""
    answers = [one.post(batch) for _ in range(3)]
    return next(answer for answer in answers if answer.status_code != 200)


def test_without_the_right_to_write_it_is_not_ready_and_takes_nothing(servers: Secured) -> None:
    """A reader's login: 503, the reason on the port of the probes alone; nothing is on the topic."""
    given = login(servers, "reader") | {"MARKETPULSE_INTAKE_TOKENS": TOKEN}
    admin, topic = servers.settings("admin").kafka_servers, topic_name(PREFIX, "feedback")
    before = asyncio.run(topic_offsets(admin, topic))
    inside = f"http://127.0.0.1:{given['MARKETPULSE_HEALTH_PORT']}/readyz"
    with served("intake", "--port", "0", environment=given) as one:
        until(lambda: PREFIX in httpx.get(inside, trust_env=False).text, what=lambda: httpx.get(inside).text)
        answer = httpx.post(f"{one.url}v1/feedback", json=event("x"), headers=HEADERS, trust_env=False)
        outside = httpx.get(f"{one.url}readyz", trust_env=False)
    assert (503, "kafka_away") == (answer.status_code, answer.json()["code"])
    assert (503, ["Kafka does not answer"]) == (outside.status_code, outside.json()["problems"])
    assert before == asyncio.run(topic_offsets(admin, topic))
