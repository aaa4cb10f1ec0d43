"""Spreadsheets as feedback: cells, dates, sheets, titles above the header, bounds."""

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from streams.errors import BadInput
from streams.sources import content
from streams.sources.adopt import proposed
from streams.sources.feed import Feed
from streams.sources.mapped import mapped_form
from streams.sources.mapping_file import load_mapping, mapping_of
from tests.support.feeds import Read, reader
from tests.support.sheets import Inline, Xml, old_workbook, open_document, workbook, zipped

AT = datetime(2026, 11, 27, 9, 5, 7)
MS = int(AT.replace(tzinfo=UTC).timestamp() * 1_000)
HEADER = ("id", "market", "text", "occurred_at", "rating", "shop", "vip")
ROWS = (
    (1, "DE", "gut", AT, 4, "Kiel", True),
    (2, "BR", Inline("não & <b>"), AT, 4.5, None, None),
    (3, "FR", "bien", "2026-11-27T09:05:07Z", "5", 7.0, False),
)


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads a file with this content."""
    return reader(tmp_path)


def times(events: list[dict[str, Any]]) -> list[Any]:
    return [event["occurred_at"] for event in events]


@pytest.mark.parametrize("since_1904", [False, True])
def test_cells_are_what_they_mean(read: Read, since_1904: bool) -> None:
    """Shared and inline texts, whole numbers, exact times, truths as words; the other columns are attributes."""
    events, skipped, notes = read(workbook({"A": [HEADER, *ROWS]}, since_1904=since_1904), timezone="UTC")
    assert ([], []) == (skipped, notes)
    assert ["1", "2", "3"] == [event["id"] for event in events]
    assert ["gut", "não & <b>", "bien"] == [event["text"] for event in events]
    assert [4, "4.5", 5] == [event["rating"] for event in events]
    assert [MS, MS, "2026-11-27T09:05:07Z"] == times(events)
    assert [{"shop": "Kiel", "vip": "true"}, None, {"shop": "7", "vip": "false"}] == [
        event.get("attributes") for event in events
    ]


def test_the_name_of_the_file_does_not_matter(read: Read) -> None:
    """Nor does the program: XLS, and Open Document with the thousands of empty cells that its programs write."""
    for name in ("feed", "a.csv", "a.xlsx", "a.ods"):
        rows = [HEADER[:5], *(row[:5] for row in ROWS[:2])]
        for made in (workbook({"A": rows}), open_document(rows), old_workbook(rows)):
            events, _, _ = read(made, name, timezone="UTC")
            assert (["1", "2"], [MS, MS]) == ([event["id"] for event in events[:2]], times(events[:2]))


def test_dates_need_a_zone_and_no_format(read: Read) -> None:
    """As texts without an offset do; `--time-format` is for texts."""
    made = workbook({"A": [HEADER[:4], ROWS[0][:4], (2, "DE", "x", date(2026, 11, 27)), (3, "DE", "x", "27/11/2026")]})
    assert ["2026-11-27T09:05:07", "2026-11-27", "27/11/2026"] == times(read(made)[0])
    found = times(read(made, timezone="Europe/Berlin", time_format="%d/%m/%Y")[0])
    assert [MS - 3_600_000, 1_795_734_000_000, "2026-11-26T23:00:00.000Z"] == found


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ('<c r="C2" t="inlineStr"><is><r><t xml:space="preserve">gut, </t></r><r><rPr/><t>sehr</t></r></is></c>',
         "gut, sehr"),
        ('<c r="C2" t="inlineStr"><is><t>東京</t><rPh sb="0" eb="2"><t>トウキョウ</t></rPh></is></c>', "東京"),
        ('<c r="C2" t="str"><f>UPPER("gut")</f><v>GUT</v></c>', "GUT"),
        ('<c r="C2" t="inlineStr"><is><t>a_x000D_&#10;b</t></is></c>', "a\r\nb"),
        ('<c r="C2"><v>1.2345678901234E+14</v></c>', "123456789012340"),
        ('<c r="C2" t="e"><v>#REF!</v></c>', None),
        ('<c r="C2" t="inlineStr"><is><t>#N/A</t></is></c>', None),
    ],
    ids=["rich text", "readings", "a formula", "escapes", "a long number", "an error", "a word for nothing"],
)  # fmt: skip
def test_cells_are_read_as_programs_write_them(read: Read, cell: str, expected: str | None) -> None:
    """Excel, Google Sheets and the libraries of several languages."""
    [event], skipped, _ = read(workbook({"A": [HEADER[:4], ("1", "DE", Xml(cell), AT)]}))
    assert ([], expected) == (skipped, event.get("text"))


def test_numbers_of_rows_are_the_sheets(tmp_path: Path) -> None:
    """A row that holds no event costs itself; rows of nothing are none."""
    mapping = mapping_of({"id": "id", "market": "market", "text": "text", "occurred_at": "occurred_at"}, "m")
    rows = [(), HEADER[:4], (), ("1", "DE", "gut", AT), (2, "DE", None, AT), (), (3, "DE", "x", "soon")]
    (tmp_path / "a").write_bytes(workbook({"A": rows}))
    skipped: list[tuple[int, str]] = []
    with Feed(str(tmp_path / "a"), False, mapped_form(mapping, "a", timezone="UTC")) as feed:
        assert 1 == len(list(feed.records(lambda number, why: skipped.append((number, why)))))
    assert {5: "text: nothing is there; a rating alone is no event", 7: "occurred_at: no time of its form and zone"} \
        == dict(skipped)  # fmt: skip


def test_the_first_visible_sheet_with_rows_is_read(read: Read) -> None:
    """And named, as are the others; another by its name; an unknown one with the names that there are."""
    made = workbook({"empty": [], "codes": [("x",)], "A": [HEADER, *ROWS], "B": [HEADER, ROWS[0]]}, hidden=["codes"])
    events, _, notes = read(made)
    assert (3, ["the sheet A was read, not empty, codes, B; choose another with --sheet"]) == (len(events), notes)
    events, _, notes = read(made, sheet="B")
    assert (1, []) == (len(events), notes)
    with pytest.raises(BadInput, match=r"no sheet C, but empty, codes, A, B\. Operator action"):
        read(made, sheet="C")
    with pytest.raises(BadInput, match=r"has no sheet with rows\. Operator action"):
        read(workbook({"A": []}))
    for other in ('{"id": "1"}', "id;market;text;occurred_at\n"):
        with pytest.raises(BadInput, match="--sheet does nothing"):
            read(other, sheet="A")


@pytest.mark.parametrize("options", [{"delimiter": ";"}, {"encoding": "cp1252"}])
def test_options_of_text_files_are_refused(read: Read, options: dict[str, str]) -> None:
    """They do nothing."""
    with pytest.raises(BadInput, match=r"do nothing\. Operator action"):
        read(workbook({"A": [HEADER, *ROWS]}), **options)


def test_a_sheet_has_no_lines_to_send_as_they_are(tmp_path: Path) -> None:
    """Nor has Parquet."""
    for made in (workbook({"A": [HEADER, *ROWS]}), b"PAR1\x15\x04\x15."):
        (tmp_path / "a").write_bytes(made)
        with pytest.raises(BadInput, match=r"--raw.*Operator action"):
            Feed(str(tmp_path / "a"), raw=True)


TITLES = [("Reviews of March",), (), ("exported", AT)]


def test_titles_above_the_header_are_skipped(read: Read) -> None:
    """In sheets and in CSV; what was skipped is reported."""
    sheet = workbook({"A": [*TITLES, HEADER, *ROWS]})
    csv = "Reviews, of March\n\nexported;now\nid;market;text;occurred_at\n1;DE;gut;0\n2;DE;gut;0\n3;DE;x;0\n"
    for made, unit in ((sheet, "rows"), (csv, "lines")):
        events, skipped, notes = read(made)
        assert (["1", "2", "3"], []) == ([event["id"] for event in events], skipped)
        assert [f"the header is in {unit[:-1]} 4; {unit} 1 to 3 above it were skipped"] == notes


def test_the_columns_that_are_missing_are_those_of_the_header(read: Read) -> None:
    """Not of the title."""
    for made in (workbook({"A": [*TITLES, HEADER[:3], ROWS[0][:3]]}), "Reviews\n\nid;market;text\n1;DE;gut\n"):
        with pytest.raises(BadInput, match="no column occurred_at, but id, market, text"):
            read(made)


def test_a_row_with_a_word_of_the_contract_is_no_header(read: Read) -> None:
    """What users wrote is in no message: the columns are those of the first row."""
    rows = [("a", "b", "c"), ("1", "text", "secret")]
    for made in (workbook({"A": rows}), "".join(";".join(row) + "\n" for row in rows)):
        with pytest.raises(BadInput, match="no column id, market, text, occurred_at, but a, b, c"):
            read(made)


def test_two_headers_are_refused(read: Read) -> None:
    """With their numbers: which rows are titles is not plain."""
    for made in (
        workbook({"A": [("a",), HEADER, ROWS[0], HEADER, ROWS[1]]}),
        "a\nid;market;text;occurred_at\n1;DE;gut;0\nid;market;text;occurred_at\n",
    ):
        with pytest.raises(BadInput, match=r"2 and 4 could both be the header\. Operator action"):
            read(made)


def test_a_mapping_reads_dates_of_cells(tmp_path: Path) -> None:
    """One for sheets saved as CSV, whose formats are of texts, reads the sheet itself."""
    rows = [("Nr", "Land", "Kommentar", "Datum", "Bewertung"), (1, "Deutschland", "gut", AT, 4.0)]
    (tmp_path / "a").write_bytes(workbook({"A": rows}))
    form = mapped_form(load_mapping("excel-de"), "a", timezone="Europe/Berlin")
    with Feed(str(tmp_path / "a"), False, form) as feed:
        [record] = feed.records()
    assert b'"id":"1","market":"DE","text":"gut","occurred_at":"2026-11-27T08:05:07.000Z"' in record.value
    assert b'"rating":4' in record.value


def test_what_a_mapping_says_of_text_files_does_not_matter(tmp_path: Path) -> None:
    """It may be for both."""
    tables = {name: name for name in HEADER[:4]} | {"file": {"delimiter": ";", "encoding": "cp1252", "skip": 1}}
    (tmp_path / "a").write_bytes(workbook({"A": [HEADER[:4], ("its", "own", "names"), ROWS[0][:4]]}))
    with Feed(str(tmp_path / "a"), False, mapped_form(mapping_of(tables, "m"), "a", timezone="UTC")) as feed:
        assert 1 == sum(1 for _ in feed.records())


def test_a_mapping_is_proposed(tmp_path: Path) -> None:
    """What is proposed reads the sheet; titles above its header are skipped."""
    rows = [("Reviews of March",), ("Nr", "Land", "Kommentar", "Datum", "NPS"), (1, "Germany", "gut", AT, 9.0)]
    (tmp_path / "a").write_bytes(workbook({"A": rows, "B": [("x",)]}))
    found = proposed(str(tmp_path / "a"))
    [event] = found.rows
    assert isinstance(event, dict)
    assert ("1", "DE", 5, "2026-11-27T09:05:07.000Z") == tuple(
        event[key] for key in ("id", "market", "rating", "occurred_at")
    )
    assert 2 == len(found.notes)
    with pytest.raises(BadInput, match="has no records"):
        proposed(str(tmp_path / "a"), sheet="B")


def test_a_sheet_beyond_all_memory_is_refused(read: Read) -> None:
    """Two cells at the ends of a sheet are 17 billion cells to the library; so is a shared text in every cell."""
    ends = [(1, *(Xml(f'<c r="{place}"><v>1</v></c>') for place in ("A1", "XFD1048576")))]
    with pytest.raises(BadInput, match=r"needs more memory.*Operator action"):
        read(workbook({"A": ends}))
    again = [(Xml(f'<c t="s"><v>{len(HEADER)}</v></c>'),)] * 1_000
    with pytest.raises(BadInput, match=r"needs more memory.*Operator action"):
        read(workbook({"A": [HEADER, ("x" * 1_000_000,), *again]}))


def test_a_workbook_that_unpacks_to_too_much_is_refused(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the sizes in its archive, before it is opened."""
    monkeypatch.setattr(content, "FREE_UNPACKED_BYTES", 100_000)
    made = zipped({"xl/workbook.xml": "a", "xl/media/big": b"\0" * 2_000_000})
    with pytest.raises(BadInput, match=r"unpacks to more than .* bytes\. Operator action"):
        read(made)


@pytest.mark.parametrize(
    "made",
    [
        b"\xd0\xcf\x11\xe0....",
        zipped({"xl/workbook.xml": "a", "b.xml": "b"}),
        workbook({"A": [HEADER, *ROWS]})[:-30],
    ],
    ids=["Word", "no workbook", "cut"],
)
def test_what_is_no_workbook_is_refused(read: Read, made: bytes) -> None:
    """With its name and what to do."""
    with pytest.raises(BadInput, match=r"feed cannot be (read as a spreadsheet|unpacked): .*Operator action"):
        read(made)


def test_a_workbook_with_a_password_is_named(read: Read) -> None:
    """It is an archive of another kind, with a part that says so."""
    with pytest.raises(BadInput, match=r"is protected by a password\. Operator action"):
        read(b"\xd0\xcf\x11\xe0" + b"\0" * 600 + "EncryptedPackage".encode("utf-16-le") + b"\0" * 600)


def test_what_can_be_read_once_only_is_read(tmp_path: Path) -> None:
    """A pipe, as often as it is asked for."""
    os.mkfifo(path := tmp_path / "f")
    with ThreadPoolExecutor(1) as writer:
        writer.submit(path.write_bytes, workbook({"A": [HEADER, *ROWS]}))
        with Feed(str(path), raw=False) as feed:
            assert [3, 3] == [sum(1 for _ in feed.records()) for _ in range(2)]


def test_the_process_that_reads_knows_no_settings(tmp_path: Path, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets are none of its business."""
    (process := tmp_path / "process.py").write_text(
        "import msgspec, os, sys\n"
        "frame = msgspec.msgpack.encode({'error': ' '.join(os.environ)})\n"
        "sys.stdout.buffer.write(len(frame).to_bytes(4, 'big') + frame)\n"
    )
    monkeypatch.setattr("streams.sources.tables._PROCESS", process)
    monkeypatch.setenv("MARKETPULSE_PAGE_TOKEN", "secret")
    monkeypatch.setenv("CLOUD_SECRET", "secret")
    with pytest.raises(BadInput, match=r"^(?!.*MARKETPULSE)(?!.*SECRET).*PATH"):
        read(workbook({"A": [HEADER]}))


def test_without_the_extra_it_is_named(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    """For sheets and Parquet."""
    monkeypatch.setattr("streams.sources.tables.find_spec", lambda name: None)
    for made in (workbook({"A": [HEADER]}), b"PAR1\x15\x04\x15."):
        with pytest.raises(BadInput, match=r"pip install 'marketpulse\[files\]'"):
            read(made)
