"""What a client of the intake may have on its way: room, quotas and shares, and the tokens it is known by."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.datastructures import Headers as HttpHeaders

from marketpulse.client.async_producer import MAX_PENDING_BYTES
from streams.errors import IntakeUnprotected, SettingsError
from streams.intake.bodies import JSON, LINES, Refusal
from streams.intake.gate import MAX_BYTES_ON_WAY, Client, Gate, tokens_of
from streams.intake.serve import serve
from streams.settings import Settings, load_settings
from tests.support.intake_app import GOOD, TOKENS, FakeProducer, client_of
from tests.support.waiting import until_async

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_too_much_on_its_way_is_429(client: httpx.AsyncClient, producer: FakeProducer) -> None:
    """With the time to come again."""
    producer.pending_bytes = MAX_PENDING_BYTES
    answer = await client.post("/v1/feedback", json=GOOD)
    assert (429, "busy", "1", []) == (
        answer.status_code, answer.json()["code"], answer.headers["Retry-After"], producer.records,
    )  # fmt: skip


async def test_without_kafka_it_is_503_at_once(producer: FakeProducer) -> None:
    """And not ready, but alive."""
    producer.away = True
    async with client_of(producer) as client:
        answer = await client.post("/v1/feedback", json=GOOD)
        assert (503, "kafka_away", "1") == (answer.status_code, answer.json()["code"], answer.headers["Retry-After"])
        assert [200, 503] == [(await client.get(path)).status_code for path in ("/livez", "/readyz")]


def test_without_tokens_only_names_of_this_machine_are_answered() -> None:
    """No other site's name can be made to lead here, and no other address is listened on."""
    for name in ("localhost:8081", "127.0.0.1", "[::1]:8081"):
        Gate(Settings()).client(HttpHeaders({"host": name}))
    with pytest.raises(Refusal, match="this machine only"):
        Gate(Settings()).client(HttpHeaders({"host": "evil.example"}))
    with pytest.raises(IntakeUnprotected, match="intake_unprotected"):
        serve(Settings(), "0.0.0.0", 0, lambda _: None)


@pytest.mark.parametrize("tokens", ["short", f"{TOKENS[0]},short", f"{TOKENS[0]},", ""])
def test_tokens_that_can_be_guessed_are_refused(tokens: str) -> None:
    """Each must have 16 characters; the message shows none of them."""
    with pytest.raises(SettingsError, match=r"MARKETPULSE_INTAKE_TOKENS: .* 16 characters") as refused:
        load_settings(intake_tokens=tokens)
    assert TOKENS[0] not in str(refused.value)


def test_tokens_may_have_names_also_two_of_one_client() -> None:
    """While one follows the other; a token of another form is called by its place."""
    base64 = "c29tZXRoaW5nIGVsc2U=="
    settings = load_settings(intake_tokens=f"shop:{TOKENS[0]}, shop:{TOKENS[1]}, {base64}")
    assert [*TOKENS, base64] == tokens_of(settings)
    assert ["shop", "shop", "token-3"] == Gate(settings).names


@pytest.mark.parametrize("text", ["only-for-a-trial", "shop:only-for-a-trial"])
def test_an_example_that_everybody_can_read_is_no_token(text: str) -> None:
    """Neither of the intake nor of the page."""
    for setting in ("intake_tokens", "page_token"):
        if setting == "intake_tokens" or ":" not in text:
            with pytest.raises(SettingsError, match="everybody can read"):
                load_settings(**{setting: text})


async def test_a_client_has_a_quota_of_events_and_others_do_not_feel_it(producer: FakeProducer) -> None:
    """429 with the time after which there is room, RateLimit fields, the name of the token in the metrics."""
    third_token = "a-third-token-of-an-intake"
    first, second, third = ({"Authorization": f"Bearer {token}"} for token in (*TOKENS, third_token))
    tokens = f"shop:{TOKENS[0]},{TOKENS[1]},{third_token}"
    async with client_of(producer, intake_tokens=tokens, intake_events_per_second=2, intake_max_events=4) as client:
        taken = await client.post("/v1/feedback", json=[GOOD] * 3, headers=first)
        assert (200, '"events";q=4;w=2', '"events";r=1;t=2') == (
            taken.status_code, taken.headers["RateLimit-Policy"], taken.headers["RateLimit"]
        )  # fmt: skip
        over = await client.post("/v1/feedback", json=[GOOD] * 4, headers=first)
        assert (429, "over_quota", "2", 3) == (
            over.status_code, over.json()["code"], over.headers["Retry-After"], len(producer.records)
        )  # fmt: skip
        assert 200 == (await client.post("/v1/feedback", json=[GOOD] * 4, headers=second)).status_code
        assert (400, 429) == tuple(
            [
                (
                    await client.post("/v1/feedback", content=b"\n" * 4_096, headers=third | {"Content-Type": LINES[0]})
                ).status_code
                for _ in range(2)
            ]
        )  # what is no event at all costs its bytes
        found = (await client.get("http://probes/metrics")).text
    for line in (
        'marketpulse_intake_client_events_total{client="shop"} 3.0',
        'marketpulse_intake_client_events_total{client="token-2"} 4.0',
        'marketpulse_intake_held_back_total{client="shop"} 1.0',
    ):
        assert line in found
    assert TOKENS[0] not in found


async def test_one_client_cannot_hold_all_requests_at_once(producer: FakeProducer) -> None:
    """Three of four places for one of two tokens; a fourth request of it is 429, another's is taken."""
    came = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        await came.wait()
        yield json.dumps(GOOD).encode()

    first, second = ({"Authorization": f"Bearer {token}", "Content-Type": JSON} for token in TOKENS)
    async with client_of(producer, intake_max_requests=4) as client:
        held = [asyncio.create_task(client.post("/v1/feedback", content=slow(), headers=first)) for _ in range(3)]

        async def working() -> bool:
            return "marketpulse_intake_requests_in_flight 3.0" in (await client.get("http://probes/metrics")).text

        await until_async(working)
        refused = await client.post("/v1/feedback", json=GOOD, headers=first)
        other = await client.post("/v1/feedback", json=GOOD, headers=second)
        came.set()
        assert [200] * 3 == [one.status_code for one in await asyncio.gather(*held)]
    assert (429, "too_many_requests", 200) == (refused.status_code, refused.json()["code"], other.status_code)


async def test_the_bytes_of_one_client_leave_room_for_others(producer: FakeProducer) -> None:
    """Of 16 MiB on their way to Kafka 12 are the most that one of two tokens may have; another's request is taken."""
    producer.acknowledges.clear()
    first, second = ({"Authorization": f"Bearer {token}"} for token in TOKENS)
    large = GOOD | {"attributes": {"filler": "x" * 5_000_000}}
    async with client_of(producer, intake_max_bytes=8_000_000) as client:
        held = [asyncio.create_task(client.post("/v1/feedback", json=large, headers=first)) for _ in range(3)]
        done, sent = await asyncio.wait(held, timeout=10, return_when=asyncio.FIRST_COMPLETED)
        [refused] = [(one.result().status_code, one.result().json()["code"]) for one in done] or [None]
        other = asyncio.create_task(client.post("/v1/feedback", json=GOOD, headers=second))
        producer.acknowledges.set()
        assert 200 == (await other).status_code
        assert [422, 422] == [(await one).status_code for one in sent]  # no attribute may be as long
        assert 422 == (await client.post("/v1/feedback", json=large, headers=first)).status_code
    assert (429, "busy") == refused


async def test_a_trace_that_goes_to_every_event_takes_its_room(
    producer: FakeProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a request repeats for each of its events is on its way as often."""
    sizes = []

    def on_way(_gate: Gate, _client: Client, size: int) -> contextlib.AbstractContextManager[None]:
        sizes.append(size)
        return contextlib.nullcontext()

    monkeypatch.setattr(Gate, "on_way", on_way)
    async with client_of(producer) as client:
        for headers in ({}, {"traceparent": PARENT, "tracestate": "a=b"}):
            await client.post("/v1/feedback", json=[GOOD, GOOD], headers=headers)
    assert 2 * len(f"traceparent{PARENT}tracestatea=b") == sizes[1] - sizes[0]


def test_what_others_leave_is_shared_and_a_single_client_keeps_the_whole() -> None:
    """What one of two has on its way leaves the other less; with one token there are no others."""
    two, one = Gate(load_settings(intake_tokens=",".join(TOKENS))), Gate(load_settings(intake_tokens=TOKENS[0]))
    (first, second), (alone, _) = (
        [gate.client(HttpHeaders({"authorization": f"Bearer {token}"})) for token in tokens]
        for gate, tokens in ((two, TOKENS), (one, TOKENS[:1] * 2))
    )
    half = MAX_BYTES_ON_WAY // 2
    with contextlib.ExitStack() as under_way:
        under_way.enter_context(two.on_way(first, half))
        under_way.enter_context(two.on_way(second, half // 2))
        under_way.enter_context(two.on_way(second, half // 4))
        with pytest.raises(Refusal, match="too much of this token"):
            under_way.enter_context(two.on_way(second, 1))
        under_way.enter_context(one.on_way(alone, 3 * half))
        under_way.enter_context(one.on_way(alone, half))
    assert [0, 0, 0] == [client.bytes_on_way for client in (first, second, alone)]


def test_a_quota_fills_again_with_time() -> None:
    """Up to the burst; without a rate there is none."""
    now = [0.0]
    client = Client("shop", 2.0, 4, 1, lambda: now[0])
    client.take(4)
    with pytest.raises(Refusal) as over:
        client.take(3)
    now[0] = 1.5
    client.take(3)
    now[0] = 100.0
    assert (2, '"events";r=4;t=0') == (over.value.wait_s, client.headers()["RateLimit"])
    unlimited = Client("shop", 0, 0, 1)
    unlimited.take(10**9)
    assert {} == unlimited.headers()


def test_a_large_body_counts_as_more_events() -> None:
    """One for each KiB, since bytes cost time; a body that is allowed is never refused for ever."""
    assert 4 == Client("shop", 2.0, 4, 1).take(1_024)
