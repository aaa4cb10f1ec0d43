"""JSON of every layout: an object a line, arrays, objects over several lines, and what is none of them."""

import io
import re
import tracemalloc
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streams.sources import json_values
from streams.sources.content import kind_of
from streams.sources.events import form_of
from streams.sources.feed import Feed
from streams.sources.lines import MAX_RECORD, Skipped
from streams.sources.mapped import mapped_form
from streams.sources.mapping_file import load_mapping, mapping_of
from tests.support.feeds import Read, reader

AT = "2026-11-27T09:00:00Z"


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads a file with this content."""
    return reader(tmp_path)


OBJECTS = [
    {"id": str(number), "market": "DE", "text": 'mit } und " \\ {', "occurred_at": AT, "more": [{"a": [1]}]}
    for number in range(400)
]
JSON = {
    "array": msgspec.json.encode(OBJECTS),
    "pretty array": msgspec.json.format(msgspec.json.encode(OBJECTS), indent=2),
    "pretty objects": b"\n".join(msgspec.json.format(msgspec.json.encode(one), indent=4) for one in OBJECTS),
    "together": b"".join(map(msgspec.json.encode, OBJECTS)),
    "UTF-16": msgspec.json.encode(OBJECTS).decode().encode("utf-16"),
}


@pytest.mark.parametrize("content", JSON.values(), ids=JSON)
def test_json_of_every_layout_is_read(read: Read, content: bytes) -> None:
    """Arrays, objects over several lines, one after the other; across the ends of what is held."""
    events, skipped, _ = read(content)
    assert (OBJECTS, []) == (events, skipped)


def test_what_is_broken_in_an_array_costs_itself(read: Read) -> None:
    """Values that are no objects, a damaged object, an end that is missing: each with its line."""
    content = '[\n{"id": "1"},\n"text",\n7,\n{"id": },\n{"text": "open},\n{"id": "5"},\n{"id": "6"'
    events, skipped, _ = read(content)
    assert {"1"} <= {event["id"] for event in events}
    assert [3, 4, 5] == [number for number, _ in skipped[:3]]
    assert {6, 8} >= {number for number, _ in skipped[3:]}


@pytest.mark.parametrize("content", ["", "\n \n", "\ufeff", "[]", "[\n]"])
def test_a_file_of_nothing_holds_nothing(read: Read, content: str) -> None:
    """No record, and no error of a header that is missing."""
    assert ([], [], []) == read(content)


@pytest.mark.parametrize(
    "content", [b"{" * 100_000, b"[" * 100_000, b'[{"a":"' + b"x" * 200_000, b"[{}" + b'"' * 99_999]
)
def test_hostile_json_ends(read: Read, content: bytes) -> None:
    """Depth, strings without an end: reported, or read as nothing."""
    events, _, _ = read(content)
    assert events in ([], [{}])


def test_a_long_array_takes_the_memory_of_a_few_objects(tmp_path: Path) -> None:
    """10,000 objects of 1 MB together, in one line."""
    path = tmp_path / "f"
    long = "x" * 80
    path.write_text("[" + ", ".join([f'{{"id": "1", "text": "{long}"}}'] * 10_000) + "]")
    tracemalloc.start()
    with Feed(str(path), False) as feed:
        assert 10_000 == sum(1 for _ in feed.records())
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_marks_and_halves_of_emoji_in_json_are_read(read: Read) -> None:
    """A byte order mark before the first line; half a surrogate pair becomes U+FFFD, a whole one stays."""
    line = '{"id": "1", "market": "DE", "text": "gut %s", "occurred_at": 1795770000000}\r\n'
    events, skipped, _ = read("\ufeff" + line % r"\ud83d" + line % r"\ud83d\ude00")
    assert (["gut \ufffd", "gut 😀"], []) == ([event["text"] for event in events], skipped)


def test_objects_of_a_list_with_one_on_each_line_are_no_lines(read: Read) -> None:
    """Inside an object, with commas at their ends; a first line that is cut makes no list of the others."""
    assert "json" == kind_of(b'{"data": [\n{"id": 1},\n{"id": 2},\n{"id": 3}\n]}')
    assert "json" == kind_of(b'{\n  "tags": [\n    {}\n  ]\n}')
    assert "json lines" == kind_of(b'{"id": 1,\n{"id": 2}\n{"id": 3}\n')


def opened(content: bytes) -> Any:
    return io.BufferedReader(io.BytesIO(content))


def test_what_is_no_object_costs_work_by_its_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte is looked at a few times, also where a line without an end holds any number of strays."""
    looked = 0

    class Held(bytearray):
        def count(self, *given: Any) -> int:
            nonlocal looked
            looked += given[2] - given[1]
            return super().count(*given)

        def find(self, *given: Any) -> int:
            nonlocal looked
            found = super().find(*given)
            looked += (len(self) if found < 0 else found) - given[1]
            return found

    class Counted:
        def __init__(self, pattern: re.Pattern[bytes]) -> None:
            self._pattern = pattern

        def search(self, held: bytearray, place: int) -> re.Match[bytes] | None:
            nonlocal looked
            found = self._pattern.search(held, place)
            looked += (len(held) if found is None else found.end()) - place
            return found

    monkeypatch.setattr(json_values, "bytearray", Held, raising=False)
    for name in ("_OUTSIDE", "_STRAY_END", "_IN_OBJECT", "_IN_STRING"):
        monkeypatch.setattr(json_values, name, Counted(getattr(json_values, name)))
    content = b"[" + b'x{"a":"}\\""}\n' * 9 + b"x{}" * 50_000
    skipped = Skipped()
    found = list(json_values.value_records(opened(content), form_of(), skipped))
    assert (50_009, 50_009, [*range(1, 11)]) == (len(found), skipped.count, [number for number, _ in skipped.first])
    assert len(content) <= looked <= 4 * len(content)


LAYOUTS = {"a line": "%s\n", "an array": "[%s,\n", "several lines": "{\n%s\n"}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("mapping", [None, "trustpilot", "google-play-console"])
def test_an_object_beyond_the_bound_is_not_parsed(tmp_path: Path, layout: str, mapping: str | None) -> None:
    """Some KB, packed, that would be hundreds of thousands of values: reported, with a mapping too."""
    path = tmp_path / "f"
    small = '"y": [' + "{}," * 520_000 + "{}]}"
    content = layout.removesuffix("\n") % ("{" * layout.startswith(("%", "[")) + small)
    path.write_text("[]\n" * layout.startswith("[") + content + layout[-1] + '{"id": "2"}\n')
    form = None if mapping is None else mapped_form(load_mapping(mapping), str(path))
    skipped = Skipped()
    with Feed(str(path), False, form) as feed:
        found = list(feed.records(skipped))
    assert (mapping is None) == bool(found)
    assert skipped.first[0][1].startswith(("longer than 1,048,576 bytes", "more than 1,000,000 values"))


def test_an_object_of_many_objects_that_is_too_long_is_no_list_of_them(read: Read) -> None:
    """What is inside of it is not published, and what follows it is."""
    inside = msgspec.json.format(msgspec.json.encode({"data": OBJECTS * 40}), indent=1)
    assert len(inside) > MAX_RECORD
    events, skipped, _ = read(inside + b'\n{"id": "after"}\n')
    assert ([{"id": "after"}], [(1, "longer than 1,048,576 bytes")]) == (events, skipped)


def test_a_list_of_records_may_be_longer(tmp_path: Path) -> None:
    """Where a mapping names it: an export of several MiB in one object."""
    path = tmp_path / "f"
    path.write_bytes(msgspec.json.encode({"data": OBJECTS * 40}))
    tables = {name: {"from": name} for name in ("id", "market", "text", "occurred_at")} | {"file": {"records": "data"}}
    with Feed(str(path), False, mapped_form(mapping_of(tables, "t"), str(path))) as feed:
        assert 40 * len(OBJECTS) == sum(1 for _ in feed.records())


def test_a_line_that_is_sent_as_it_is_is_not_parsed_for_its_key(tmp_path: Path) -> None:
    """Beyond the bound: it is no event."""
    path = tmp_path / "f"
    path.write_bytes(b'{"id":"1","y":"' + b"x" * MAX_RECORD + b'"}\n{"id":"2"}\n')
    with Feed(str(path), True) as feed:
        assert [None, b"2"] == [record.key for record in feed.records()]


def test_an_object_of_nothing_is_an_object() -> None:
    """A mapping says what it lacks."""
    skipped = Skipped()
    assert [(1, {})] == list(json_values.objects(opened(b"{}\n[]\n"), True, skipped))
    assert [(2, "not a JSON object")] == skipped.first
