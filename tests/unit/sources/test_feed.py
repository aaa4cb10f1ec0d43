"""Reading feedback files and moving their times."""

import gzip
import os
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from streams.errors import BadInput
from streams.kafka.publish import SLICE_BYTES, Record, slices
from streams.sources.csv_rows import MAX_ROW
from streams.sources.events import MAX_COLUMNS, Form, form_of
from streams.sources.feed import Feed, forecast
from streams.sources.lines import DAMAGED, MAX_LINE, Skipped
from streams.sources.shift import Times

NOW = 1_790_000_000_000


def lines(
    path: Path, raw: bool = False, form: Form | None = None
) -> tuple[list[Record], list[tuple[int, str]]]:  # fmt: skip
    skipped = Skipped()
    with Feed(str(path), raw, form) as feed:
        return list(feed.records(skipped)), skipped.first


def test_csv_columns_become_fields_and_attributes(tmp_path: Path) -> None:
    """Unknown columns are attributes, ratings numbers, empty cells absent; a ragged row costs only itself."""
    path = tmp_path / "f.csv"
    path.write_text(
        "id,market,text,occurred_at,rating,shop\n1,BR,bom,2026-01-01T00:00:00Z,5,x\n2,BR\n3,CN,好,1795770000000,,\n"
    )
    records, broken = lines(path)
    assert [3] == [number for number, _ in broken]
    assert msgspec.json.decode(records[0].value) == {
        "id": "1", "market": "BR", "text": "bom", "occurred_at": "2026-01-01T00:00:00Z", "rating": 5,
        "attributes": {"shop": "x"},
    }  # fmt: skip
    other = {"id": "3", "market": "CN", "text": "好", "occurred_at": 1_795_770_000_000}
    assert other == msgspec.json.decode(records[1].value)


def test_a_csv_of_somebody_elses_form_is_read(tmp_path: Path) -> None:
    """Other names of columns, semicolons, local times: given by options, the separator found in the file."""
    path = tmp_path / "f.csv"
    path.write_text("nr;land;kommentar;erstellt;text\n1;DE;läuft, gut;2026-07-01 10:00;x\n", "utf-8")
    form = form_of(["id=nr", "market=land", "text=kommentar", "occurred_at=erstellt"], None, "Europe/Berlin")
    [record] = lines(path, form=form)[0]
    content = msgspec.json.decode(record.value)
    assert content == {
        "id": "1", "market": "DE", "text": "läuft, gut", "occurred_at": "2026-07-01T08:00:00.000Z",
        "attributes": {"their text": "x"},
    }  # fmt: skip
    with pytest.raises(BadInput, match="no column kunde, but nr, land"):
        lines(path, form=form_of(["user=kunde"], None, None))


def test_what_will_be_refused_is_told_before() -> None:
    """By code and reason."""
    records = [Record(None, b'{"id":"1","market":"BR","text":"a","occurred_at":"2026-01-01 10:00"}')] * 2
    [(reason, count)] = forecast(records, NOW).refused.items()
    assert (True, 2) == (reason.startswith("bad_time: "), count)


@pytest.mark.parametrize(
    "given",
    [
        (["market"], None, None),
        (None, ";;", None),
        (None, '"', None),
        (None, "\n", None),
        (None, None, "Mars/Olympus"),
        (None, None, "../etc"),
    ],
)
def test_a_form_that_cannot_be_is_refused(given: tuple[list[str] | None, str | None, str | None]) -> None:
    """With what to do."""
    with pytest.raises(BadInput, match="Operator action"):
        form_of(*given)


HOSTILE_ROWS = {
    "2,BR,bad,1,%s,1" % ("9" * 5_000): "refused",
    "2,BR,bad,1,5,%s" % ("9" * 5_000): "refused",
    "2,BR,bad,%s,5,1" % ("9" * 5_000): "refused",
    "2,BR,bad,0001-01-01T00:00:00+14:00,5,1": "refused",
    "2,BR,bad\0,1,5,1": "refused",
    "2,BR,%s,1,5,1" % ("x" * 200_000): "skipped",
    "2,BR,%s,1,5,1" % ("x" * (MAX_LINE + 10)): "skipped",
    "2,BR,%s" % ("," * 100_000): "skipped",
    "2,BR,²,1,²,²": "refused",
}  # fmt: skip


@pytest.mark.parametrize(("row", "becomes"), HOSTILE_ROWS.items(), ids=range(len(HOSTILE_ROWS)))
def test_a_hostile_row_costs_only_itself(tmp_path: Path, row: str, becomes: str) -> None:
    """Absurd numbers, long fields, NULs: skipped with its line, or refused as any reader of the topic would."""
    path = tmp_path / "f.csv"
    good = "{},BR,good,2026-09-21T10:00:00Z,5,1\n"
    path.write_text(f"id,market,text,occurred_at,rating,v\n{good.format(1)}{row}\n{good.format(3)}", "utf-8")
    records, broken = lines(path)
    assert [3] * (becomes == "skipped") == [number for number, _ in broken]
    assert ["1", *["2"] * (becomes != "skipped"), "3"] == [msgspec.json.decode(one.value)["id"] for one in records]
    moved = Times(records).shift_to(NOW).of(records)
    assert (becomes == "refused") == forecast(moved, NOW).refused.total()


@pytest.mark.parametrize(
    "line", [b'{"occurred_at":%s}' % (b"9" * 5_000), b"x" * (MAX_LINE + 10), b"[" * 100_000, b"\0"]
)
def test_a_hostile_line_of_json_costs_only_itself(tmp_path: Path, line: bytes) -> None:
    """It is skipped with its number."""
    path = tmp_path / "f.jsonl"
    path.write_bytes(b'{"id": "1"}\n' + line + b'\r\n{"id": "3"}')
    records, broken = lines(path)
    assert ([b"1", b"3"], [2]) == ([one.key for one in records], [number for number, _ in broken])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_what_spreadsheets_write_is_read(tmp_path: Path, encoding: str) -> None:
    """With or without a mark of its encoding, and with either end of line."""
    path = tmp_path / "f.csv"
    path.write_bytes("id;market;text;occurred_at\r\n1;DE;läuft 👍;1\r\n".encode(encoding))
    [record] = lines(path)[0]
    assert "läuft 👍" == msgspec.json.decode(record.value)["text"]


@pytest.mark.parametrize("name", ["f.jsonl.gz", "f.csv.gz"])
def test_a_bomb_is_refused(tmp_path: Path, name: str) -> None:
    """100 KB that unpack to 100 MB: refused with what to do, before they are in memory."""
    path = tmp_path / name
    with gzip.open(path, "wb") as packed:
        packed.write(b"id,market,text,occurred_at\n")
        for _ in range(1_000):
            packed.write(b"x" * 100_000 + b"\n")
    assert path.stat().st_size < 110_000
    tracemalloc.start()
    with pytest.raises(BadInput, match=r"unpacks to more than 8\d,\d+,\d+ bytes. Operator action"):
        lines(path)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("name", ["f.jsonl", "f.csv"])
def test_a_feed_of_many_lines_takes_the_memory_of_a_few(tmp_path: Path, name: str) -> None:
    """Looked at, shifted and sent: 10,000 records in less than 1 MB, whatever is wrong with them."""
    path = tmp_path / name
    line = "1,BR,bom,1" if name.endswith("csv") else '{"id":"1","market":"BR","text":"bom","occurred_at":1}'
    path.write_text("id,market,text,occurred_at\n" + f"{line}\nbroken\n" * 10_000)
    tracemalloc.start()
    with Feed(str(path), raw=False) as feed:
        shift = Times(feed.records()).shift_to(NOW)
        skipped = Skipped()
        assert 10_000 == forecast(shift.of(feed.records(skipped)), NOW).records
        assert 10_000 == sum(map(len, slices(shift.of(feed.records()), 100)))
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()
    assert skipped.count - 10_000 in (0, 1)  # the header is no JSON


def test_large_records_go_in_small_slices() -> None:
    """By number or by bytes, whichever comes first, each record once and in order."""
    records = [Record(None, b"%d" % number + b"x" * (SLICE_BYTES // 4)) for number in range(10)]
    parts = list(slices(records, 2_000))
    assert [4, 4, 2] == [len(part) for part in parts]
    assert records == [record for part in parts for record in part]
    assert [2, 2, 0] == [len(part) for part in slices(records[:4], 2)]


def test_a_csv_file_of_very_many_columns_is_refused(tmp_path: Path) -> None:
    """With how many it has and what to do."""
    path = tmp_path / "f.csv"
    columns = ["id", "market", "text", "occurred_at", *map(str, range(MAX_COLUMNS - 4))]
    path.write_text(",".join(columns) + "\n" + ",".join("1" * len(columns)) + "\n")
    assert (1, []) == (len(lines(path)[0]), lines(path)[1])
    path.write_text(",".join([*columns, "x"]))
    with pytest.raises(BadInput, match=r"has 1,001 columns, at most 1,000 are read. Operator action: leave out"):
        lines(path)


def test_a_row_that_never_ends_costs_only_itself(tmp_path: Path) -> None:
    """Ends of lines within quotes are part of a row, up to a bound."""
    path = tmp_path / "f.csv"
    row = '","\n' * (MAX_ROW // 4)
    path.write_text(f'id,market,text,occurred_at\n1,BR,"bom\nbom",1\n"{row}2,BR,bom,1\n')
    records, broken = lines(path)
    assert b"bom\\nbom" in records[0].value
    assert DAMAGED == broken[0][1]
    assert [b"1", b"2"] == [one.key for one in records]


def test_what_can_be_read_once_only_is_read_as_a_file_is(tmp_path: Path) -> None:
    """A named pipe, as a shell's `<(...)` makes them; nothing of it is left."""
    path = tmp_path / "f.csv"
    os.mkfifo(path)
    content = b"id,market,text,occurred_at\n1,BR,bom,1\n"
    with ThreadPoolExecutor(1) as writer:
        writer.submit(path.write_bytes, content)
        with Feed(str(path), raw=False) as feed:
            assert [[b"1"], [b"1"]] == [[one.key for one in feed.records()] for _ in range(2)]


def test_a_damaged_gzip_file_is_a_clear_error(tmp_path: Path) -> None:
    """Cut off."""
    path = tmp_path / "f.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"id": "1"}\n' * 9)[:-9])
    with pytest.raises(BadInput, match="cannot be read"):
        lines(path)


def test_raw_lines_keep_their_bytes(tmp_path: Path) -> None:
    """Broken lines are sent as they are with `raw`, and skipped with a reason without it."""
    path = tmp_path / "f.jsonl.gz"
    path.write_bytes(gzip.compress(b'\xff\xfd\n{"id": "1", "user": "u"}\n'))
    assert [Record(None, b"\xff\xfd"), Record(b"u", b'{"id": "1", "user": "u"}')] == lines(path, raw=True)[0]
    assert ([b"u"], [1]) == ([r.key for r in lines(path)[0]], [number for number, _ in lines(path)[1]])


def test_a_missing_file_is_a_clear_error(tmp_path: Path) -> None:
    """The message says what to do."""
    with pytest.raises(BadInput, match="Operator action"):
        lines(tmp_path / "nothing.jsonl")


def test_times_move_by_one_constant_and_planted_outliers_stay_outliers() -> None:
    """The newest plausible time becomes now, however long the file lasts; only the time's bytes change."""
    records = [
        Record(None, b'{"id": "1",  "occurred_at":"2026-01-01T10:00:00.250Z" , "text":"a"}'),
        *(Record(None, b'{"occurred_at": "2026-01-%02dT12:00:00Z"}' % day) for day in range(2, 22)),
        Record(None, b'{"occurred_at": "2026-03-01T12:00:00Z"}'),
        Record(None, b'{"occurred_at": "2026-13-45T00:00:00Z"}'),
        Record(None, b"\xff not json"),
    ]
    shift = Times(records).shift_to(NOW)
    moved = list(shift.of(records))
    assert b'{"id": "1",  "occurred_at":"2026-09-01T12:13:20.250Z" , "text":"a"}' == moved[0].value
    assert b'{"occurred_at": "2026-09-21T14:13:20.000Z"}' == moved[20].value
    assert b'{"occurred_at": "2026-10-30T14:13:20.000Z"}' == moved[21].value
    assert [record.value for record in records[22:]] == [record.value for record in moved[22:]]
    assert NOW == shift.last_event_at


def test_broken_lines_of_json_can_be_kept(tmp_path: Path) -> None:
    """As they are, for the dead-letter topic; rows of CSV that are none are skipped all the same."""
    path = tmp_path / "f"
    path.write_text('{"id": "1"}\nbroken\n{"id": "2"}\n')
    with Feed(str(path), False, keep_broken=True) as feed:
        assert [b"1", None, b"2"] == [record.key for record in feed.records()]
    path.write_text("id,market,text,occurred_at\n1,BR,bom,0\nbroken\n")
    skipped = Skipped()
    with Feed(str(path), False, keep_broken=True) as feed:
        assert (1, 1) == (len(list(feed.records(skipped))), skipped.count)
