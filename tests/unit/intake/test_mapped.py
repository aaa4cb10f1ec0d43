"""Bodies of other software: what a token's mapping makes of them, what it leaves out, what they may cost."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketpulse.client.async_producer import MAX_PENDING_BYTES
from marketpulse.contract.decode import Rejected
from marketpulse.contract.feedback import MAX_VALUE_BYTES
from streams.errors import SettingsError
from streams.intake.app import create_intake
from streams.intake.bodies import BATCH, JSON, LINES, SINGLE, Refusal
from streams.intake.mapped import events_of, forms_of, records_of
from streams.settings import load_settings
from streams.sources.mapped import MappedForm, mapped_form
from streams.sources.mapping_file import load_mapping, mapping_of, ready_mappings
from tests.support.intake_app import GOOD, NOW, TOKENS, FakeProducer, client_of

AT = datetime.fromtimestamp(NOW / 1_000, UTC).isoformat()
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TICKET = {
    "id": 35_436, "created_at": AT, "requester_id": 20_978, "locale": "pt-BR", "via": {"channel": "web"},
    "subject": "Pedido", "description": "chegou quebrado", "satisfaction_rating": {"score": "bad"},
}  # fmt: skip
EVENT = {
    "id": "35436", "market": "BR", "text": "chegou quebrado", "occurred_at": AT.replace("+00:00", ".000Z"),
    "user": "20978", "lang": "pt-BR", "channel": "web", "rating": 1,
}  # fmt: skip
WITHOUT_ID: dict[str, Any] = {
    "id": {"hash": ["mail", "at"]}, "market": {"is": "DE"}, "text": "note",
    "occurred_at": {"from": "at", "format": "%d.%m.%Y %H:%M", "zone": "Europe/Berlin"},
}  # fmt: skip
NAMED = f"shop:{TOKENS[0]},helpdesk:{TOKENS[1]}"


@pytest.fixture
def producer() -> FakeProducer:
    return FakeProducer()


@contextlib.asynccontextmanager
async def helpdesk(
    producer: FakeProducer, mapping: str = "zendesk", **settings: object
) -> AsyncIterator[httpx.AsyncClient]:
    """A client whose token has a mapping; the token `shop` has none."""
    given = {"intake_tokens": NAMED, "intake_mappings": f"helpdesk={mapping}"} | settings
    async with client_of(producer, **given) as client:
        yield client


def form(tables: dict[str, Any] | str = "zendesk") -> MappedForm:
    return mapped_form(load_mapping(tables) if isinstance(tables, str) else mapping_of(tables, "test"), "")


async def events(body: Any, tables: dict[str, Any] | str = "zendesk", kind: str = JSON) -> list[dict[str, Any] | str]:
    """The events of a body; code and reason of what is none."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    its_form = form(tables)
    found = await events_of(records_of(content, kind, its_form, 1_000), its_form)
    return [f"{one.code}, {one}" if isinstance(one, Rejected) else one for one in found]


# --- bodies ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (JSON, json.dumps(TICKET)),
        (JSON, json.dumps([TICKET])),
        (JSON, "\ufeff" + json.dumps(TICKET, indent=1)),
        *((kind, f"\r\n{json.dumps(TICKET)}\r\n") for kind in LINES),
    ],
)
async def test_a_body_is_read_through_the_mapping_of_its_token(producer: FakeProducer, kind: str, body: str) -> None:
    """One record, an array, JSON lines; the trace goes on, a CloudEvent's headers do not."""
    headers = {"Content-Type": kind, "traceparent": PARENT, "ce-specversion": "1.0", "ce-id": "x"}
    async with helpdesk(producer) as client:
        answer = await client.post("/v1/feedback", content=body.encode(), headers=headers)
    assert (200, "35436") == (answer.status_code, answer.json()["results"][0]["id"])
    [(value, sent)] = producer.records
    assert (EVENT, [("traceparent", PARENT.encode())]) == (json.loads(value), sent)


async def test_a_token_without_a_mapping_posts_events_as_before(producer: FakeProducer) -> None:
    """With their own bytes; another software's records are refused."""
    body = b' {"market":"BR", "id":"1","text":"bom","occurred_at":%d}' % NOW
    shop = {"Authorization": f"Bearer {TOKENS[0]}", "Content-Type": JSON}
    async with helpdesk(producer) as client:
        taken = await client.post("/v1/feedback", content=body, headers=shop)
        refused = await client.post("/v1/feedback", json=TICKET, headers=shop)
    assert (200, 422, [(body, [])]) == (taken.status_code, refused.status_code, producer.records)


async def test_what_a_mapping_leaves_out_costs_only_itself(producer: FakeProducer) -> None:
    """Each with the code of a dead letter, and the reason as `publish --dry-run` has it, without what users wrote."""
    secret = "my name is Ana"
    left_out = [
        TICKET | {"description": " ", "subject": None},
        TICKET | {"locale": secret},
        TICKET | {"created_at": secret},
        TICKET | {"satisfaction_rating": {"score": secret}},
        {"description": secret},
        secret,
        TICKET | {"created_at": "2001-01-01T00:00:00Z"},
    ]
    async with helpdesk(producer) as client:
        answer = await client.post("/v1/feedback", json=[*left_out, TICKET])
        metrics = (await client.get("http://probes/metrics")).text
    results = answer.json()["results"]
    assert [
        ("text_empty", "text: nothing is there; a rating alone is no event"),
        ("unknown_market", "market: no country that is known"),
        ("bad_time", "occurred_at: no time of its form and zone"),
        ("bad_value", "rating: neither a number nor a known word"),
        ("missing_field", "id: nothing is there"),
        ("not_an_object", "the record is JSON, but not an object"),
        ("too_late", "occurred_at is more than 7 days before the record's own time"),
    ] == [(one["code"], one["message"]) for one in results[:-1]]
    assert (207, 7, "accepted", 7) == (answer.status_code, results[-1]["index"], results[-1]["status"], len(left_out))
    assert secret not in answer.text
    assert 'marketpulse_intake_client_events_total{client="helpdesk"} 1.0' in metrics
    assert 'marketpulse_intake_refused_total{code="text_empty"} 1.0' in metrics


async def test_a_retry_of_a_record_without_an_id_has_the_same_id(producer: FakeProducer, tmp_path: Path) -> None:
    """However its JSON is written; another record has another. Times are in the mapping's zone."""
    mapping = tmp_path / "mine.toml"
    mapping.write_text(
        'text = "note"\n[id]\nhash = ["mail", "at"]\n[market]\nis = "DE"\n'
        '[occurred_at]\nfrom = "at"\nformat = "%d.%m.%Y %H:%M"\nzone = "Europe/Berlin"\n'
    )
    record = {"mail": "a@example.org", "at": "21.09.2026 16:13", "note": "läuft gut"}
    written = [json.dumps(record), json.dumps(record, indent=2, ensure_ascii=False), json.dumps(record | {"mail": "b"})]
    async with helpdesk(producer, str(mapping)) as client:
        answers = [
            await client.post("/v1/feedback", content=body.encode(), headers={"Content-Type": JSON}) for body in written
        ]
    ids = [answer.json()["results"][0]["id"] for answer in answers]
    assert ids[0] == ids[1] != ids[2]
    assert ids[0].startswith("sha256:")
    assert "2026-09-21T14:13:00.000Z" == json.loads(producer.records[0][0])["occurred_at"]


@pytest.mark.parametrize("path", ["data.list", "pages[1].list", "pages[kind=good].list"])
async def test_records_inside_of_an_object_count_each(path: str) -> None:
    """At the mapping's path; an envelope a line, or several in an array, too. What is no list is said."""
    tables = WITHOUT_ID | {"file": {"records": path}}
    record = {"mail": "m", "at": "21.09.2026 16:13", "note": "gut"}
    envelope = {"data": {"list": [record, 7]}, "pages": [{"kind": "bad"}, {"kind": "good", "list": [record, 7]}]}
    texts = [
        [one if isinstance(one, str) else one["text"] for one in found]
        for found in (
            await events(envelope, tables),
            await events([envelope, {"data": 1}], tables),
            await events(b"%b\n{" % json.dumps(envelope).encode(), tables, LINES[0]),
        )
    ]
    assert ["gut"] == [one["text"] for one in await events({path: [record]}, tables) if isinstance(one, dict)]
    no_object = "not_an_object, the record is JSON, but not an object"
    assert [
        ["gut", no_object],
        ["gut", no_object, f"missing_field, no list at {path}"],
        ["gut", no_object, "not_json, the value is not UTF-8 JSON"],
    ] == texts


async def test_records_count_against_limits_and_quota_one_by_one(producer: FakeProducer) -> None:
    """Also those inside of one object, and those that the mapping leaves out; statuses are as without a mapping."""
    async with helpdesk(producer, "discourse", intake_events_per_second=1, intake_max_events=3) as client:

        async def posted(number: int) -> tuple[int, str | None]:
            answer = await client.post("/v1/feedback", json={"post_stream": {"posts": [{}] * number}})
            return answer.status_code, answer.json().get("code")

        assert [(400, "no_events"), (413, "too_many_events"), (422, None), (429, "over_quota")] == [
            await posted(number) for number in (0, 4, 3, 1)
        ]


async def test_cloud_events_are_not_read_through_a_mapping(producer: FakeProducer) -> None:
    """Their envelope is not the software's record."""
    async with helpdesk(producer) as client:
        for kind in (SINGLE, BATCH):
            answer = await client.post("/v1/feedback", json=TICKET, headers={"Content-Type": kind})
            assert (415, "unsupported_type") == (answer.status_code, answer.json()["code"])


async def test_an_unacknowledged_record_keeps_its_place(producer: FakeProducer) -> None:
    """Between those that were left out."""
    producer.lost = {"2"}
    async with helpdesk(producer) as client:
        answer = await client.post("/v1/feedback", json=[{}, TICKET | {"id": 2}, {}, TICKET])
    assert (503, ["refused", "unacknowledged", "refused", "accepted"]) == (
        answer.status_code, [one["status"] for one in answer.json()["results"]],
    )  # fmt: skip


async def test_a_wrong_token_and_a_busy_intake_read_no_body(producer: FakeProducer) -> None:
    """As without a mapping."""
    async with helpdesk(producer) as client:
        assert (
            401 == (await client.post("/v1/feedback", json=TICKET, headers={"Authorization": "Bearer x"})).status_code
        )
        producer.pending_bytes = MAX_PENDING_BYTES
        assert 429 == (await client.post("/v1/feedback", json=TICKET)).status_code


# --- hostile bodies -------------------------------------------------------------------------------------------------

HOSTILE: dict[str, tuple[bytes, str]] = {
    "deep": (b'{"id":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "not_json"),
    "deep, but read": (b'{"id":' + b"[" * 400 + b"]" * 400 + b"}", "missing_field"),
    "huge number": (b'{"id":' + b"9" * 100_000 + b"}", "not_json"),
    "beyond all numbers": (b'{"id":1e999}', "not_json"),
    "no UTF-8": (b'{"id":"\xff"}', "not_json"),
    "cut": (b'{"id":1', "not_json"),
    "larger than an event": (json.dumps(TICKET | {"description": "x" * MAX_VALUE_BYTES}).encode(), "too_large"),
    "long number as text": (
        json.dumps(TICKET | {"satisfaction_rating": {"score": "9" * 200_000}}).encode(), "bad_value",
    ),
    "long time": (json.dumps(TICKET | {"created_at": "2026-" * 40_000}).encode(), "bad_time"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_record_costs_only_itself(producer: FakeProducer, name: str) -> None:
    """What is beside it in the body counts."""
    body, code = HOSTILE[name]
    async with helpdesk(producer) as client:
        answer = await client.post(
            "/v1/feedback", content=body + b"\n" + json.dumps(TICKET).encode(), headers={"Content-Type": LINES[0]}
        )
    assert (207, [code, None]) == (answer.status_code, [one.get("code") for one in answer.json()["results"]])


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('"bom \\ud83d"', "bom \N{REPLACEMENT CHARACTER}"),
        ('"&#xD800;&#' + "9" * 9_000 + ';bom"', "\N{REPLACEMENT CHARACTER}" * 2 + "bom"),
        ('"' + "<p" * 60_000 + '"', "<p" * 4_096),
        ('"' + "<p>&amp;lt;" * 9_000 + 'bom"', "&lt;" * 2_048),
        ('"' + "x" * 200_000 + '"', "x" * 8_192),
    ],
)
async def test_hostile_texts_are_events_within_bounds(written: str, read: str) -> None:
    """Half of a surrogate pair, characters by impossible numbers, bombs of tags and entities, length."""
    body = b'{"id":1,"username":"u","locale":"de-DE","created_at":"%b","raw":%b}' % (AT.encode(), written.encode())
    [found] = await events(b'{"post_stream":{"posts":[%b]}}' % body, "discourse")
    assert isinstance(found, dict)
    assert read == found["text"]


async def test_others_run_while_a_large_body_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """As soon as its records have taken some milliseconds; here each of them has."""
    monkeypatch.setattr("streams.intake.mapped.CHECKS_S", -1.0)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    await events([TICKET] * 50)
    beside.cancel()
    assert turns >= 50


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*TICKET, "items", "answers", "type", "text", "created_at", "score"]), inner)
    ),
)


@given(st.binary() | VALUES.map(lambda value: json.dumps(value).encode()), st.sampled_from(ready_mappings()))
def test_any_body_through_any_mapping_is_events_or_refusals(body: bytes, name: str) -> None:
    """Nothing but Refusal is raised."""
    for kind in (JSON, LINES[0]):
        with contextlib.suppress(Refusal):
            asyncio.run(events(body, name, kind))


# --- settings -------------------------------------------------------------------------------------------------------


def test_mappings_are_by_the_name_of_a_token(tmp_path: Path) -> None:
    """Shipped or a file; what they leave open is beside them; a token without a name goes by its place."""
    mine = tmp_path / "our forms.toml"
    mine.write_text('id = "nr"\nmarket = "land"\ntext = "note"\noccurred_at = "at"\n')
    settings = load_settings(
        intake_tokens=f"shop:{TOKENS[0]},{TOKENS[1]}",
        intake_mappings=f"shop=yelp-reviews market=us, token-2={mine} timezone=America/New_York,",
    )
    forms = forms_of(settings)
    review = {"review_id": "r", "user_id": "u", "stars": 4, "date": "2026-09-21 10:00:00", "text": "ok"}
    answer = {"nr": 1, "land": "Brazil", "note": "bom", "at": "2026-09-21 10:00:00"}
    found = {name: forms.pop(name).event(record) for name, record in (("shop", review), ("token-2", answer))}
    assert {} == forms
    assert [("US", "2026-09-21T10:00:00.000Z"), ("BR", "2026-09-21T14:00:00.000Z")] == [
        (event["market"], event["occurred_at"]) for event in found.values()
    ]
    assert [{}, {}] == [forms_of(load_settings(intake_tokens=NAMED, intake_mappings=none)) for none in (None, " ")]
    assert {"this-machine"} == set(forms_of(load_settings(intake_mappings="this-machine=zendesk")))


def test_a_list_of_mappings_that_cannot_be_used_is_refused_with_every_problem() -> None:
    """Together with those of other settings; a token that was taken for its name is not shown."""
    given = (
        f"shop:{TOKENS[0]}=zendesk, shop=zendesk, shop=discourse, {TOKENS[1]}=zendesk, "
        "app=zendesk market=XX timezone=Mars/One colour=red"
    )
    with pytest.raises(SettingsError) as raised:
        load_settings(intake_tokens=f"{NAMED},app:{TOKENS[0]}", intake_mappings=given, intake_max_bytes=1)
    for problem in (
        "MARKETPULSE_INTAKE_MAX_BYTES: ",
        "MARKETPULSE_INTAKE_MAPPINGS: ",
        "entry 1: write name=mapping",
        "shop: is there twice",
        "app: XX is no market",
        "app: Mars/One is no time zone",
        "app: there is no colour",
        "entry 4: no token has its name, but shop, helpdesk, app",
    ):
        assert problem in str(raised.value)
    for token in TOKENS:
        assert token not in str(raised.value)


def test_mappings_that_cannot_be_used_are_refused_at_start_with_every_problem(tmp_path: Path) -> None:
    """An unknown one with the names of those that are shipped, a broken one with its keys."""
    broken = tmp_path / "broken.toml"
    broken.write_text('id = "nr"\ncolour = "x"\n')
    fixed = tmp_path / "fixed.toml"
    fixed.write_text('id = "nr"\nmarket = { is = "BR" }\ntext = "t"\noccurred_at = { from = "at", zone = "UTC" }\n')
    names = [f"t{number}:{TOKENS[0]}" for number in range(4)]
    given = f"t0=zendesc,t1={broken},t2={fixed} market=DE timezone=UTC,t3=yelp-reviews"
    with pytest.raises(SettingsError) as raised:
        create_intake(load_settings(intake_tokens=",".join(names), intake_mappings=given))
    for problem in (
        "t0: There is no mapping zendesc. ",
        ", ".join(ready_mappings()),
        "t1: ",
        "colour: there is no such key",
        "text: is missing",
        "t2: the mapping sets market, timezone itself",
        "t3: the market is read from the name of a file, which a body does not have",
    ):
        assert problem in str(raised.value)
    assert TOKENS[0] not in str(raised.value)


async def test_two_tokens_of_one_name_have_its_mapping(producer: FakeProducer) -> None:
    """While one follows the other; GOOD is no ticket."""
    tokens = ",".join(f"helpdesk:{token}" for token in TOKENS)
    async with client_of(producer, intake_tokens=tokens, intake_mappings="helpdesk=zendesk") as client:
        for token in TOKENS:
            headers = {"Authorization": f"Bearer {token}"}
            answers = [await client.post("/v1/feedback", json=body, headers=headers) for body in (TICKET, GOOD)]
            assert [200, 422] == [answer.status_code for answer in answers]
