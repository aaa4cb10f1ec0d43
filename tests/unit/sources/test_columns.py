"""Columns of tables of other programs: headers, choices, names that are no names, cells in other forms."""

from pathlib import Path

import pytest

from streams.errors import BadInput
from streams.sources.events import form_of
from streams.sources.feed import Feed, forecast
from streams.sources.mapped import mapped_form
from streams.sources.mapping_file import load_mapping
from tests.support.feeds import Read, reader
from tests.unit.sources.test_foreign_files import records

NOW = 1_795_780_000_000
AT = "2026-11-27T09:00:00Z"
HEADER = "id;market;text;occurred_at"
RECORD = "r-1;BR;My PIN is 4711, call me;2026-11-27T09:00:00Z;anna-7"


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads a file with this content."""
    return reader(tmp_path)


def test_columns_that_nobody_needs_do_not_cost_the_event(read: Read) -> None:
    """Too many, too long, without a name, twice: kept within bounds and reported once, or chosen."""
    others = [*(f"c{number}" for number in range(40)), "", "c1", "n" * 300]
    header = ";".join([HEADER, *others])
    row = ";".join(["1", "DE", "gut", AT, "y" * 300, *("x" for _ in others[1:])])
    [event], _, notes = read(f"{header}\n{row}\n")
    assert (32, "y" * 255 + "…") == (len(event["attributes"]), event["attributes"]["c0"])
    assert (2, True, True) == (len(notes), "left out: c32, c33" in notes[0], "c0: cut" in notes[1])
    assert 0 == forecast(records(event), NOW).refused.total()
    [event], _, notes = read(f"{header}\n{row}\n", attributes=["c39"])
    assert ({"c39": "x"}, []) == (event["attributes"], notes)
    with pytest.raises(BadInput, match="has no column c77"):
        read(f"{header}\n{row}\n", attributes=["c77"])


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        (["text=Frage"], "column Frage 2 times, at 4 and 5"),
        (["text=Frage", "text=Notiz"], "names text twice"),
        (["lang=Land", "market=Land"], "gives Land to two fields"),
        (["sprache=Land"], "no field sprache"),
    ],
)
def test_a_choice_that_is_not_unique_is_refused(read: Read, columns: list[str], why: str) -> None:
    """A column twice, a field twice, a column for two fields, a field that there is not."""
    with pytest.raises(BadInput, match=why):
        read(f"id;market;occurred_at;Frage;Frage;Notiz;Land\n1;DE;{AT};a;b;c;d\n", columns=columns)


@pytest.mark.parametrize("mapping", [None, "nps-sheet"])
@pytest.mark.parametrize("row", [RECORD, RECORD.replace("2026-11-27T09:00:00Z", "27 novembre 2026"), "x;anna@x.org;Ha"])
def test_a_first_row_that_is_no_header_is_not_shown(tmp_path: Path, row: str, mapping: str | None) -> None:
    """A file without a header: how long its cells are, nothing that a user wrote, by a mapping or without one."""
    path = tmp_path / "f.csv"
    path.write_text(f"{row}\n" * 3)
    form = form_of(delimiter=";")
    if mapping is not None:
        form = mapped_form(load_mapping(mapping), str(path), delimiter=";")
    with (
        Feed(str(path), False, form) as feed,
        pytest.raises(BadInput, match="a first row that looks like a record, not like a header") as refused,
    ):
        list(feed.records())
    assert [] == [cell for cell in row.split(";") if len(cell) > 2 and cell in str(refused.value)]
    assert f"({len(row.split(';')[2])} characters)" in str(refused.value)


def test_a_column_that_is_named_by_a_sentence_is_shown_by_its_length(read: Read) -> None:
    """The names beside it are shown."""
    question = "What could we do better? Please tell us."
    with pytest.raises(BadInput, match=rf"but nr, Land, \({len(question)} characters\), Q1\. Operator"):
        read(f"nr,Land,{question},Q1\n1,BR,x,2\n")


def test_the_contracts_names_are_found_in_any_case(read: Read) -> None:
    """With spaces around them too; a column that only looks alike stays an attribute where the name itself is there."""
    [event], _, _ = read(f"ID; Market ;TEXT;Occurred_At;text\n1;DE;a;{AT};b\n")
    assert ("b", {"TEXT": "a"}) == (event["text"], event["attributes"])


@pytest.mark.parametrize(
    ("cell", "rating"), [("4", 4), ("4.0", 4), ("4,0", 4), (" 4 ", 4), ("4.5", "4.5"), ("²", "²"), ("vier", "vier")]
)
def test_whole_numbers_are_read_however_they_are_written(read: Read, cell: str, rating: object) -> None:
    """With a fraction of 0 after a point or a comma; what is none stays, and is refused."""
    [event], _, _ = read(f"{HEADER};rating\n1;DE;gut;{AT};{cell}\n")
    assert rating == event["rating"]


@pytest.mark.parametrize("word", ["", " ", "NULL", "null", r"\N", "nan", "NaN", "-", "N/A", "#N/A", "None"])
def test_words_for_nothing_are_nothing(read: Read, word: str) -> None:
    """In optional fields and attributes; Namibia stays a market."""
    [event], _, _ = read(f"{HEADER};user;rating;shop\n1;NA;gut;{AT};{word};{word};{word}\n")
    assert {"id": "1", "market": "NA", "text": "gut", "occurred_at": AT} == event


def test_columns_of_the_same_name_stay_apart(read: Read) -> None:
    """Also where another one already has the name that is made."""
    [event], _, _ = read(f"{HEADER};a (7);a;a\n1;DE;gut;{AT};x;y;z\n")
    assert ["x", "y", "z"] == list(event["attributes"].values())


@pytest.mark.parametrize("name", ["ORCID", "PAR1"])
def test_a_header_that_begins_like_a_mark_is_read(read: Read, name: str) -> None:
    """A file of letters alone is none of those that begin with them."""
    [event], _, _ = read(f"{name};{HEADER}\nx;1;DE;gut;{AT}\n")
    assert {name: "x"} == event["attributes"]
