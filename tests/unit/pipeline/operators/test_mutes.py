"""Silences: what they cover, when they end."""

import random
import re
from typing import Any

import msgspec
import pytest

from marketpulse.contract.mutes import LONGEST_MS, MAX_MUTES, mute_of, mutes_of
from marketpulse.contract.operators import MuteRecord
from marketpulse.contract.wire import encode
from streams.batches import CompactedRecord
from streams.errors import BadInput
from streams.pipeline.operators.mutes import LAST_MS, MAX_MUTE_BYTES, Mutes, new_mute
from tests.support.alerts import alert

ALERT = alert(topic="app")


@pytest.mark.parametrize(
    ("fields", "covers"),
    [
        ({}, True),
        ({"kind": "surge", "market": "BR", "topic": "app"}, True),
        ({"kind": "drop"}, False),
        ({"market": "CN"}, False),
        ({"topic": "price"}, False),
        ({"until": 99}, False),
    ],
)
def test_a_silence_covers_what_it_names(fields: dict[str, object], covers: bool) -> None:
    """What it leaves open stands for any; after its end it covers nothing."""
    mute = msgspec.convert({"id": "m", "until": 200, "created_at": 0} | fields, MuteRecord)
    assert covers == (mute_of(ALERT, [mute], 100) is mute)


def test_the_newest_record_of_a_key_counts() -> None:
    """A tombstone ends it; a broken record or one under another key is passed over."""
    mutes = Mutes()
    one = msgspec.json.encode(MuteRecord("m", 200, 0))
    for offset, (key, value) in enumerate([(b"m", one), (b"n", one), (b"o", b"{"), (None, b"x")]):
        mutes.take(CompactedRecord(offset, key, value))
    assert ["m"] == [mute.id for mute in mutes.active(100)]
    assert [] == mutes.active(200)
    mutes.take(CompactedRecord(4, b"m", None))
    assert [] == mutes.active(100)


def test_a_kind_that_there_is_not_is_refused() -> None:
    """A typo would silence nothing."""
    with pytest.raises(BadInput, match="sruge is no kind of alert"):
        new_mute("m", 1, 1.0, kind="sruge")


def test_a_silence_has_an_author_and_older_ones_are_read() -> None:
    """Who wrote it; empty in a record of a version that had none."""
    assert "Ada" == new_mute("m", 1, 1.0, author="Ada").author
    old = b'{"id": "m", "until": 200, "created_at": 0, "kind": null, "market": "BR", "comment": "known", "v": 1}'
    assert "" == msgspec.json.decode(old, type=MuteRecord).author


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "surge " * 99},
        {"kind": "Surge"},
        {"kind": ""},
        {"market": "BRA"},
        {"market": "x" * 10**4},
        {"topic": "x" * 257},
    ],
)
def test_what_breaks_its_bounds_is_passed_over(fields: dict[str, str]) -> None:
    """On the topic, and by clients in Redis, where an older version may have put it: the others are read."""
    good = {"id": "m", "until": 200, "created_at": 0, "kind": "surge", "market": "*", "topic": "x" * 256}
    refused: list[tuple[str, int, str]] = []
    mutes = Mutes(lambda *why: refused.append(why))
    mutes.take(CompactedRecord(0, b"m", msgspec.json.encode(good)))
    mutes.take(CompactedRecord(1, b"n", msgspec.json.encode(good | {"id": "n"} | fields)))
    assert ["m"] == [mute.id for mute in mutes.active(100)]
    [(code, offset, why)] = refused
    assert ("bad_mute", 1, True) == (code, offset, f"`$.{next(iter(fields))}`" in why)
    assert ["m"] == [mute.id for mute in mutes_of(msgspec.json.encode([good, good | {"id": "n"} | fields]))]


@pytest.mark.parametrize(("written_ms", "created_ms"), [(5_000, 10**15), (0, 5_000)])
def test_a_silence_holds_for_90_days_at_most(written_ms: int, created_ms: int) -> None:
    """Counted from when its record was written, whatever its author says; a longer one of before is capped."""
    mutes = Mutes()
    one = msgspec.json.encode(MuteRecord("m", 2**62, created_ms))
    mutes.take(CompactedRecord(0, b"m", one, timestamp_ms=written_ms))
    ends = 5_000 + LONGEST_MS
    assert [ends] == [mute.until for mute in mutes.active(ends - 1)]
    assert [] == mutes.active(ends)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"hours": 2160.1}, "2160.1 hours are too few or too many. Operator action: give .01 to 2160."),
        ({"hours": float("nan")}, "hours are too few"),
        ({"topic": "x" * 257}, "the topic is too long. Operator action: give at most 256 characters."),
        ({"market": "BRA"}, "BRA is no market code"),
    ],
)
def test_a_form_or_command_is_refused_in_words(given: dict[str, Any], message: str) -> None:
    """Before anything is written; what is written keeps to the bounds of the contract."""
    with pytest.raises(BadInput, match=re.escape(message)):
        new_mute("m", 1, **{"hours": 1.0} | given)
    written = new_mute("m", 1, 2160.0, "no_data", "*", "x" * 256, "why " * 99, "Ada " * 99)
    assert written == msgspec.json.decode(encode(written), type=MuteRecord)


def _record(offset: int, name: str, until: int, written_ms: int = 50) -> CompactedRecord:
    value = encode(MuteRecord(name, until, written_ms))
    return CompactedRecord(offset, name.encode(), value, timestamp_ms=written_ms)


def _held(records: list[CompactedRecord], now_ms: int) -> list[str]:
    mutes = Mutes()
    for record in records:
        mutes.take(record)
    return [mute.id for mute in mutes.active(now_ms)]


def test_those_that_end_last_are_kept() -> None:
    """As many as there may be, the same ones in whatever order they were written, then and when others expired."""
    untils = {f"{number:05}": 100 + number for number in range(MAX_MUTES + 500)}
    names = list(untils)
    random.Random(7).shuffle(names)
    orders = [sorted(names), sorted(names, reverse=True), names]
    logs = [[_record(at, name, untils[name]) for at, name in enumerate(order)] for order in orders]
    assert [sorted(untils)[500:]] * 3 == [_held(log, 99) for log in logs]
    assert [sorted(untils)[1_000:]] * 3 == [_held(log, 100 + 999) for log in logs]


def test_what_is_given_up_is_reported_once_until_there_is_room() -> None:
    """Not for each; what has expired makes room without a word; a tombstone or another end of a key does too."""
    refused: list[tuple[str, int, str]] = []
    mutes = Mutes(lambda *why: refused.append(why))
    records = [("old", 40), *((f"{number:05}", 100 + number) for number in range(MAX_MUTES))]
    for offset, (name, until) in enumerate(records):
        mutes.take(_record(offset, name, until))
    assert [] == refused
    for offset, name in enumerate("abc", start=2_000):
        mutes.take(_record(offset, name, 60 + offset))
    mutes.take(_record(2_010, "d", 60))
    why = f"{MAX_MUTES} silences that end later are in force: 00000 does not hold"
    assert [("mutes_full", 2_000, why)] == refused
    mutes.take(CompactedRecord(2_011, b"a", None))
    mutes.take(_record(2_012, "b", 90))
    assert MAX_MUTES - 1 == len(mutes.active(80))
    assert MAX_MUTES - 2 == len(mutes.active(95))
    mutes.take(_record(2_013, "e", 5_000))
    mutes.take(_record(2_014, "f", 5_000))
    mutes.take(_record(2_015, "g", 5_000))
    assert ["mutes_full", "mutes_full"] == [code for code, _, _ in refused]


def test_a_value_that_is_too_long_is_not_read() -> None:
    """Whatever it holds; the longest that the contract allows is read, also with all of it escaped."""
    refused: list[tuple[str, int, str]] = []
    mutes = Mutes(lambda *why: refused.append(why))
    text = "\\ud83d\\ude00" * 256
    fields = "".join(f',"{name}":"{text}"' for name in ("topic", "comment", "author"))
    longest = f'{{"id":"m","until":200,"created_at":0{fields}}}'.encode()
    mutes.take(CompactedRecord(0, b"m", longest))
    mutes.take(CompactedRecord(1, b"n", longest.replace(b'"m"', b'"n"').ljust(MAX_MUTE_BYTES + 1)))
    assert ["m"] == [mute.id for mute in mutes.active(100)]
    assert [("bad_mute", 1, f"{MAX_MUTE_BYTES + 1} bytes; at most {MAX_MUTE_BYTES} are read")] == refused


@pytest.mark.parametrize("written_ms", [0, 2 * LONGEST_MS])
def test_no_silence_begins_in_the_future(written_ms: int) -> None:
    """Neither by the time that its producer gave the record nor by its own: it would hold for longer than 90 days."""
    refused: list[str] = []
    mutes = Mutes(lambda code, *_: refused.append(code), lambda: LONGEST_MS)
    mute = MuteRecord("m", LAST_MS, 2 * LONGEST_MS)
    mutes.take(CompactedRecord(0, b"m", encode(mute), timestamp_ms=written_ms))
    assert (["bad_mute"], []) == (refused, mutes.active(LONGEST_MS))


@pytest.mark.parametrize("written_ms", [-1, 0, 10**18])
def test_times_can_be_shown(written_ms: int) -> None:
    """Whatever the record and its author claim."""
    mutes = Mutes()
    mutes.take(_record(0, "m", 10**30, written_ms))
    mutes.take(CompactedRecord(1, b"n", encode(MuteRecord("n", 10**30, 10**30)), timestamp_ms=written_ms))
    assert all(0 <= time <= LAST_MS for mute in mutes.active(-1) for time in (mute.until, mute.created_at))
