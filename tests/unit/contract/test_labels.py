"""Records of `market.labels`: what is taken, and the stable reason for what is not."""

import msgspec
import pytest

from marketpulse.contract.operators import MAX_LABEL_BYTES, BadLabel, LabelRecord, decode_label, key_of_label
from marketpulse.contract.wire import encode

GOOD = LabelRecord("p.feedback-3-17", "BR", 2_969, "neutral", "negative", 0.4, "m", (10, 20, 30), 1, "pt", "Ada")
KEY = key_of_label("BR", GOOD.id).encode()
LARGEST = LabelRecord(
    f"{'t' * 249}-{'1' * 9}-{'1' * 18}", "BR", 2_969, "neutral", "unclear", 0.123456789012345, "\x01" * 128,
    (10**12,) * 3, 2**62, "por", "\x01" * 256,
)  # fmt: skip


@pytest.mark.parametrize("record", [GOOD, LARGEST, msgspec.structs.replace(GOOD, label="unclear", language="")])
def test_a_record_is_read_as_it_was_written(record: LabelRecord) -> None:
    """The largest too, every character escaped; fields of a newer version are ignored."""
    key = key_of_label(record.market, record.id).encode()
    assert record == decode_label(key, encode(record))
    assert record == decode_label(key, encode(record)[:-1] + b',"more":1}')


@pytest.mark.parametrize(
    ("why", "fields"),
    [
        ("bad_field", {"id": "p.feedback"}),
        ("bad_field", {"id": "p feedback-1-2"}),
        ("bad_field", {"week": -1}),
        ("bad_field", {"week": 10**6}),
        ("bad_field", {"predicted": "unclear"}),
        ("bad_field", {"label": "good"}),
        ("bad_field", {"score": 1.1}),
        ("bad_field", {"model": ""}),
        ("bad_field", {"counts": [1, 2]}),
        ("bad_field", {"counts": [1, 2, -3]}),
        ("bad_field", {"language": "pt-BR"}),
        ("bad_field", {"rater": "x" * 257}),
        ("unknown_version", {"v": 2}),
        ("unknown_version", {"v": "1"}),
        ("unknown_market", {"market": "XX"}),
        ("bad_key", {"market": "DE"}),
        ("bad_key", {"id": "p.feedback-3-18"}),
    ],
)
def test_what_breaks_the_contract_has_a_code(why: str, fields: dict[str, object]) -> None:
    """One for each kind of rule."""
    with pytest.raises(BadLabel) as caught:
        decode_label(KEY, msgspec.json.encode(msgspec.to_builtins(GOOD) | fields))
    assert why == caught.value.why


@pytest.mark.parametrize(
    ("why", "value"),
    [("not_json", b"{"), ("not_json", b"[1]"), ("not_json", b"\xff"), ("too_large", b" " * MAX_LABEL_BYTES + b"{}")],
)
def test_any_bytes_are_read_or_refused(why: str, value: bytes) -> None:
    """Nothing else is raised; a record without a key is refused as well."""
    with pytest.raises(BadLabel) as caught:
        decode_label(KEY, value)
    assert why == caught.value.why
    with pytest.raises(BadLabel, match="key"):
        decode_label(None, encode(GOOD))
