"""Values that nobody's program writes cost their record alone, in every shipped mapping, in `publish` and `adopt`."""

import json
from pathlib import Path
from typing import Any

import pytest

from streams.sources.adopt import proposed
from streams.sources.events import NotUsable
from streams.sources.feed import Feed
from streams.sources.lines import Skipped
from streams.sources.mapped import MappedForm, mapped_form
from streams.sources.mapping import Mapping
from streams.sources.mapping_file import load_mapping, mapping_of, ready_mappings
from streams.sources.paths import parsed_path

DEEP: list[Any] = []
for _ in range(5_000):
    DEEP = [DEEP]
HOSTILE: list[Any] = [
    "&#" + "9" * 5_000 + ";", "&#x" + "f" * 5_000, "9" * 5_000, "-" + "9" * 5_000, 10**5_000, -(10**300), 1e308,
    float("inf"), float("nan"), "1e400", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00",
    "Mon, 30 Nov 2026 12:00:00 +999999", "99.99.9999", "\ud800", "\0", "<" * 3_000, "[]", True, None, [], {}, DEEP,
    [DEEP], {"type": DEEP}, [{"type": DEEP, "name": 10**5_000}],
]  # fmt: skip
GOOD = {"id": "1", "market": "BR", "text": "bom", "occurred_at": "2026-11-27T09:00:00Z", "rating": "5"}
TABLES: dict[str, Any] = {name: name for name in GOOD} | {"attributes": {"more": "more[name=x].text"}}


def put(record: dict[str, Any], path: str, value: Any) -> None:
    """Write a value where a path leads; what is there already stays."""
    within: Any = record
    steps = parsed_path(path)
    for step, after in zip(steps, [*steps[1:], None], strict=True):
        new: Any = value if after is None else {} if isinstance(after, str) else []
        if isinstance(step, str):
            within = within.setdefault(step, new)
        else:
            if not within:
                within.append(dict([step]) if isinstance(step, tuple) else new)
            within = within[0]
        if not isinstance(within, dict if isinstance(after, str) else list):
            return


def refusal(mapping: Mapping, record: dict[str, Any]) -> str | None:
    """Why a record is refused; None: it is an event."""
    try:
        mapping.event(record, "reviews-br.csv")
    except NotUsable as why:
        return str(why)
    return None


@pytest.mark.parametrize("name", ready_mappings())
def test_a_hostile_value_refuses_its_record_at_most(name: str) -> None:
    """Whatever the field; the reason names a field, and quotes nothing."""
    mapping = load_mapping(name)
    columns = mapping.columns()
    for hostile in HOSTILE:
        for field in columns:
            record: dict[str, Any] = {}
            for other in (field, *(columns.keys() - {field})):
                for path in columns[other]:
                    put(record, path, hostile if other == field else GOOD.get(other, "x"))
            why = refusal(mapping, record)
            assert why is None or (why.partition(":")[0] in columns and len(why) < 80)


@pytest.mark.parametrize("field", [*GOOD, "attributes"])
def test_what_nobody_thought_of_refuses_its_record(field: str) -> None:
    """As a number that cannot be written out to be compared; the reason names the field and the error's kind."""
    mapping = mapping_of(TABLES | ({field: f"{field}[name=x]"} if field in GOOD else {}), "test")
    record = GOOD | {field if field in GOOD else "more": [{"name": 10**5_000}]}
    assert f"{field}: cannot be read (ValueError)" == refusal(mapping, record)


def test_a_character_by_a_huge_number_is_none() -> None:
    """Python converts no number of thousands of digits, and no character has one; others are read."""
    mapping = mapping_of(TABLES | {"text": {"from": "text", "html": True}}, "test")
    for digits in ("9" * 5_000, "9" * 4_000, "0" * 5_000 + "65"):
        assert "a\ufffd é" == mapping.event(GOOD | {"text": f"a&#{digits}; &#233;"})["text"]


def written(folder: Path) -> str:
    """An export of Intercom, of which the second text and the third record cannot be read."""
    rows = [
        {"id": str(n), "created_at": 1_796_000_000, "custom_attributes": {"country": "BR"}, "source": {"body": f"{n}"}}
        for n in range(4)
    ]
    rows[1]["source"] = {"body": f"<p>&#{'9' * 5_000};"}
    rows[2]["created_at"] = "9" * 5_000
    (folder / "intercom.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    return str(folder / "intercom.jsonl")


def test_publish_goes_on_behind_it(tmp_path: Path) -> None:
    """The other records of the file become events."""
    skipped = Skipped()
    with Feed(written(tmp_path), False, mapped_form(load_mapping("intercom"), "intercom.jsonl")) as feed:
        texts = [json.loads(record.value or b"")["text"] for record in feed.records(skipped)]
    assert ["0", "\ufffd", "3"] == texts


def test_adopt_goes_on_behind_it(tmp_path: Path) -> None:
    """It tries every shipped mapping on every record."""
    found = proposed(written(tmp_path))
    assert "intercom" == found.ready
    assert [True, True, False, True] == [isinstance(row, dict) for row in found.rows]


def test_a_value_without_a_list_that_can_be_found_is_reported() -> None:
    """Objects of which a path leads to the records; the next one is read."""
    mapping = mapping_of(TABLES | {"file": {"records": "parts[name=x].rows"}}, "test")
    broken: list[tuple[int, str]] = []
    objects: list[tuple[int, dict[str, Any]]] = [
        (1, {"parts": [{"name": 10**5_000}]}),
        (2, {"parts": [{"name": "x", "rows": [GOOD]}]}),
    ]
    events = list(MappedForm(mapping=mapping).events(objects, lambda number, why: broken.append((number, why))))
    assert ([(1, "records: cannot be read (ValueError)")], ["bom"]) == (broken, [event["text"] for event in events])
