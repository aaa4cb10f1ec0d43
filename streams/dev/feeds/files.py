"""Feedback files (JSONL, CSV, gzip, standard input) as Kafka keys and values, and their shift to now."""

import csv
import gzip
import io
import re
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from marketpulse.contract.decode import Rejected, decode, key_of, parse_object, utc
from marketpulse.contract.units import DAY_MS
from streams.errors import BadInput
from streams.kafka.publish import Record

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
        content = sys.stdin.buffer.read() if source == "-" else _read(Path(source))
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"{source} cannot be read: {error}. Operator action: check path and format.") from error
    if not raw and is_csv(source):
        try:
            return list(_csv_records(content, on_broken, form or CsvForm()))
        except csv.Error as error:
            raise BadInput(f"{source} is no CSV file: {error}. Operator action: check its quotes.") from error
    records = []
    for number, line in enumerate(content.split(b"\n"), 1):
        value = line if raw else line.removesuffix(b"\r")
        if not value:
            continue
        fields = parse_object(value)
        if fields is None and not raw:
            on_broken(number, "not a JSON object")
            continue
        records.append(Record(key_of(fields), value))
    return records


def _read(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def _csv_records(content: bytes, on_broken: Callable[[int, str], object], form: CsvForm) -> Iterator[Record]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"the CSV file is not UTF-8: {error}. Operator action: save it as UTF-8.") from error
    header = text.partition("\n")[0]
    table = csv.DictReader(io.StringIO(text, newline=""), delimiter=form.delimiter or max(",;\t", key=header.count))
    theirs = list(table.fieldnames or ())
    if unknown := [name for name in form.columns.values() if name not in theirs]:
        raise BadInput(
            f"the CSV file has no column {', '.join(unknown)}, but {', '.join(theirs)}. Operator action: mend --column."
        )
    ours = {column: name for name, column in form.columns.items()}
    names = [ours.get(name, f"their {name}" if name in form.columns else name) for name in theirs]
    table.fieldnames = names
    if missing := [name for name in ("id", "market", "text", "occurred_at") if name not in names]:
        raise BadInput(
            f"the CSV file has no column {', '.join(missing)}, but {', '.join(names)}. Operator action: say which is "
            "which, as in --column market=country; the contract has id, market, text, occurred_at, and if you like "
            "user, lang, rating, channel."
        )
    for row in table:
        number = table.line_num
        if None in row or None in row.values():
            on_broken(number, "another number of columns than the header")
            continue
        fields: dict[str, Any] = {name: value for name, value in row.items() if name in _FIELDS and value != ""}
        attributes = {name: value for name, value in row.items() if name not in _FIELDS and value != ""}
        if attributes:
            fields["attributes"] = attributes
        for name in ("rating", "v"):
            if name in fields and str(fields[name]).isdecimal():
                fields[name] = int(fields[name])
        if "occurred_at" in fields:
            fields["occurred_at"] = _time_in(str(fields["occurred_at"]), form.zone)
        yield Record(key_of(fields), msgspec.json.encode(fields))


def _time_in(text: str, zone: ZoneInfo | None) -> str | int:
    if text.isdecimal():
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
        return None if parsed.tzinfo is None else int(parsed.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def _with_time(line: bytes, at_ms: int) -> bytes:
    """The line with its (last, as JSON parsers read it) `occurred_at` exchanged."""
    matches = list(_TIME.finditer(line))
    if not matches:
        return line
    begin, end = matches[-1].span(1)
    new = b'"%s"' % utc(at_ms).encode() if line[begin : begin + 1] == b'"' else str(at_ms).encode()
    return line[:begin] + new + line[end:]
