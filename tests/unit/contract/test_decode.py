"""Any bytes in: an event or one coded rejection out."""

import json
import typing
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketpulse.contract.decode import Rejected, decode
from marketpulse.contract.feedback import DeadLetterCode

NOW = 1_790_000_000_000
GOOD = {"id": "1", "market": "BR", "text": " bom ", "occurred_at": "2026-09-21T14:13:20Z"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def encoded(**changes: object) -> bytes:
    return msgspec.json.encode({name: value for name, value in (GOOD | changes).items() if value is not ...})


@given(st.binary() | st.none())
def test_any_bytes_give_an_event_or_a_known_code(value: bytes | None) -> None:
    """Nothing but Rejected is ever raised, and its code is one of the contract's."""
    try:
        decode(value, NOW)
    except Rejected as rejected:
        assert rejected.code in typing.get_args(DeadLetterCode)


@given(st.dictionaries(st.sampled_from([*GOOD, "v", "user", "lang", "rating", "channel", "attributes"]), JSON))
def test_any_json_object_gives_an_event_or_a_known_code(changes: dict[str, object]) -> None:
    """Fields of any type and value cost only the event itself."""
    try:
        event = decode(msgspec.json.encode(GOOD | changes), NOW)
    except Rejected as rejected:
        assert rejected.code in typing.get_args(DeadLetterCode)
    else:
        assert event.text == event.text.strip() != ""


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "empty_value"),
        (b"", "empty_value"),
        (b"\xff\xfe", "not_json"),
        (b'{"id": "1"', "not_json"),
        (b"[" * 100_000, "not_json"),
        (b"[1]", "not_an_object"),
        (b"x" * 300_000, "too_large"),
        (encoded(v=2), "unknown_version"),
        (encoded(v="1"), "bad_type"),
        (encoded(id=...), "missing_field"),
        (encoded(text=None), "missing_field"),
        (encoded(id=7), "bad_type"),
        (encoded(id=""), "bad_value"),
        (encoded(id="x" * 129), "bad_value"),
        (encoded(rating=6), "bad_value"),
        (encoded(rating="5"), "bad_type"),
        (encoded(attributes={"a": 1}), "bad_type"),
        (encoded(attributes={str(n): "x" for n in range(40)}), "bad_value"),
        (encoded(market="XX"), "unknown_market"),
        (encoded(text=" \n\t"), "text_empty"),
        (encoded(text="x" * 8193), "text_too_long"),
        (encoded(occurred_at="yesterday"), "bad_time"),
        (encoded(occurred_at="2026-09-21T14:13:20"), "bad_time"),
        (encoded(occurred_at=-1), "bad_time"),
        (encoded(occurred_at=NOW * 1_000_000), "bad_time"),
        (encoded(occurred_at=1.5), "bad_time"),
        (encoded(occurred_at=True), "bad_type"),
        (encoded(occurred_at=NOW - 7 * 86_400_000 - 1), "too_late"),
        (encoded(occurred_at=NOW + 300_001), "from_the_future"),
    ],
)
def test_every_broken_rule_has_its_code(value: bytes | None, code: str) -> None:
    """Each rule of the contract is told by its own code."""
    with pytest.raises(Rejected) as caught:
        decode(value, NOW)
    assert code == caught.value.code


def test_a_rejection_never_repeats_the_text() -> None:
    """Messages go to logs and headers: they name field and rule, not what a user wrote."""
    with pytest.raises(Rejected) as caught:
        decode(encoded(rating="my card is 4111"), NOW)
    assert "4111" not in str(caught.value)


ENVELOPE = {"specversion": "1.0", "type": "feedback", "source": "/shop", "id": "ce-1", "time": "2026-09-21T14:13:20Z"}
DATA = {"market": "BR", "text": "bom"}


def test_a_structured_cloud_event_is_its_data() -> None:
    """Source and id together, and the time, stand in where the data has none; the data's own win."""
    event = decode(msgspec.json.encode(ENVELOPE | {"data": DATA}), NOW)
    assert (f"{ENVELOPE['source']} ce-1", "BR", NOW) == (event.id, event.market, event.occurred_ms)
    assert "own" == decode(msgspec.json.encode(ENVELOPE | {"data": DATA | {"id": "own"}}), NOW).id


def test_a_binary_cloud_event_has_its_envelope_in_headers() -> None:
    """`ce_*` headers, `ce_specversion` among them; other headers change nothing."""
    headers = [(f"ce_{name}", text.encode()) for name, text in ENVELOPE.items()]
    assert f"{ENVELOPE['source']} ce-1" == decode(msgspec.json.encode(DATA), NOW, headers).id
    with pytest.raises(Rejected, match="missing"):
        decode(msgspec.json.encode(DATA), NOW, [one for one in headers if one[0] != "ce_specversion"])
    with pytest.raises(Rejected) as caught:
        decode(msgspec.json.encode(DATA), NOW, [("traceparent", b"00")])
    assert "missing_field" == caught.value.code


def test_cloud_events_of_two_sources_are_two_events_whatever_their_ids() -> None:
    """Long ones are known by a hash; an envelope without a time has the record's."""
    timeless = {name: one for name, one in ENVELOPE.items() if name != "time"}
    sources = [f"{'s' * 200}/{at}" for at in (1, 2)]
    events = [decode(msgspec.json.encode(timeless | {"source": one, "data": DATA}), NOW) for one in sources]
    assert 2 == len({one.id for one in events})
    assert all(len(one.id) <= 128 and one.occurred_ms == NOW for one in events)


@pytest.mark.parametrize(
    "changes",
    [
        {"rating": 5.0},
        {"v": 1.0},
        {"v": None},
        {"occurred_at": float(NOW)},
        {"market": " br "},
        {"market": "uk"},
        {"occurred_at": "2026-09-21T14:13Z"},
        {"occurred_at": "20260921T141320+00"},
        {"occurred_at": " 2026-09-21t14:13:20,5z "},
        {"occurred_at": "2026-09-21 14:13:20+00:00"},
    ],
    ids=str,
)
def test_other_spellings_of_the_same_are_read(changes: dict[str, Any]) -> None:
    """What is accepted beyond the schema: docs/operations.md lists it."""
    event = decode(encoded(**changes), NOW)
    assert abs(event.occurred_ms - NOW) < 60_000


def test_a_byte_order_mark_is_read() -> None:
    """As Windows writes it."""
    assert "bom" == decode(b"\xef\xbb\xbf" + encoded(), NOW).text


def test_half_of_a_surrogate_pair_is_read_as_unreadable() -> None:
    """JavaScript's `slice` leaves one; the rest of the text counts."""
    value = encoded(text="bom X").replace(b"X", b"\\ud83d")
    assert "bom \ufffd" == decode(value, NOW).text
    whole = encoded(text="bom X").replace(b"X", b"\\ud83d\\ude00")
    assert "bom \U0001f600" == decode(whole, NOW).text


@given(
    st.lists(st.sampled_from([r"\ud83d", r"\uDE00", r"\\", r"\n", r"\"", "ud83d", "x", "é", r"\u00e9"]), max_size=12)
)
def test_halves_of_surrogate_pairs_are_found_whatever_is_beside_them(parts: list[str]) -> None:
    """Pairs, escaped backslashes and halves side by side: as a parser reads them that lets halves through."""
    written = '"x' + "".join(parts) + '"'
    expected = json.loads(written).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    value = b"\xef\xbb\xbf" + encoded(text="X").replace(b'"X"', written.encode())
    assert expected.strip() == decode(value, NOW).text


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999"])
def test_what_is_no_json_stays_refused_after_a_byte_order_mark(number: str) -> None:
    """Numbers that JSON does not have."""
    with pytest.raises(Rejected) as caught:
        decode(b"\xef\xbb\xbf" + encoded(surprise=0).replace(b":0", b":" + number.encode()), NOW)
    assert "not_json" == caught.value.code


def test_a_cloud_event_of_another_version_is_refused() -> None:
    """specversion 1.0 alone is known."""
    with pytest.raises(Rejected) as caught:
        decode(msgspec.json.encode(ENVELOPE | {"specversion": "2.0", "data": DATA}), NOW)
    assert "unknown_version" == caught.value.code


def test_a_good_event_is_trimmed_and_its_alias_resolved() -> None:
    """UK means GB, times become UTC epoch milliseconds, unknown fields are ignored."""
    event = decode(encoded(market="UK", occurred_at="2026-09-21T16:13:20.5+02:00", surprise=1), NOW)
    assert ("GB", "bom", NOW + 500) == (event.market, event.text, event.occurred_ms)
