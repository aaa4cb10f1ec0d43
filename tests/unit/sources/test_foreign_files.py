"""Files as other programs write them: encodings, dialects, damaged rows, columns, words for nothing, packed files."""

import gzip
import io
import zipfile
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from marketpulse.contract.decode import utc
from streams.errors import BadInput
from streams.kafka.publish import Record
from streams.sources import csv_rows
from streams.sources.csv_rows import MAX_ROW
from streams.sources.events import Rows
from streams.sources.feed import Feed, forecast
from streams.sources.lines import DAMAGED
from streams.sources.shift import Times
from streams.sources.times import written_ms
from tests.support.feeds import Read, reader

NOW = 1_795_780_000_000
AT = "2026-11-27T09:00:00Z"
HEADER = "id;market;text;occurred_at"


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads a file with this content."""
    return reader(tmp_path)


def records(*events: dict[str, Any]) -> list[Record]:
    return [Record(None, msgspec.json.encode(event)) for event in events]


def table(*texts: str, header: str = HEADER) -> str:
    return "\n".join([header, *(f"{number};DE;{text};{AT}" for number, text in enumerate(texts, 1))]) + "\n"


GERMAN = ("läuft gut, aber stürzt ab", "schöne Größe, für Ältere zu klein")
CHINESE = ("很好用，推荐给大家", "物流太慢了，客服态度也不好", "应用经常闪退，请修复")
JAPANESE = ("アプリがよく落ちます", "とても良いサービスです")


@pytest.mark.parametrize(
    ("encoding", "texts", "guessed"),
    [
        ("utf-8", GERMAN, False),
        ("utf-8-sig", CHINESE, False),
        ("utf-16", JAPANESE, False),
        ("utf-32", GERMAN, False),
        ("utf-16-le", CHINESE, True),
        ("utf-16-be", GERMAN, True),
        ("cp1252", GERMAN, True),
        ("cp1251", ("приложение постоянно вылетает", "отличный сервис"), True),
        ("gb18030", CHINESE, True),
        ("cp932", JAPANESE, True),
        ("cp949", ("앱이 자꾸 꺼져요", "배송이 너무 늦어요"), True),
    ],
)
def test_the_encoding_is_found_and_a_guess_is_reported(
    read: Read, encoding: str, texts: tuple[str, ...], guessed: bool
) -> None:
    """CSV of a few short rows, and lines of JSON."""
    events, skipped, notes = read(table(*texts).encode(encoding))
    assert (list(texts), []) == ([event["text"] for event in events], skipped)
    assert [f"read as {encoding}"] * guessed == [note.partition(",")[0] for note in notes]
    line = f'{{"id": "1", "market": "DE", "text": "{texts[0]}", "occurred_at": "{AT}"}}\n'
    assert [texts[0]] == [event["text"] for event in read((line * 2).encode(encoding))[0][:1]]


def test_an_encoding_can_be_chosen(read: Read) -> None:
    """Where bytes alone do not decide; what is no encoding is refused."""
    [event], _, notes = read(table("läuft").encode("cp850"), encoding="cp850")
    assert ("läuft", []) == (event["text"], notes)
    for wrong in ("klingon", "base64"):
        with pytest.raises(BadInput, match=r"is no encoding\. Operator action"):
            read("", encoding=wrong)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_long_texts_with_few_zero_bytes_are_utf_16(read: Read, encoding: str) -> None:
    """Of Chinese, in which only delimiters, times and ends of lines have them."""
    events, _, _ = read(table(*["物流太慢了，客服态度也不好" * 20] * 9).encode(encoding))
    assert 9 == len(events)


def test_a_broken_line_that_begins_like_a_mark_costs_itself(read: Read) -> None:
    """The others are UTF-8."""
    line = '{"id": "1", "market": "DE", "text": "schöne Größe", "occurred_at": 1}\n'.encode()
    events, skipped, notes = read(b"\xff\xfe\x00garbage\n" + line * 9)
    assert (9, [1], []) == (len(events), [number for number, _ in skipped], notes)


def test_broken_bytes_cost_their_row(read: Read) -> None:
    """A byte that is no UTF-8 in a file that is."""
    content = table(*["schöne Größe"] * 20, "HERE").encode().replace(b"HERE", b"sch\xf6n")
    events, skipped, _ = read(content)
    assert (20, [22]) == (len(events), [number for number, _ in skipped])


@pytest.mark.parametrize("name", ["EXPORT.CSV", "f.tsv", "f.txt", "f.jsonl", "f"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_kind_and_the_delimiter_are_found_by_content(read: Read, name: str, delimiter: str) -> None:
    """A name says nothing; a delimiter inside of quotes, of texts or of a question as header does not count."""
    question = "Preis, Tempo; Service | alles in allem, wie war es, mit Note, Grund, Ort?"
    rows = [["id", "market", f'"{question}"', "occurred_at"], ["1", "DE", '"gut, ja, ja, ja, ja"', AT]]
    content = "\r\n".join(delimiter.join(row) for row in rows)
    [event], _, _ = read(content, name, columns=[f"text={question}"])
    assert "gut, ja, ja, ja, ja" == event["text"]


def test_a_line_that_names_the_separator_is_read(read: Read) -> None:
    """As Excel takes it, after a byte order mark."""
    [event], _, _ = read("\ufeffsep=;\r\n" + table("a, b"))
    assert "a, b" == event["text"]


def test_escaped_quotes_are_read(read: Read) -> None:
    """With backslashes, as MySQL writes them; and those that nobody escaped, in a row of one line."""
    events, skipped, _ = read(table(r'"sagt \"nein; nie\" dazu"', r'"zwei \"2\" Zoll"'))
    assert (['sagt "nein; nie" dazu', 'zwei "2" Zoll'], []) == ([event["text"] for event in events], skipped)
    row = rf'1;DE;"sagt \"nein\"";{AT};\N;\N'
    [event], _, _ = read(f"{HEADER};user;shop\n{row}\n")
    assert {"id": "1", "market": "DE", "text": 'sagt "nein"', "occurred_at": AT} == event
    events, skipped, _ = read(table('"7" panel"', "gut"))
    assert (2, []) == (len(events), skipped)


@pytest.mark.parametrize(
    "rows",
    [
        ['"7 Zoll', *["gut"] * 30],
        ["gut", '"7 Zoll', *["gut"] * 5, '"gut"', "gut"],
        ["gut", '"7 Zoll', *["gut"] * 5, '5.5"', "gut"],
        ["gut", '"7 Zoll', '5.5"', "gut"],
        ["gut", "gut", '"7 Zoll'],
        ['"7 Zoll', *["x" * 1_000] * (MAX_ROW // 1_000 + 50)],
    ],
    ids=[
        "never closed",
        "closed by another",
        "closed at an end",
        "closed in the next row",
        "last row",
        "longer than a row may be",
    ],
)
@pytest.mark.parametrize("order", ["id;market;text;occurred_at", "id;market;occurred_at;text"])
def test_an_unclosed_quote_costs_its_row_alone(read: Read, rows: list[str], order: str) -> None:
    """It is named by its line, and no event holds other rows."""
    places = order.split(";")
    written = [
        ";".join({"id": str(n), "market": "DE", "text": text, "occurred_at": AT}[place] for place in places)
        for n, text in enumerate(rows, 1)
    ]
    events, skipped, _ = read("\n".join([order, *written]) + "\n")
    opened = next(number for number, text in enumerate(rows, 1) if text.startswith('"7'))
    assert (opened + 1, DAMAGED) == skipped[0]
    assert len(rows) - 1 <= len(events) + len(skipped[1:])
    assert all(";DE;" not in event["text"] for event in events)


def test_short_lines_that_each_open_a_quote_cost_work_by_their_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each begins a row of all lines below it: their lines are bounded, not their characters alone."""
    looked = 0
    within = csv_rows._row_within

    def counted(lines: list[tuple[int, str]], dialect: csv_rows.Dialect, rows: Rows) -> bool:
        nonlocal looked
        looked += len(lines)
        return within(lines, dialect, rows)

    monkeypatch.setattr(csv_rows, "_row_within", counted)
    monkeypatch.setattr(csv_rows, "MAX_READ_AGAIN", 2_000_000)
    path = tmp_path / "f.csv"
    path.write_text("id,market,text,occurred_at\n" + 'z",,,"w\n' * 1_000 + 'z"\n')
    with Feed(str(path), False) as feed:
        assert [] == list(feed.records())
    assert looked < 20_000


def test_ends_of_lines_in_quotes_stay(read: Read) -> None:
    """A text of several lines is one row."""
    [event], skipped, _ = read(table('"erste\nzweite; dritte; vierte; fünfte\n""vierte"""'))
    assert ('erste\nzweite; dritte; vierte; fünfte\n"vierte"', []) == (event["text"], skipped)


@pytest.mark.parametrize("delimiters", range(5))
@pytest.mark.parametrize("quote", ["", '""'])
def test_the_end_of_a_text_is_no_row(read: Read, delimiters: int, quote: str) -> None:
    """However many delimiters its last line has: with the cells behind the text it may be as wide as a row."""
    end = ";".join(f"Teil {number}" for number in range(delimiters + 1)) + quote
    events, skipped, _ = read(table(f'"erste; Zeile\n{end}"', "gut", f'"erste\n\n{end}"'))
    plain = end.replace('""', '"')
    assert ([f"erste; Zeile\n{plain}", "gut", f"erste\n\n{plain}"], []) == (
        [event["text"] for event in events],
        skipped,
    )


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000, 1_000_000_000])
def test_epoch_numbers_keep_their_distances(tmp_path: Path, unit: int) -> None:
    """Seconds, ms, µs and ns, in CSV and JSON, shifted too: an hour stays an hour; a date as a number is no time."""
    times = [(1_795_770_000 + 3_600 * hour) * unit for hour in range(3)]
    rows = [f"{n};DE;gut;{at}" for n, at in enumerate((*times, 20261127, 7))]
    objects = [f'{{"id":"{n}","market":"DE","text":"gut","occurred_at":{at}}}' for n, at in enumerate((*times, 7))]
    for content in ("\n".join([HEADER, *rows]), "\n".join(objects)):
        (tmp_path / "f").write_text(content)
        with Feed(str(tmp_path / "f"), False) as feed:
            moved = list(Times(feed.records()).shift_to(NOW).of(feed.records()))
            read = [msgspec.json.decode(record.value)["occurred_at"] for record in moved]
            assert [NOW - 7_200_000, NOW - 3_600_000, NOW] == read[:3]
            assert len(moved) - 3 == forecast(moved, NOW).refused.total()


def test_times_are_read_as_others_write_them(read: Read) -> None:
    """Without seconds, by name of the offset, RFC 2822, the day first; in a form that is given."""
    written = [
        "2026-11-27 09:00+00:00", "2026-11-27T09:00Z", "2026-11-27 09:00:00 UTC", "Fri, 27 Nov 2026 10:00:00 +0100",
        "27.11.2026 10:00", "2026-11-27 10:00", "2026-11-27T09:00:00,000Z",
    ]  # fmt: skip
    rows = [f"{number};DE;gut;{at}" for number, at in enumerate(written)]
    events, _, _ = read("\n".join([HEADER, *rows]), timezone="Europe/Berlin")
    assert [NOW - 1_795_770_000_000] * 7 == [Times(records(event)).shift_to(NOW).by_ms for event in events]
    [event], _, _ = read(
        f"{HEADER}\n1;DE;gut;11/27/2026 4:00 AM\n", timezone="America/New_York", time_format="%m/%d/%Y %I:%M %p"
    )
    assert "2026-11-27T09:00:00.000Z" == event["occurred_at"]


def test_columns_and_zones_work_for_json(read: Read) -> None:
    """Names and local times of others; options that do nothing there are refused."""
    line = '{"nr": "1", "land": "DE", "text": "Titel", "body": "gut", "at": "2026-11-27 10:00"}\n'
    columns = ["id=nr", "market=land", "text=body", "occurred_at=at"]
    [event], _, _ = read(line, columns=columns, timezone="Europe/Berlin")
    assert {"id": "1", "market": "DE", "text": "gut", "occurred_at": "2026-11-27T09:00:00.000Z"} == event
    for option in ({"delimiter": ";"}, {"attributes": ["a"]}):
        with pytest.raises(BadInput, match="do nothing"):
            read(line, columns=columns, **option)


def zipped(*files: tuple[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return packed.getvalue()


@pytest.mark.parametrize("name", ["f", "f.CSV.GZ", "f.csv"])
def test_packed_files_are_found_by_content(read: Read, name: str) -> None:
    """gzip, and zip with one file beside what macOS adds."""
    content = table("gut").encode()
    for packed in (gzip.compress(content), zipped(("a/", b""), ("a/f.csv", content), ("__MACOSX/._f.csv", b"x"))):
        assert ["gut"] == [event["text"] for event in read(packed, name)[0]]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (zipped(("a.csv", b"a"), ("b.csv", b"b")), "holds 2 files"),
        (zipped(("xl/workbook.xml", b"a"), ("b.xml", b"b")), "cannot be read as a spreadsheet"),
        (zipped(("a.csv", b"0" * 200_000_000)), "unpacks to more than"),
        (b"PK\x03\x04 no archive", "cannot be unpacked"),
        (gzip.compress(gzip.compress(b"a")), "is packed twice"),
        (b"PAR1\x15\x04\x15.", "cannot be read as a Parquet file"),
        (gzip.compress(b"PAR1\x15\x04\x15."), "is a packed Parquet file"),
        (b"ORC\x0a\x06\x08\x10", "is an ORC file"),
        (b"\xd0\xcf\x11\xe0....", "cannot be read as a spreadsheet"),
        (b"%PDF-1.7", "is a PDF file"),
    ],
    ids=["two files", "workbook", "bomb", "damaged", "twice", "Parquet", "packed Parquet", "ORC", "xls", "PDF"],
)
def test_what_cannot_be_read_is_named(read: Read, content: bytes, why: str) -> None:
    """With what to do."""
    with pytest.raises(BadInput, match=f"{why}.*Operator action"):
        read(content)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
@pytest.mark.parametrize("half", [chr(0xD83D), chr(0xDE00), chr(0xDC80)], ids=ascii)
def test_half_of_a_surrogate_pair_costs_its_line(read: Read, encoding: str, half: str) -> None:
    """The next line is read whole, of a table and of JSON."""
    texts = ("gut", f"a{half}b", "schön 😀")
    line = '{"id": "1", "market": "DE", "text": "%s", "occurred_at": 1795770000000}\n'
    for content in (table(*texts), "".join(line % text for text in texts)):
        events, skipped, _ = read(content.encode(encoding, "surrogatepass"), encoding=encoding)
        assert ["gut", "schön 😀"] == [event["text"] for event in events]
        assert [content[: content.index(half)].count("\n") + 1] == [number for number, _ in skipped]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_a_character_that_is_cut_costs_the_last_line(read: Read, encoding: str) -> None:
    """Of a file that was not written to its end."""
    events, skipped, _ = read(table("gut", "besser").encode(encoding)[:-1])
    assert (["gut"], [3]) == ([event["text"] for event in events], [number for number, _ in skipped])


def test_a_line_that_is_too_long_costs_itself(read: Read) -> None:
    """Also where it is one of the lines by which delimiter and encoding are found."""
    events, skipped, _ = read(table("gut", "x" * (MAX_ROW + 10), "schlecht"))
    assert (["gut", "schlecht"], [3]) == ([event["text"] for event in events], [line for line, _ in skipped])


@pytest.mark.timeout(20)
@pytest.mark.parametrize("ms", [1_081_303_138_774, 2_160_088_569_391, 1_795_770_307_123])
def test_times_keep_their_milliseconds(ms: int) -> None:
    """Without an offset too, where a fraction of seconds would round some of them down."""
    assert ms == written_ms(utc(ms).removesuffix("Z"), ZoneInfo("UTC"))


def test_a_time_of_many_blanks_costs_itself(read: Read) -> None:
    """Looked for in forms that take time by the square of a length, it would take hours."""
    late = f'{{"id": "2", "market": "DE", "text": "gut", "occurred_at": "1{" " * 500_000}x"}}'
    good = f'{{"id": "1", "market": "DE", "text": "gut", "occurred_at": "{AT}"}}'
    events, _, _ = read(f"{late}\n{good}\n", timezone="UTC")
    assert "1" in [event["id"] for event in events]
