"""Feedback files (JSONL, CSV, gzip, standard input) as Kafka keys and values, and their shift to now."""

import csv
import gzip
import io
import re
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from streams.decode import utc
from streams.errors import BadInput

DAY_MS = 86_400_000
_FIELDS = {"v", "id", "market", "text", "occurred_at", "user", "lang", "rating", "channel"}
_json = msgspec.json.Decoder()


@dataclass(frozen=True)
class Record:
    """One Kafka record to publish: key = `user`, else `id`, of what can be parsed."""

    key: bytes | None
    value: bytes


def read_records(source: str, raw: bool, on_broken: Callable[[int, str], object]) -> list[Record]:
    """All records of a file (`-` = standard input).

    Args:
        source: path of JSONL or CSV (header = contract fields, other columns become attributes), `.gz` too.
        raw: every line's bytes as they are, broken ones too.
        on_broken: without `raw`, called with line number and reason for a line that is not usable; it is skipped.

    Raises:
        BadInput: the file cannot be read.
    """
    try:
        content = sys.stdin.buffer.read() if source == "-" else _read(Path(source))
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"{source} cannot be read: {error}. Operator action: check path and format.") from error
    if not raw and source.removesuffix(".gz").endswith(".csv"):
        try:
            return list(_csv_records(content, on_broken))
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


def _csv_records(content: bytes, on_broken: Callable[[int, str], object]) -> Iterator[Record]:
    try:
        table = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    except UnicodeDecodeError as error:
        raise BadInput(f"the CSV file is not UTF-8: {error}. Operator action: save it as UTF-8.") from error
    if missing := [name for name in ("id", "market", "text", "occurred_at") if name not in (table.fieldnames or ())]:
        raise BadInput(
            f"the CSV file has no column {', '.join(missing)}. Operator action: name the columns in its first line "
            "as the contract does: id, market, text, occurred_at, and if you like user, lang, rating, channel."
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
        if str(fields.get("occurred_at", "")).isdecimal():
            fields["occurred_at"] = int(fields["occurred_at"])
        yield Record(key_of(fields), msgspec.json.encode(fields))


def parse_object(line: bytes) -> dict[str, Any] | None:
    """The line as a JSON object, or None."""
    try:
        content = _json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def key_of(fields: dict[str, Any] | None) -> bytes | None:
    """Kafka key of an event: its user, else its id, where that is a string."""
    for name in ("user", "id"):
        value = (fields or {}).get(name)
        if isinstance(value, str) and value:
            return value.encode("utf-8", "replace")
    return None


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
