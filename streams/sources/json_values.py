"""Objects of JSON, one a line, in an array, or one after the other over several lines, within bounded memory."""

import io
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from marketpulse.contract.decode import Rejected, key_of, lenient, parse_object
from streams.kafka.publish import Record
from streams.sources.events import Form, renamed
from streams.sources.lines import MAX_LINE, MAX_RECORD, OnBroken, bounded_lines, too_long

CHUNK_BYTES = 65_536
MAX_VALUES = 1_000_000
"""Values in an object that is parsed, commas within texts included: each may take hundreds of bytes of memory."""
_OUTSIDE = re.compile(rb"[^\s,\[\]]")
_STRAY_END = re.compile(rb"[\n{]")
_IN_OBJECT = re.compile(rb'[{}"]')
_IN_STRING = re.compile(rb'[\\"\n]')


def line_records(
    content: io.BufferedReader, form: Form, on_broken: OnBroken, raw: bool = False, keep_broken: bool = False
) -> Iterator[Record]:
    """A record a line that is not empty.

    Args:
        content: the file; in UTF-8 unless `raw`.
        form: how it differs from the contract.
        on_broken: called with number and reason for a line that is no object; it is skipped.
        raw: the bytes of each line as they are, but its end, also of what is too long to be parsed.
        keep_broken: lines that are no object are records too.
    """
    for number, line in enumerate(bounded_lines(content, b"\n", on_broken, MAX_LINE if raw else MAX_RECORD), 1):
        value = line.removesuffix(b"\n") if raw else line.removesuffix(b"\n").removesuffix(b"\r")
        if not value or (not raw and value.isspace()):
            continue
        if raw:
            yield Record(key_of(parse_object(value) if len(value) <= MAX_RECORD else None), value)
            continue
        record = record_of(value, form)
        if record is not None:
            yield record
        elif keep_broken:
            yield Record(None, value)
        else:
            on_broken(number, "not a JSON object")


def value_records(content: io.BufferedReader, form: Form, on_broken: OnBroken) -> Iterator[Record]:
    """A record an object, wherever objects begin and end; what is no object is reported with its line."""
    for number, value in _objects(content, on_broken, MAX_RECORD):
        record = record_of(value, form, compact=True) if value.startswith(b"{") else None
        if record is not None:
            yield record
        else:
            on_broken(number, "not a JSON object")


def objects(
    content: io.BufferedReader, each_line: bool, on_broken: OnBroken, limit: int = MAX_LINE
) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line, object) of every object, one a line or wherever they begin and end.

    What is none, has more than `limit` bytes, `MAX_LINE` at most, or more than `MAX_VALUES` values is reported.
    """
    values = (
        enumerate(bounded_lines(content, b"\n", on_broken, limit), 1)
        if each_line
        else _objects(content, on_broken, limit)
    )
    for number, value in values:
        if not value or value.isspace():
            continue
        if sum(map(value.count, (b",", b"[", b"{"))) > MAX_VALUES:
            on_broken(number, f"more than {MAX_VALUES:,} values")
            continue
        read = parse_object(value)
        read = _lenient(value) if read is None else read
        if read is None:
            on_broken(number, "not a JSON object")
        else:
            yield number, read


def record_of(value: bytes, form: Form, compact: bool = False) -> Record | None:
    """An object as a record: its bytes where the contract reads them, written again where it differs; None: none."""
    content = parse_object(value)
    if content is None:
        read = _lenient(value)
        return None if read is None else written(renamed(read, form))
    fields = renamed(content, form)
    if fields is not content:
        return written(fields)
    return Record(key_of(fields), msgspec.json.format(value, indent=-1) if compact else value)


def written(fields: dict[str, Any]) -> Record:
    """An event as a record."""
    return Record(key_of(fields), msgspec.json.encode(fields))


def _lenient(value: bytes) -> dict[str, Any] | None:
    try:
        content = lenient(value)
    except Rejected:
        return None
    return content if isinstance(content, dict) else None


def _objects(content: io.BufferedReader, on_broken: OnBroken, limit: int) -> Iterator[tuple[int, bytes]]:
    """(line, bytes) of every object, and the first byte of what else is there but commas, brackets and spaces.

    What is no object goes on to the end of its line, or to the next object. Each byte is looked at a few times at most,
    whatever there is: places only go forward, and ends of lines are counted from the last value that was reported.
    An object beyond the limit is reported and passed to its end without being held; beyond `MAX_LINE` it is taken for
    damage, and objects begin again wherever it is.
    """
    held = bytearray()
    line, counted = 1, 0
    begin, place, depth, passed = -1, 0, 0, 0
    in_string = in_stray = False

    def line_at(there: int) -> int:
        nonlocal line, counted
        line, counted = line + held.count(b"\n", counted, there), there
        return line

    while part := content.read(CHUNK_BYTES):
        held += part
        while place < len(held):
            if in_string:
                found = _IN_STRING.search(held, place)
                if found is None:
                    place = len(held)
                elif found[0] == b"\\":
                    place = found.end() + 1
                else:  # a string ends at its quote; a raw end of line inside is damage, which ends there
                    in_string, place = False, found.end()
            elif in_stray:
                found = _STRAY_END.search(held, place)
                in_stray, place = found is None, len(held) if found is None else found.start()
            elif begin < 0:
                found = _OUTSIDE.search(held, place)
                if found is None:
                    place = len(held)
                elif found[0] == b"{":
                    begin, place, depth = found.start(), found.end(), 1
                else:
                    yield line_at(found.start()), found[0]
                    in_stray, place = True, found.start()
            else:
                found = _IN_OBJECT.search(held, place)
                place = len(held) if found is None else found.end()
                if found is None:
                    continue
                in_string = found[0] == b'"'
                depth += {b"{": 1, b"}": -1}.get(found[0], 0)
                if depth == 0:
                    if not passed and place - begin <= limit:
                        yield line_at(begin), bytes(held[begin:place])
                    elif not passed:
                        on_broken(line_at(begin), too_long(limit))
                    begin, passed = -1, 0
        if begin >= 0 and passed + len(held) - begin > limit:
            if not passed:
                on_broken(line_at(begin), too_long(limit))
            passed += len(held) - begin
            if passed > MAX_LINE:
                begin, in_string, passed = -1, False, 0
        drop = min(place, len(held)) if begin < 0 or passed else begin
        line, counted = line_at(drop), 0
        del held[:drop]
        place, begin = place - drop, min(begin, 0)
    if begin >= 0 and not passed:
        yield line, bytes(held[:limit])
