"""What may be shown of a dead letter: no user, however it was spelled, nested or broken."""

import json
from dataclasses import replace

import pytest

from streams.kafka.dead_letters import market_in, parsed
from streams.kafka.letter_view import letter_market, letter_message, letter_text


def shown(value: bytes, message: str = "m") -> str:
    """Everything that page and command show of it."""
    headers = (("__streams.errors.code", b"bad_type"), ("__streams.errors.message", message.encode()))
    one = replace(parsed(3, b"mmuster", value, 1_800_000_000_000, headers), market=market_in(value))
    return f"{letter_text(one)} {letter_message(one)} {letter_market(one)}"


@pytest.mark.parametrize(
    "event",
    [
        {"user": {"name": "mmuster"}, "text": "a"},
        {"userId": "mmuster", "customer": {"name": "Max mmuster"}, "text": "a"},
        {"User": "mmuster", "USER_ID": "mmuster", "uid": "mmuster", "login": "mmuster", "account": "mmuster"},
        {"users": ["anna", "mmuster"], "attributes": {"name": "mmuster"}},
        {"mmuster": "as a key", "text": {"mmuster": 1}},
        {"data": {"user": "mmuster", "text": "t"}, "specversion": "1.0", "subject": "mmuster", "source": "/mmuster"},
        {"market": "mmuster from somewhere", "lang": "mmuster!", "text": ["mmuster"]},
        {"occurred_at": {"mmuster": 1}, "rating": ["mmuster"], "channel": "mmuster"},
        {"user": "mmuster", "id": "mmuster", "rating": "mmuster", "occurred_at": "mmuster", "text": "from mmuster"},
        {"specversion": "1.0", "id": "mmuster-7", "time": "mmuster", "data": {"user": "mmuster", "text": "t"}},
    ],
)
def test_no_user_is_shown_of_an_event(event: dict[str, object]) -> None:
    """Fields are chosen, not left out; texts of other types are named by their type; as bytes that broke too."""
    whole = json.dumps(event).encode()
    for value in (whole, whole[:-1], b"\xff" + whole, b"[" + whole + b"]"):
        assert "mmuster" not in shown(value)


def test_what_helps_to_find_the_mistake_is_shown() -> None:
    """Fields of the contract, texts redacted, how many others there are."""
    event = {"id": "7", "market": "Germany", "lang": "de", "rating": 5, "occurred_at": "2026-01-31T00:00:00Z",
             "text": "ruf an: +49 171 2345678", "user": "u7", "shop": "x"}  # fmt: skip
    assert {
        "id": "7", "market": "[7 characters]", "lang": "de", "rating": 5, "text": "ruf an: [phone]",
        "occurred_at": "2026-01-31T00:00:00Z", "user": "[user]", "fields not shown": 1,
    } == json.loads(shown(json.dumps(event).encode()).partition("\n}")[0] + "}")  # fmt: skip


def test_of_what_is_no_json_the_shape_is_shown() -> None:
    """Names of fields, punctuation, letters as x and digits as 9."""
    assert '{"user": "x9", "text": "xxxx xx\ufffd m None' == shown(b'{"user": "u7", "text": "kaum da\xff')


@pytest.mark.parametrize("depth", [200, 400, 900, 100_000])
def test_deep_json_is_shown_too(depth: int) -> None:
    """No error, whatever the parser takes."""
    assert "u7" not in shown(b'{"user":"u7","text":' + b"[" * depth + b"]" * depth + b"}")


def test_the_reason_is_redacted() -> None:
    """It is a header, that anybody may have written who may write the topic."""
    assert "a@b.example" not in shown(b"{}", "no time: mail a@b.example")


@pytest.mark.parametrize("value", ['"+49 170 1234567"', "4111111111111111", '"4111 1111 1111 1111"'])
def test_what_is_no_time_is_not_shown_as_one(value: str) -> None:
    """A telephone or a card in the field of the time; times are shown, late and early ones too."""
    written = shown(b'{"occurred_at":%s,"text":"a"}' % value.encode())
    assert "4111" not in written
    assert "170 1234567" not in written
    for time in ("1700000000000", '"1999-01-31 00:00"', '"2026-01-31T00:00:00.123456+05:30"'):
        assert time.strip('"') in shown(b'{"occurred_at":%s,"text":"a"}' % time.encode())
