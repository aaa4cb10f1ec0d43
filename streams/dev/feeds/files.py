"""Feedback files (JSONL, CSV, gzip, standard input) as Kafka keys and values, and their shift to now."""

import codecs
import contextlib
import csv
import gzip
import io
import itertools
import re
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any, AnyStr, TextIO
from zoneinfo import ZoneInfo

import msgspec

from marketpulse.contract.decode import Rejected, decode, key_of, parse_object, utc
from marketpulse.contract.units import DAY_MS
from streams.errors import BadInput
from streams.kafka.publish import Record

MAX_LINE = 16_777_216
"""Bytes of a line that are read; Kafka takes no record as long."""
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


def read_records(
    source: str, raw: bool, on_broken: Callable[[int, str], object], form: CsvForm | None = None
) -> list[Record]:
    """All records of a file (`-` = standard input).

    Args:
        source: path of JSONL or CSV (header = contract fields, other columns become attributes), `.gz` too.
        raw: every line's bytes as they are, broken ones too.
        on_broken: without `raw`, called with line number and reason for a line that is not usable; it is skipped.
        form: how a CSV file differs from the contract.

    Raises:
        BadInput: the file cannot be read.
    """
    try:
        with _opened(source) as content:
            if not raw and is_csv(source):
                return list(_csv_records(content, on_broken, form or CsvForm()))
            return list(_line_records(content, raw, on_broken))
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"{source} cannot be read: {error}. Operator action: check path and format.") from error
    except csv.Error as error:
        raise BadInput(f"{source} is no CSV file: {error}. Operator action: check its quotes.") from error


class _Unpacked(io.RawIOBase):
    """A gzip file as it is read, up to a bound: a few kilobytes could unpack to whatever the memory holds."""

    def __init__(self, name: str, packed: gzip.GzipFile) -> None:
        self._name = name
        self._packed = packed
        self._limit = min(MAX_UNPACKED_BYTES, FREE_UNPACKED_BYTES + MAX_RATIO * Path(name).stat().st_size)
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
def _opened(source: str) -> Iterator[Any]:
    if source == "-":
        yield sys.stdin.buffer
    elif source.endswith(".gz"):
        with gzip.open(source) as packed, io.BufferedReader(_Unpacked(source, packed), 65_536) as content:
            yield content
    else:
        with Path(source).open("rb") as content:
            yield content


def _line_records(content: io.BufferedReader, raw: bool, on_broken: Callable[[int, str], object]) -> Iterator[Record]:
    for number, line in enumerate(_lines(content, b"\n", on_broken), 1):
        value = line.removesuffix(b"\n") if raw else line.removesuffix(b"\n").removesuffix(b"\r")
        if not value:
            continue
        fields = parse_object(value)
        if fields is None and not raw:
            on_broken(number, "not a JSON object")
            continue
        yield Record(key_of(fields), value)


def _lines(content: IO[AnyStr], end: AnyStr, on_broken: Callable[[int, str], object]) -> Iterator[AnyStr]:
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


def _csv_records(
    content: io.BufferedReader, on_broken: Callable[[int, str], object], form: CsvForm
) -> Iterator[Record]:
    begin = content.peek(2)[:2]
    encoding = "utf-16" if begin in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
    with io.TextIOWrapper(content, encoding, newline="") as text:
        try:
            yield from _rows(text, on_broken, form)
        except UnicodeError as error:
            raise BadInput(f"the CSV file is not UTF-8: {error}. Operator action: save it as UTF-8.") from error


def _rows(text: TextIO, on_broken: Callable[[int, str], object], form: CsvForm) -> Iterator[Record]:
    lines = _lines(text, "\n", on_broken)
    header = next(lines, "")
    delimiter = form.delimiter or max(",;\t", key=header.count)
    table = csv.DictReader(itertools.chain([header], lines), delimiter=delimiter)
    table.fieldnames = _names(list(table.fieldnames or ()), form)
    while True:
        try:
            row = next(table)
        except StopIteration:
            return
        except csv.Error as error:
            on_broken(table.reader.line_num, f"no CSV: {error}")
            continue
        if None in row or None in row.values():
            on_broken(table.line_num, "another number of columns than the header")
            continue
        yield _record_of(row, form)


def _names(theirs: list[str], form: CsvForm) -> list[str]:
    """The contract's names of a file's columns. Raises BadInput where one is missing."""
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


def refusals(records: list[Record], now_ms: int) -> Counter[str]:
    """What of the records will be a dead letter, by code and reason."""
    found: Counter[str] = Counter()
    for record in records:
        try:
            decode(record.value, now_ms)
        except Rejected as why:
            found[f"{why.code}: {why}"] += 1
    return found


@dataclass(frozen=True)
class Shifted:
    """Records moved in time by one constant; `last_event_at` is the newest plausible event's new time (ms)."""

    records: list[Record]
    shifted_by_ms: int
    last_event_at: int | None


def shift_to_now(records: list[Record], now_ms: int) -> Shifted:
    """Add one constant to every parseable `occurred_at`: now minus the newest plausible one.

    Not plausible are at most one in twenty that lie more than 24 h after all others: a wrong clock, which stays wrong.
    Only the time is exchanged inside a line's bytes.
    """
    found = [_time_of(record.value) for record in records]
    times = sorted(at for at in found if at is not None)
    if not times:
        return Shifted(records, 0, None)
    shift = now_ms - _newest(times)
    moved = [
        record if at is None else Record(record.key, _with_time(record.value, at + shift))
        for record, at in zip(records, found, strict=True)
    ]
    return Shifted(moved, shift, now_ms)


def _newest(times: list[int]) -> int:
    for at in range(len(times) - len(times) // 20, len(times)):
        if times[at] - times[at - 1] > DAY_MS:
            return times[at - 1]
    return times[-1]


_TIME = re.compile(rb'"occurred_at"\s*:\s*("(?:[^"\\]|\\.)*"|-?\d+)')


def _time_of(line: bytes) -> int | None:
    fields = parse_object(line)
    at = None if fields is None else fields.get("occurred_at")
    if isinstance(at, int) and not isinstance(at, bool):
        return at if 0 < at < 10**13 else None
    if not isinstance(at, str):
        return None
    try:
        parsed = datetime.fromisoformat(at)
        found = 0 if parsed.tzinfo is None else int(parsed.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
    return found if 0 < found < 10**13 else None


def _with_time(line: bytes, at_ms: int) -> bytes:
    """The line with its (last, as JSON parsers read it) `occurred_at` exchanged."""
    matches = list(_TIME.finditer(line))
    if not matches:
        return line
    begin, end = matches[-1].span(1)
    new = b'"%s"' % utc(at_ms).encode() if line[begin : begin + 1] == b'"' else str(at_ms).encode()
    return line[:begin] + new + line[end:]
