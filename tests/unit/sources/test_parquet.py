"""Parquet as feedback: typed values, nested ones, rows one batch after the other, bounds."""

import io
import tracemalloc
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from arro3.core import Array, DataType, Field, Table, list_array, struct_array
from arro3.io import write_parquet

from streams.errors import BadInput
from streams.sources import content
from streams.sources.adopt import proposed
from streams.sources.feed import Feed
from streams.sources.mapped import mapped_form
from streams.sources.mapping_file import mapping_of
from tests.support.feeds import Read, reader

AT_S = int(datetime(2026, 11, 27, 9, 5, 7, tzinfo=UTC).timestamp())
UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
TEXT, INTEGER, DECIMAL = DataType.string(), DataType.int64(), DataType.decimal128(20, 2)


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads a file with this content."""
    return reader(tmp_path)


def times(number: int, unit: str = "ms", zone: str | None = "UTC", seconds: int = AT_S) -> Any:
    """A column of one time, in its unit."""
    return Array([seconds * UNITS[unit]] * number, INTEGER).cast(DataType.timestamp(unit, tz=zone))


def parquet(columns: Mapping[str, Any], **options: Any) -> bytes:
    """A file of these columns."""
    made = io.BytesIO()
    write_parquet(Table.from_pydict(dict(columns)), made, **options)
    return made.getvalue()


def feedback(number: int = 2, **others: Any) -> dict[str, Any]:
    """Columns of the contract."""
    return {
        "id": Array(range(1, number + 1), INTEGER),
        "market": Array(["DE"] * number, TEXT),
        "text": Array(["gut"] * number, TEXT),
        "occurred_at": times(number),
    } | others


def test_columns_become_fields_and_attributes(read: Read) -> None:
    """As those of CSV do: numbers, nothing, truths and decimals too."""
    others = {
        "rating": Array([4.0, float("nan")], DataType.float64()),
        "shop": Array(["Kiel", None], TEXT),
        "vip": Array([True, False], DataType.bool()),
        "paid": Array(["4.00", "4.50"], TEXT).cast(DECIMAL),
        "raw": Array([b"gr\xc3\xbcn", b"\xff\x00"], DataType.binary()),
    }
    events, skipped, notes = read(parquet(feedback(**others)))
    assert ([], []) == (skipped, notes)
    assert {
        "id": "1",
        "market": "DE",
        "text": "gut",
        "occurred_at": AT_S * 1_000,
        "rating": 4,
        "attributes": {"shop": "Kiel", "vip": "true", "paid": "4", "raw": "grün"},
    } == events[0]
    assert ({"vip": "false", "paid": "4.50", "raw": "ff00"}, False) == (events[1]["attributes"], "rating" in events[1])


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "+02:00"])
def test_times_with_a_zone_are_exact(read: Read, unit: str, zone: str) -> None:
    """In every unit, whatever --timezone is."""
    for options in ({}, {"timezone": "Asia/Tokyo"}, {"time_format": "%d.%m.%Y"}):
        events, _, _ = read(parquet(feedback(1, occurred_at=times(1, unit, zone))), **options)
        assert AT_S * 1_000 == events[0]["occurred_at"]


def test_times_without_a_zone_need_one(read: Read) -> None:
    """As texts without an offset; an epoch number is one."""
    made = parquet(feedback(1, occurred_at=times(1, "us", None)))
    assert "2026-11-27T09:05:07" == read(made)[0][0]["occurred_at"]
    assert (AT_S - 3_600) * 1_000 == read(made, timezone="Europe/Berlin")[0][0]["occurred_at"]
    made = parquet(feedback(1, occurred_at=Array([AT_S], INTEGER)))
    assert AT_S * 1_000 == read(made)[0][0]["occurred_at"]


def test_columns_are_named_as_those_of_csv(read: Read) -> None:
    """One that is missing is named with those that there are."""
    columns = feedback(1)
    columns["land"] = columns.pop("market")
    assert "DE" == read(parquet(columns), columns=["market=land"])[0][0]["market"]
    with pytest.raises(BadInput, match="no column market, but id, text, occurred_at, land"):
        read(parquet(columns))


def nested() -> bytes:
    """A record of parts."""
    customer = struct_array(
        [Array(["DEU", "BRA"], TEXT), times(2)], fields=[Field("country", TEXT), Field("since", times(1).type)]
    )
    answer = struct_array([Array(["gut", "", "bom"], TEXT)], fields=[Field("text", TEXT)])
    answers = list_array(Array([0, 1, 3], DataType.int32()), answer)
    return parquet({"nr": Array([1, 2], INTEGER), "customer": customer, "answers": answers})


MAPPING = {
    "id": "nr",
    "market": "customer.country",
    "text": "answers[0].text",
    "occurred_at": "customer.since",
}


def test_a_mapping_reaches_parts(tmp_path: Path) -> None:
    """By the paths of JSON; a row that cannot become an event costs itself."""
    (tmp_path / "a").write_bytes(nested())
    skipped: list[tuple[int, str]] = []
    with Feed(str(tmp_path / "a"), False, mapped_form(mapping_of(MAPPING, "m"), "a")) as feed:
        [record] = feed.records(lambda number, why: skipped.append((number, why)))
    assert b'{"id":"1","market":"DE","text":"gut","occurred_at":"2026-11-27T09:05:07.000Z"}' == record.value
    assert [(2, "text: nothing is there; a rating alone is no event")] == skipped


def test_a_mapping_is_proposed(tmp_path: Path) -> None:
    """Parts and times too."""
    columns = feedback(3) | {"country": Array(["Germany", "BR", "FRA"], TEXT)}
    del columns["market"]
    (tmp_path / "a").write_bytes(parquet(columns))
    found = proposed(str(tmp_path / "a"))
    assert ['from = "country"' in found.toml, []] == [True, found.notes]
    assert ["DE", "BR", "FR"] == [row["market"] for row in found.rows if isinstance(row, dict)]


def test_a_time_beyond_all_calendars_costs_its_row(read: Read) -> None:
    """It is none."""
    events, _, _ = read(parquet(feedback(1, occurred_at=times(1, "s", "UTC", 2**60))))
    assert "occurred_at" not in events[0]


@pytest.mark.parametrize("damaged", [slice(-4, None), slice(6, None), slice(5, 30), slice(-200, -20)])
def test_a_broken_file_is_refused(read: Read, damaged: slice) -> None:
    """With its name and what to do: cut, or without what is at its begin or in its footer."""
    made = bytearray(parquet(feedback(50)))
    made[damaged] = b"" if damaged.stop is None else bytes(len(made[damaged]))
    with pytest.raises(BadInput, match=r"feed cannot be read as a Parquet file: .*Operator action"):
        read(bytes(made))


def test_an_empty_file_has_no_events(read: Read) -> None:
    """Its columns are looked at."""
    assert ([], [], []) == read(parquet(feedback(0)))


def test_a_long_file_takes_the_memory_of_a_few_rows(tmp_path: Path) -> None:
    """Whatever its length; the process that reads it ends with the reading, at its end or before."""
    number = 20_000
    text = Array([f"{place} {'x' * 1_000}" for place in range(number)], TEXT)
    (tmp_path / "a").write_bytes(parquet(feedback(number, text=text), max_row_group_size=1_000))
    with Feed(str(tmp_path / "a"), False) as feed:
        tracemalloc.start()
        assert number == sum(1 for _ in feed.records())
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
        tracemalloc.stop()
        assert next(iter(feed.records())).value


def test_a_small_file_of_endless_rows_is_refused(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that is there once in the file, and in each of its rows."""
    made = parquet(feedback(300, text=Array(["x" * 1_000_000] * 300, TEXT)))
    assert len(made) < 1_500_000
    monkeypatch.setattr(content, "MAX_RATIO", 20)
    with pytest.raises(BadInput, match=r"unpacks to more than .* bytes\. Operator action|needs more memory"):
        read(made)


def test_a_row_of_too_many_bytes_costs_itself(read: Read) -> None:
    """As a line of JSON does."""
    made = parquet(feedback(3, text=Array(["gut", "x" * 1_100_000, "gut"], TEXT)))
    events, skipped, _ = read(made)
    assert (["1", "3"], [(2, "longer than 1,048,576 bytes")]) == ([event["id"] for event in events], skipped)
