"""The intake's side of HTTP: who may post, what is read, what is answered; a fake stands for the producer."""

import json
from typing import cast

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers as HttpHeaders
from structlog.testing import capture_logs

from marketpulse.client.async_producer import AsyncProducer, Delivery
from marketpulse.contract.decode import Rejected
from marketpulse.errors import NotAcknowledged
from streams.intake.answers import Answer, answer_of
from streams.intake.app import create_intake
from streams.intake.bodies import BATCH, JSON, LINES, SINGLE, Refusal, kind_of, values_of
from streams.intake.openapi import openapi
from streams.intake.telemetry import STATUSES
from streams.settings import load_settings
from tests.support.intake_app import GOOD, NOW, TOKENS, FakeProducer, client_of

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_one_event_goes_on_with_its_own_bytes(client: httpx.AsyncClient, producer: FakeProducer) -> None:
    """White space, order and unknown fields too; the answer says where it stands."""
    body = b' {"market":"BR", "id":"1","text":"bom","occurred_at":%d,"new":[1]}' % NOW
    answer = await client.post(
        "/v1/feedback", content=body, headers={"Content-Type": "application/json; charset=UTF-8"}
    )
    assert (200, [(body, [])]) == (answer.status_code, producer.records)
    assert [{"index": 0, "status": "accepted", "id": "1", "partition": 0, "offset": 0}] == answer.json()["results"]


@pytest.mark.parametrize("kind", [JSON, BATCH, *LINES])
async def test_a_partial_batch_sends_the_good_ones_and_names_the_others(
    client: httpx.AsyncClient, producer: FakeProducer, kind: str
) -> None:
    """By index and code, in each form of a batch."""
    events = [GOOD, GOOD | {"market": "XX"}, 7, GOOD | {"id": "2"}]
    lines = "\r\n".join(map(json.dumps, events)) + "\n\n"
    body = lines if kind in LINES else json.dumps(events)
    answer = await client.post("/v1/feedback", content=body, headers={"Content-Type": kind})
    content = answer.json()
    assert (207, 2, 2, 0) == (
        answer.status_code,
        *(content[name] for name in ("accepted", "refused", "unacknowledged")),
    )
    codes = [(one["index"], one.get("code")) for one in content["results"]]
    assert [(0, None), (1, "unknown_market"), (2, "not_an_object"), (3, None)] == codes
    assert [GOOD, GOOD | {"id": "2"}] == [json.loads(value) for value, _ in producer.records]


async def test_half_of_a_surrogate_pair_in_a_batch_costs_no_other_event(
    client: httpx.AsyncClient, producer: FakeProducer
) -> None:
    """A text that JavaScript cut: it is read with U+FFFD in its place, as it is alone or in a line."""
    cut = json.dumps(GOOD).replace("bom", "bom \\ud83d")
    body = f"[{cut}, {json.dumps(GOOD | {'id': '2'})}]".encode()
    answer = await client.post("/v1/feedback", content=body, headers={"Content-Type": JSON})
    assert (200, ["bom \N{REPLACEMENT CHARACTER}", "bom"]) == (
        answer.status_code, [json.loads(value)["text"] for value, _ in producer.records]
    )  # fmt: skip


async def test_cloud_events_in_all_modes(client: httpx.AsyncClient, producer: FakeProducer) -> None:
    """Structured, batched, and binary, whose ce- headers become Kafka's and whose values are percent-decoded."""
    data = {"market": "BR", "text": "bom"}
    whole = {
        "specversion": "1.0",
        "id": "c1",
        "source": "/s",
        "type": "f",
        "time": "2026-09-21T14:13:20Z",
        "data": data,
    }
    headers = {"ce-specversion": "1.0", "ce-id": "c%C3%A9", "ce-time": "2026-09-21T14:13:20Z", "traceparent": PARENT}
    answers = [
        await client.post("/v1/feedback", json=whole, headers={"Content-Type": SINGLE}),
        await client.post("/v1/feedback", json=[whole, whole], headers={"Content-Type": BATCH}),
        await client.post("/v1/feedback", json=data, headers=headers),
    ]
    ids = [[one["id"] for one in answer.json()["results"]] for answer in answers]
    assert [["/s c1"], ["/s c1", "/s c1"], ["cé"]] == ids
    sent = dict(producer.records[-1][1])
    assert (PARENT.encode(), b"1.0", "cé".encode()) == (sent["traceparent"], sent["ce_specversion"], sent["ce_id"])
    array = await client.post("/v1/feedback", json=[data], headers=headers)
    assert (422, "not_an_object") == (array.status_code, array.json()["results"][0]["code"])
    for without in ({"traceparent": "x" * 55}, {"ce-x": "A" * 1_000}):
        assert 200 == (await client.post("/v1/feedback", json=[GOOD, GOOD | {"id": "2"}], headers=without)).status_code
        assert [] == producer.records[-1][1], "what a request repeats for each event of a batch"


@pytest.mark.parametrize(
    ("status", "code", "body", "headers"),
    [
        (401, "no_token", b"{}", {"Authorization": ""}),
        (401, "no_token", b"{}", {"Authorization": f"Basic {TOKENS[0]}"}),
        (401, "wrong_token", b"{}", {"Authorization": "Bearer first-token-of-16-character"}),
        (401, "wrong_token", b"{}", {"Authorization": f"Bearer {','.join(TOKENS)}"}),
        (415, "unsupported_type", b"{}", {"Content-Type": "text/plain"}),
        (415, "unsupported_charset", b"{}", {"Content-Type": "application/json; charset=latin-1"}),
        (415, "unsupported_encoding", b"{}", {"Content-Encoding": "gzip"}),
        (431, "too_many_headers", b"{}", {"ce-specversion": "1.0"} | {f"ce-{n}": "x" for n in range(100)}),
        (431, "header_too_long", b"{}", {"ce-specversion": "1.0", "ce-id": "x" * 1_100}),
        (413, "too_long", b"[" + b" " * 1_048_576 + b"]", {}),
        (413, "too_many_events", b"[" + b"1," * 1_000 + b"1]", {}),
        (400, "no_events", b" ", {}),
        (400, "no_events", b"[]", {}),
        (400, "not_json", b"[1", {}),
        (400, "not_json", b"[" * 500_000, {}),
        (400, "not_an_array", b"{}", {"Content-Type": BATCH}),
    ],
)
async def test_what_is_not_worked_on_has_a_code(
    client: httpx.AsyncClient, producer: FakeProducer, status: int, code: str, body: bytes, headers: dict[str, str]
) -> None:
    """A Problem with words, and nothing sent."""
    answer = await client.post("/v1/feedback", content=body, headers={"Content-Type": JSON} | headers)
    assert (status, code, []) == (answer.status_code, answer.json()["code"], producer.records)
    assert answer.json()["error"]


async def test_both_tokens_open_while_one_follows_the_other(client: httpx.AsyncClient) -> None:
    """Probes need none; metrics do, here."""
    for token in TOKENS:
        answer = await client.post("/v1/feedback", json=GOOD, headers={"Authorization": f"Bearer {token}"})
        assert 200 == answer.status_code
    for path, status in (("/livez", 200), ("/readyz", 200), ("/metrics", 401)):
        assert status == (await client.get(path, headers={"Authorization": ""})).status_code


async def test_no_client_sees_the_names_of_others(producer: FakeProducer) -> None:
    """Metrics name each client: of several they are on the probes' own port alone; two tokens of one are one."""
    for tokens, status in ((f"shop:{TOKENS[0]},app:{TOKENS[1]}", 404), (f"shop:{TOKENS[0]},shop:{TOKENS[1]}", 200)):
        async with client_of(producer, intake_tokens=tokens) as client:
            answer = await client.get("/metrics")
            assert (status, status == 200) == (answer.status_code, "shop" in answer.text)
            assert 'client="shop"' in (await client.get("http://probes/metrics")).text


async def test_a_wrong_token_is_logged_with_its_address_once_a_minute(client: httpx.AsyncClient) -> None:
    """Never the token; no token at all is no line."""
    with capture_logs() as logs:
        for method, path in (("POST", "/v1/feedback"), ("GET", "/metrics")):
            for token in ("Bearer guess-of-16-characters", ""):
                answer = await client.request(method, path, headers={"Authorization": token})
                assert 401 == answer.status_code
    assert [{"event": "intake_token_refused", "address": "127.0.0.1", "log_level": "warning"}] == [
        {name: line[name] for name in ("event", "address", "log_level")} for line in logs
    ]
    assert "guess" not in str(logs)


async def test_another_address_or_method_is_said(client: httpx.AsyncClient) -> None:
    """With a code as everything else."""
    assert "not_found" == (await client.post("/v2/feedback")).json()["code"]
    answer = await client.get("/v1/feedback")
    assert (405, "POST", "method_not_allowed") == (answer.status_code, answer.headers["Allow"], answer.json()["code"])


async def test_one_unacknowledged_event_makes_it_503(client: httpx.AsyncClient, producer: FakeProducer) -> None:
    """So that who looks at the status alone sends all of them again."""
    producer.lost = {"2"}
    answer = await client.post("/v1/feedback", json=[GOOD, GOOD | {"id": "2"}, {}])
    assert (503, "1") == (answer.status_code, answer.headers["Retry-After"])
    assert ["accepted", "unacknowledged", "refused"] == [one["status"] for one in answer.json()["results"]]
    found = (await client.get("http://probes/metrics")).text
    for line in (
        'marketpulse_intake_requests_total{status="503"} 1.0',
        'marketpulse_intake_events_total{result="unacknowledged"} 1.0',
        'marketpulse_intake_refused_total{code="missing_field"} 1.0',
        "marketpulse_intake_ready 1.0",
    ):
        assert line in found


async def test_strangers_are_told_no_address(producer: FakeProducer) -> None:
    """Kafka does not answer, says the probe; the probes' own port says which, and why."""
    producer.away = True
    application = create_intake(load_settings(), cast(AsyncProducer, producer))
    probes = httpx.ASGITransport(application.state.probes)
    async with (
        application.router.lifespan_context(application),
        httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://localhost") as outside,
        httpx.AsyncClient(transport=probes, base_url="http://10.0.0.7") as inside,
    ):
        assert ["Kafka does not answer"] == (await outside.get("/readyz")).json()["problems"]
        assert ["not connected to Kafka yet"] == (await inside.get("/readyz")).json()["problems"]
        assert [200, 200] == [(await inside.get(path)).status_code for path in ("/livez", "/metrics")]


@given(st.binary() | st.lists(st.binary(max_size=9)).map(lambda parts: b"[" + b",".join(parts) + b"]"), st.booleans())
def test_any_body_is_events_or_a_refusal(body: bytes, binary: bool) -> None:
    """Nothing but Refusal is raised, and no event is more than the body held."""
    for kind in (JSON, SINGLE, BATCH, *LINES):
        try:
            values = values_of(body, kind, binary, 1_000)
        except Refusal as refusal:
            assert refusal.status in (400, 413)
        else:
            assert all(value in body for value in values)


@given(st.text(alphabet='aplicton/json;chrset=utf-8 "', max_size=40))
def test_any_content_type_is_known_or_refused(given_type: str) -> None:
    """Never a crash."""
    try:
        assert kind_of(HttpHeaders({"content-type": given_type})) in (JSON, SINGLE, BATCH, *LINES)
    except Refusal as refusal:
        assert 415 == refusal.status


def test_every_status_is_in_the_openapi_document() -> None:
    """And every route; results keep their schema."""
    document = openapi()
    assert set(map(str, STATUSES)) == set(document["paths"]["/v1/feedback"]["post"]["responses"])
    assert {"/v1/feedback", "/livez", "/readyz", "/metrics"} == set(document["paths"])
    bodies = document["paths"]["/v1/feedback"]["post"]["requestBody"]["content"]
    assert {JSON, SINGLE, BATCH, *LINES} == set(bodies)
    status, answer = answer_of([Delivery("1", "t", 0, 1), Rejected("bad_time", "words"), NotAcknowledged("lost")])
    assert (503, answer) == (status, msgspec.json.decode(msgspec.json.encode(answer), type=Answer))
