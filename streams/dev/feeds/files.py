"""Feedback files (JSONL, CSV, gzip, standard input) as Kafka keys and values, read record by record."""

import codecs
import contextlib
import csv
import gzip
import io
import itertools
import shutil
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any, AnyStr, Self, TextIO
from zoneinfo import ZoneInfo

import msgspec

from marketpulse.contract.decode import Rejected, decode, key_of, parse_object
from streams.errors import BadInput
from streams.kafka.publish import Record

MAX_LINE = 16_777_216
"""Bytes of a line that are read; Kafka takes no record as long."""
MAX_ROW = 1_048_576
"""Characters of a row of CSV that are read, ends of lines within quotes included; four times the largest event."""
MAX_COLUMNS = 1_000
MAX_UNPACKED_BYTES = 2 * 1_073_741_824
FREE_UNPACKED_BYTES = 64 * 1_048_576
MAX_RATIO = 200
"""A gzip file may unpack to `FREE_UNPACKED_BYTES` and this many times its own size; feedback's JSON has 5 to 30."""
MAX_DIGITS = 19
_FIELDS = {"v", "id", "market", "text", "occurred_at", "user", "lang", "rating", "channel"}


@dataclass(frozen=True)
class CsvForm:
    """How a CSV file differs from the contract.

    `columns`: field -> the file's own name. `delimiter` None = whichever of `,`, `;` and tab the header holds most of.
    `zone`: of times without an offset; None = they stay, and are refused.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    delimiter: str | None = None
    zone: ZoneInfo | None = None


def csv_form(columns: list[str] | None, delimiter: str | None, timezone: str | None) -> CsvForm:
    """From a command's options: `field=column` each, one character, an IANA name. Raises BadInput."""
    pairs = dict(one.partition("=")[::2] for one in columns or [])
    if "" in pairs or "" in pairs.values():
        raise BadInput("--column takes field=column. Operator action: write it as in --column market=country.")
    if delimiter is not None and len(delimiter) != 1:
        raise BadInput("--delimiter is one character. Operator action: give it as in --delimiter ';'.")
    try:
        zone = None if timezone is None else ZoneInfo(timezone)
    except (KeyError, ValueError, OSError) as error:
        raise BadInput(
            f"{timezone!r} is no time zone. Operator action: give one as in --timezone Europe/Berlin, or UTC."
        ) from error
    return CsvForm(pairs, delimiter, zone)


def is_csv(source: str) -> bool:
    """Whether a file is read as CSV, by its name."""
    return source.removesuffix(".gz").endswith(".csv")


OnBroken = Callable[[int, str], object]


class Skipped:
    """Lines that were skipped: how many, and number and reason of the first ten."""

    def __init__(self) -> None:
        self.count = 0
        self.first: list[tuple[int, str]] = []

    def __call__(self, number: int, why: str) -> None:
        """One more line."""
        self.count += 1
        if len(self.first) < 10:
            self.first.append((number, why))


class Feed:
    """A file of feedback, which is read record by record, as often as it is asked for; standard input too.

    Args:
        source: path of JSONL or CSV (header = contract fields, other columns become attributes), `.gz` too;
            `-` = standard input. That, and what else can be read once only, is kept in a temporary file.
        raw: every line's bytes as they are, broken ones too.
        form: how a CSV file differs from the contract.

    Raises:
        BadInput: the file cannot be read.
    """

    def __init__(self, source: str, raw: bool, form: CsvForm | None = None) -> None:
        self._source = source
        self._raw = raw
        self._form = form or CsvForm()
        self._path = Path(source)
        self._files = contextlib.ExitStack()
        with _reading(source):
            if source == "-":
                self._keep(sys.stdin.buffer)
            elif not self._path.is_file():
                with self._path.open("rb") as content:
                    self._keep(content)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    def records(self, on_broken: OnBroken = lambda number, why: None) -> Iterator[Record]:
        """All records from the first.

        Args:
            on_broken: without `raw`, called with line number and reason for a line that is not usable; it is skipped.

        Raises:
            BadInput: the file cannot be read further.
        """
        with _reading(self._source), _opened(self._source, self._path) as content:
            if not self._raw and is_csv(self._source):
                yield from _csv_records(content, on_broken, self._form)
            else:
                yield from _line_records(content, self._raw, on_broken)

    def _keep(self, content: IO[bytes]) -> None:
        folder = self._files.enter_context(tempfile.TemporaryDirectory(prefix="marketpulse-feed-"))
        self._path = Path(folder) / "feed"
        with self._path.open("wb") as kept:
            shutil.copyfileobj(content, kept)


@contextlib.contextmanager
def _reading(source: str) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"{source} cannot be read: {error}. Operator action: check path and format.") from error
    except csv.Error as error:
        raise BadInput(f"{source} is no CSV file: {error}. Operator action: check quotes and columns.") from error


class _Unpacked(io.RawIOBase):
    """A gzip file as it is read, up to a bound: a few kilobytes could unpack to whatever the memory holds."""

    def __init__(self, name: str, path: Path, packed: gzip.GzipFile) -> None:
        self._name = name
        self._packed = packed
        self._limit = min(MAX_UNPACKED_BYTES, FREE_UNPACKED_BYTES + MAX_RATIO * path.stat().st_size)
        self._read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Raises BadInput beyond the bound."""
        part = self._packed.read(len(buffer))
        self._read += len(part)
        if self._read > self._limit:
            raise BadInput(
                f"{self._name} unpacks to more than {self._limit:,} bytes. Operator action: if it is what you mean, "
                "unpack it and publish the file, or its parts."
            )
        buffer[: len(part)] = part
        return len(part)


@contextlib.contextmanager
def _opened(source: str, path: Path) -> Iterator[Any]:
    if source.endswith(".gz"):
        with gzip.open(path) as packed, io.BufferedReader(_Unpacked(source, path, packed), 65_536) as content:
            yield content
    else:
        with path.open("rb") as content:
            yield content


def _line_records(content: io.BufferedReader, raw: bool, on_broken: OnBroken) -> Iterator[Record]:
    for number, line in enumerate(_lines(content, b"\n", on_broken), 1):
        value = line.removesuffix(b"\n") if raw else line.removesuffix(b"\n").removesuffix(b"\r")
        if not value:
            continue
        fields = parse_object(value)
        if fields is None and not raw:
            on_broken(number, "not a JSON object")
            continue
        yield Record(key_of(fields), value)


def _lines(content: IO[AnyStr], end: AnyStr, on_broken: OnBroken) -> Iterator[AnyStr]:
    """The lines with their ends; one that is too long is reported, and an empty one takes its place."""
    number = 0
    while line := content.readline(MAX_LINE):
        number += 1
        if len(line) == MAX_LINE and not line.endswith(end):
            while (line := content.readline(MAX_LINE)) and not line.endswith(end):
                pass
            on_broken(number, f"longer than {MAX_LINE:,} bytes")
            line = end
        yield line


def _csv_records(content: io.BufferedReader, on_broken: OnBroken, form: CsvForm) -> Iterator[Record]:
    begin = content.peek(2)[:2]
    encoding = "utf-16" if begin in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
    with io.TextIOWrapper(content, encoding, newline="") as text:
        try:
            yield from _rows(text, on_broken, form)
        except UnicodeError as error:
            raise BadInput(f"the CSV file is not UTF-8: {error}. Operator action: save it as UTF-8.") from error


def _rows(text: TextIO, on_broken: OnBroken, form: CsvForm) -> Iterator[Record]:
    lines = _RowLines(_lines(text, "\n", on_broken))
    header = next(lines, "")
    delimiter = form.delimiter or max(",;\t", key=header.count)
    rows = csv.reader(itertools.chain([header], lines), delimiter=delimiter)
    names = _names(next(rows, []), form)
    while True:
        lines.begin_row()
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            on_broken(rows.line_num, f"no CSV: {error}")
            continue
        if len(row) == len(names):
            yield _record_of(dict(zip(names, row, strict=True)), form)
        elif row:
            on_broken(rows.line_num, "another number of columns than the header")


class _RowLines(Iterator[str]):
    """Lines for a reader of CSV, of which a row may take as many as it likes within quotes, up to a bound."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._length = 0

    def begin_row(self) -> None:
        """The next line is the first of a row."""
        self._length = 0

    def __next__(self) -> str:
        """Raises csv.Error beyond the bound."""
        line = next(self._lines)
        self._length += len(line)
        if self._length > MAX_ROW:
            raise csv.Error(f"a row has more than {MAX_ROW:,} characters")
        return line


def _names(theirs: list[str], form: CsvForm) -> list[str]:
    """The contract's names of a file's columns. Raises BadInput where one is missing, or where there are too many."""
    if len(theirs) > MAX_COLUMNS:
        raise BadInput(
            f"the CSV file has {len(theirs):,} columns, at most {MAX_COLUMNS:,} are read. Operator action: leave out "
            "those that are neither fields nor attributes of the contract."
        )
    if unknown := [name for name in form.columns.values() if name not in theirs]:
        raise BadInput(
            f"the CSV file has no column {', '.join(unknown)}, but {', '.join(theirs)}. Operator action: mend --column."
        )
    ours = {column: name for name, column in form.columns.items()}
    names = [ours.get(name, f"their {name}" if name in form.columns else name) for name in theirs]
    if missing := [name for name in ("id", "market", "text", "occurred_at") if name not in names]:
        raise BadInput(
            f"the CSV file has no column {', '.join(missing)}, but {', '.join(names)}. Operator action: say which is "
            "which, as in --column market=country; the contract has id, market, text, occurred_at, and if you like "
            "user, lang, rating, channel."
        )
    return names


def _record_of(row: dict[str, str], form: CsvForm) -> Record:
    fields: dict[str, Any] = {name: value for name, value in row.items() if name in _FIELDS and value != ""}
    attributes = {name: value for name, value in row.items() if name not in _FIELDS and value != ""}
    if attributes:
        fields["attributes"] = attributes
    for name in ("rating", "v"):
        if name in fields and _is_number(fields[name]):
            fields[name] = int(fields[name])
    if "occurred_at" in fields:
        fields["occurred_at"] = _time_in(str(fields["occurred_at"]), form.zone)
    return Record(key_of(fields), msgspec.json.encode(fields))


def _is_number(text: str) -> bool:
    """Whether it is read as a number; more digits than any field can have stay text, which the contract refuses."""
    return text.isdecimal() and len(text) <= MAX_DIGITS


def _time_in(text: str, zone: ZoneInfo | None) -> str | int:
    if _is_number(text):
        return int(text)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return at.replace(tzinfo=zone).isoformat() if zone is not None and at.tzinfo is None else text


@dataclass(frozen=True)
class Forecast:
    """How many records there are, and how many of them will be dead letters, by code and reason."""

    records: int
    refused: Counter[str]


def forecast(records: Iterable[Record], now_ms: int) -> Forecast:
    """What will become of the records if they are published now (epoch ms)."""
    seen = 0
    refused: Counter[str] = Counter()
    for record in records:
        seen += 1
        try:
            decode(record.value, now_ms)
        except Rejected as why:
            refused[f"{why.code}: {why}"] += 1
    return Forecast(seen, refused)
