"""Reading feedback files and moving their times."""

import gzip
from pathlib import Path

import msgspec
import pytest

from streams.dev.feeds.files import csv_form, read_records, refusals, shift_to_now
from streams.errors import BadInput
from streams.kafka.publish import Record

NOW = 1_790_000_000_000


def lines(path: Path, raw: bool = False) -> tuple[list[Record], list[tuple[int, str]]]:
    broken: list[tuple[int, str]] = []
    return read_records(str(path), raw, lambda number, why: broken.append((number, why))), broken


def test_csv_columns_become_fields_and_attributes(tmp_path: Path) -> None:
    """Unknown columns are attributes, ratings numbers, empty cells absent; a ragged row costs only itself."""
    path = tmp_path / "f.csv"
    path.write_text("id,market,text,occurred_at,rating,shop\n1,BR,bom,2026-01-01T00:00:00Z,5,x\n2,BR\n3,CN,好,1,,\n")
    records, broken = lines(path)
    assert [3] == [number for number, _ in broken]
    assert msgspec.json.decode(records[0].value) == {
        "id": "1", "market": "BR", "text": "bom", "occurred_at": "2026-01-01T00:00:00Z", "rating": 5,
        "attributes": {"shop": "x"},
    }  # fmt: skip
    assert {"id": "3", "market": "CN", "text": "好", "occurred_at": 1} == msgspec.json.decode(records[1].value)


def test_a_csv_of_somebody_elses_form_is_read(tmp_path: Path) -> None:
    """Other names of columns, semicolons, local times: told by options, the separator found by itself."""
    path = tmp_path / "f.csv"
    path.write_text("nr;land;kommentar;erstellt;text\n1;DE;läuft, gut;2026-07-01 10:00;x\n", "utf-8")
    form = csv_form(["id=nr", "market=land", "text=kommentar", "occurred_at=erstellt"], None, "Europe/Berlin")
    [record] = read_records(str(path), False, lambda *_: None, form)
    content = msgspec.json.decode(record.value)
    assert content == {
        "id": "1", "market": "DE", "text": "läuft, gut", "occurred_at": "2026-07-01T10:00:00+02:00",
        "attributes": {"their text": "x"},
    }  # fmt: skip
    with pytest.raises(BadInput, match="no column kunde, but nr, land"):
        read_records(str(path), False, lambda *_: None, csv_form(["user=kunde"], None, None))


def test_what_will_be_refused_is_told_before() -> None:
    """By code and reason."""
    records = [Record(None, b'{"id":"1","market":"BR","text":"a","occurred_at":"2026-01-01 10:00"}')] * 2
    [(reason, count)] = refusals(records, NOW).items()
    assert (True, 2) == (reason.startswith("bad_time: "), count)


@pytest.mark.parametrize(
    "given", [(["market"], None, None), (None, ";;", None), (None, None, "Mars/Olympus"), (None, None, "../etc")]
)
def test_a_form_that_cannot_be_is_refused(given: tuple[list[str] | None, str | None, str | None]) -> None:
    """With what to do."""
    with pytest.raises(BadInput, match="Operator action"):
        csv_form(*given)


def test_raw_lines_keep_their_bytes(tmp_path: Path) -> None:
    """Broken lines are sent as they are with `raw`, and skipped with a reason without it."""
    path = tmp_path / "f.jsonl.gz"
    path.write_bytes(gzip.compress(b'\xff\xfe\n{"id": "1", "user": "u"}\n'))
    assert [Record(None, b"\xff\xfe"), Record(b"u", b'{"id": "1", "user": "u"}')] == lines(path, raw=True)[0]
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
    shifted = shift_to_now(records, NOW)
    assert b'{"id": "1",  "occurred_at":"2026-09-01T12:13:20.250Z" , "text":"a"}' == shifted.records[0].value
    assert b'{"occurred_at": "2026-09-21T14:13:20.000Z"}' == shifted.records[20].value
    assert b'{"occurred_at": "2026-10-30T14:13:20.000Z"}' == shifted.records[21].value
    assert [record.value for record in records[22:]] == [record.value for record in shifted.records[22:]]
    assert NOW == shifted.last_event_at
