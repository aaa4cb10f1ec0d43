"""The feedback schema is the stricter side: what it accepts the decoder accepts; what is read beyond it is a list."""

import json
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from marketpulse.contract.decode import FROM_THE_FUTURE_MS, TOO_LATE_MS, Rejected, decode
from marketpulse.contract.feedback import MAX_VALUE_BYTES
from marketpulse.contract.markets import market_code

SCHEMA: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "docs" / "contracts" / "feedback.schema.json").read_text("utf-8")
)
FIELDS: dict[str, Any] = SCHEMA["$defs"]["FeedbackEvent"]["properties"]
REQUIRED = frozenset(SCHEMA["$defs"]["FeedbackEvent"]["required"])
JUDGE = jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
CASES = int(os.environ.get("CASES", "200"))
EPOCH, YEAR_2200 = datetime(1970, 1, 2), datetime(2199, 12, 31)

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)
OFFSETS = st.just("Z") | st.from_regex(r"\A[+-]([01][0-9]|2[0-3]):[0-5][0-9]\Z")
TIMES = st.builds(
    lambda at, fraction, offset: at.strftime("%Y-%m-%dT%H:%M:%S") + fraction + offset,
    st.datetimes(EPOCH, YEAR_2200),
    st.just("") | st.from_regex(r"\A[.][0-9]{1,6}\Z"),
    OFFSETS,
)


def values(node: dict[str, Any]) -> st.SearchStrategy[Any]:
    """What a node of the schema accepts."""
    if "anyOf" in node:
        return st.one_of(*map(values, node["anyOf"]))
    if "const" in node:
        return st.sampled_from([node["const"], float(node["const"])])
    if "enum" in node:
        return st.sampled_from(node["enum"])
    match node["type"]:
        case "null":
            return st.none()
        case "integer":
            numbers = st.integers(node.get("minimum"), node.get("maximum"))
            return numbers | numbers.filter(lambda one: abs(one) < 2**53).map(float)
        case "string" if node.get("format") == "date-time":
            return TIMES
        case "string":
            most = node.get("maxLength", 40)
            short = st.text(min_size=node.get("minLength", 0), max_size=min(most, 40))
            edge = st.text(min_size=1, max_size=1).map(lambda one: one * most)
            return (short | edge).filter(lambda one: "pattern" not in node or re.search(node["pattern"], one))
        case "object":
            keys = st.text(max_size=node["propertyNames"]["maxLength"] // 8)
            return st.dictionaries(keys, values(node["additionalProperties"]), max_size=node["maxProperties"])
    raise AssertionError(node)


KNOWN = {name: values(node) for name, node in FIELDS.items()}  # made once: a strategy costs more than a value of it
UNKNOWN = st.dictionaries(st.text(max_size=8).filter(lambda one: one not in FIELDS), ANYTHING, max_size=2)
VALID = st.builds(
    lambda unknown, known: unknown | known,
    UNKNOWN,
    st.fixed_dictionaries(
        {name: one for name, one in KNOWN.items() if name in REQUIRED},
        optional={name: one for name, one in KNOWN.items() if name not in REQUIRED},
    ),
)
"""Events that the schema accepts, with fields that it does not know."""


def epoch_ms(occurred_at: object) -> int:
    """Of a time as the schema has it."""
    if isinstance(occurred_at, str):
        return int(datetime.fromisoformat(occurred_at).timestamp() * 1000)
    assert isinstance(occurred_at, int | float)
    return int(occurred_at)


@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
@given(VALID, st.integers(-FROM_THE_FUTURE_MS, TOO_LATE_MS - 1), st.booleans())
def test_what_the_schema_accepts_is_read(event: dict[str, Any], age_ms: int, ascii_only: bool) -> None:
    """With the record's time anywhere where the event is neither late nor from the future."""
    value = json.dumps(event, ensure_ascii=ascii_only).encode()
    assume(len(value) <= MAX_VALUE_BYTES)
    JUDGE.validate(event)
    decode(value, epoch_ms(event["occurred_at"]) + age_ms)


BLANKS = ("", " ", "\t\n", "\u00a0", "\u3000")
SPELLINGS: list[Callable[[str], str]] = [
    lambda time: f" {time} ", str.lower, lambda time: time.replace("T", " "), lambda time: time.replace("Z", "+00"),
    lambda time: time.replace(".", ","), lambda time: time.replace("-", "", 2).replace(":", "", 2),
    lambda time: re.sub(r":\d\d(?=Z|[+-]|[.])", "", time, count=1), lambda time: time.removesuffix("Z"),
    lambda time: time + "\n", lambda time: time.replace("T", "X"), lambda time: f"{time}Z", lambda time: time[:10],
]  # fmt: skip
"""Other ways to write a time, read and not."""
WILD: dict[str, st.SearchStrategy[Any]] = {
    "market": st.builds(
        lambda code, before, after, lower: before + (code.lower() if lower else code) + after,
        st.sampled_from([*FIELDS["market"]["enum"][:40], "UK", "EL", "ZZ", "ß", "Germany"]),
        st.sampled_from(BLANKS),
        st.sampled_from(BLANKS),
        st.booleans(),
    ),
    "text": st.builds(
        lambda before, text, after: before + text + after,
        st.sampled_from([*BLANKS, " " * 8_192]),
        st.text(max_size=5) | st.sampled_from(["x" * 8_192, "\ufeff", "\x00", "\x1c", "\x85"]),
        st.sampled_from([*BLANKS, "\n" * 8_192]),
    ),
    "occurred_at": st.builds(lambda time, spelt: spelt(time), TIMES, st.sampled_from(SPELLINGS))
    | st.integers(-(10**14), 10**14)
    | st.floats(0, 1e14),
    "v": st.sampled_from([1, 1.0, None, 2, 0, "1", True, 1.5, 10**30]),
    "rating": st.sampled_from([0, 1, 5, 6, 5.0, 4.5, "5", True, None, 1e300]),
    "id": st.sampled_from(["", " ", "x" * 128, "x" * 129, 5, None]),
    "user": st.sampled_from(["", "x" * 128, "x" * 129, 5, None]),
    "lang": st.sampled_from(["pt", "x" * 35, "x" * 36, 5, None]),
    "channel": st.sampled_from(["app", "x" * 64, "x" * 65, [], None]),
    "attributes": st.sampled_from(
        [{}, None, {"a": "b"}, {"a": 1}, {"k" * 256: "v" * 256}, {"k" * 257: "v"}, {str(n): "" for n in range(33)}, []]
    ),
}  # fmt: skip


WRONG = st.sets(st.sampled_from(sorted(WILD)), min_size=1, max_size=3)
LEFT_OUT = st.integers(0, 9).flatmap(lambda one: st.sampled_from(sorted(REQUIRED)) if one == 0 else st.none())


@st.composite
def wild(draw: st.DrawFn) -> dict[str, Any]:
    """An event some of whose fields are written in another way, or wrong, or not there."""
    event = draw(VALID) | {name: draw(WILD[name]) for name in sorted(draw(WRONG))}
    event.pop(draw(LEFT_OUT), None)
    return event


EVENTS = wild()


def in_the_schemas_words(event: dict[str, Any]) -> dict[str, Any]:
    """The same event without what is read beyond the schema: the list in docs/reference/topics.md."""
    said = {name: value for name, value in event.items() if value is not None or name not in FIELDS}
    said["market"] = market_code(said["market"])
    said["text"] = said["text"].strip().replace("\ufeff", "x")
    if isinstance(said["occurred_at"], str):
        at = datetime.fromisoformat(said["occurred_at"].strip().upper())
        assert at.tzinfo is not None
        said["occurred_at"] = at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return said


@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
@given(EVENTS)
@example({"id": "1", "market": "BR", "text": "x", "occurred_at": "2026-01-01T00:00:00Z", "v": None})
def test_what_is_read_beyond_the_schema_is_listed(event: dict[str, Any]) -> None:
    """Whatever the decoder reads the schema accepts, once the listed spellings are written as it has them."""
    value = json.dumps(event).encode()
    time = event.get("occurred_at")
    try:
        record_ms = epoch_ms(time.strip().upper() if isinstance(time, str) else time)
    except (AssertionError, ValueError, OverflowError):
        record_ms = 1_790_000_000_000
    try:
        decode(value, record_ms)
    except Rejected:
        assert len(value) > MAX_VALUE_BYTES or not JUDGE.is_valid(event)
        return
    JUDGE.validate(in_the_schemas_words(event))
