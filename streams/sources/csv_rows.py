"""Rows of CSV in whatever dialect: delimiter and escapes found by the header and the rows, damage kept to its row."""

import contextlib
import csv
import functools
import io
import itertools
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from streams.sources.encodings import BROKEN
from streams.sources.events import Form, NotUsable, Rows
from streams.sources.header import rows_above, rows_above_named, skipped_note
from streams.sources.lines import DAMAGED, OnBroken, bounded_lines

MAX_ROW = 1_048_576
"""Characters of a row that are read, ends of lines within quotes included; four times the largest event."""
MAX_READ_AGAIN = 64 * MAX_ROW
"""Characters that are read a second time after damaged rows; beyond it, what such a row holds is lost with it."""
READ_AGAIN_LINE = 128
"""Characters that a line counts for beside its own: each is parsed, and a time looked for in it."""
SAMPLE_CHARACTERS = 65_536
SAMPLE_LINES = 200
DELIMITERS = ",;\t|"
_SEPARATOR_LINE = re.compile(r'"?sep=([^"\r\n])"?\s*', re.IGNORECASE)


@dataclass(frozen=True)
class Dialect:
    """How rows are written, beside quotes that are doubled within quotes."""

    delimiter: str
    escape: str | None = None
    spaced: bool = False

    def reader(self, lines: Iterable[str], strict: bool = True) -> Any:
        """A reader of the standard library."""
        if self.escape is not None:  # a cell of `\N` is nothing there, and would be read as the letter
            null = re.compile(rf"(?:(?<=^)|(?<={re.escape(self.delimiter)}))\\N(?={re.escape(self.delimiter)}|\s*$)")
            lines = map(functools.partial(null.sub, ""), lines)
        return csv.reader(
            lines, delimiter=self.delimiter, escapechar=self.escape, skipinitialspace=self.spaced, strict=strict
        )


class _Lines(Iterator[str]):
    """Numbered lines of which a row takes what it needs, up to a bound; those of a damaged row are read again."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = enumerate(lines, 1)
        self._again: deque[tuple[int, str]] = deque()
        self._left = MAX_READ_AGAIN
        self._length = 0
        self.row: list[tuple[int, str]] = []

    def begin_row(self) -> None:
        """The next line is the first of a row."""
        self.row = []
        self._length = 0

    def __next__(self) -> str:
        """Raises csv.Error beyond the bound of a row."""
        taken = self._again.popleft() if self._again else next(self._lines)
        self.row.append(taken)
        self._length += len(taken[1])
        if self._length > MAX_ROW and len(self.row) > 1:
            raise csv.Error(f"a row has more than {MAX_ROW:,} characters")
        return taken[1]

    def sample(self) -> list[str]:
        """The first lines, which are read again."""
        self.begin_row()
        with contextlib.suppress(csv.Error):  # a line that is too long ends the sample; it is met again as a row
            while self._length < SAMPLE_CHARACTERS and len(self.row) < SAMPLE_LINES:
                if next(self, None) is None:
                    break
        self._again.extendleft(reversed(self.row))
        return [line for _, line in self.row]

    @property
    def number(self) -> int:
        """Of the next line of the sample; 0 where there is none."""
        return self._again[0][0] if self._again else 0

    def read_again(self, begin: int) -> None:
        """Go back to a line of this row."""
        lines = self.row[begin:]
        size = sum(READ_AGAIN_LINE + len(line) for _, line in lines)
        if size <= self._left:
            self._left -= size
            self._again.extendleft(reversed(lines))


def events(
    content: io.BufferedReader,
    form: Form,
    on_broken: OnBroken,
    on_table: Callable[[Rows], object],
    on_note: Callable[[str], object],
) -> Iterator[dict[str, Any]]:
    """The rows of a file in UTF-8 as fields of the contract.

    Args:
        content: the file.
        form: how it differs from the contract.
        on_broken: called with line number and reason for a row that is not usable.
        on_table: called with the columns, once they are known.
        on_note: called with what a person should know: lines above the header.

    Raises:
        BadInput: no header with the needed columns, or not plain which row it is.
    """
    with io.TextIOWrapper(content, "utf-8", errors="surrogateescape", newline="") as text:
        lines = _Lines(bounded_lines(text, "\n", on_broken, MAX_ROW))
        sample, named = _beginning(lines)
        form = replace(form, delimiter=form.delimiter or named)
        headers = _headers(sample, lines.number, lambda rest: dialect_of(rest, form))
        sample = _below_titles(lines, sample, rows_above(headers, form, "lines"), on_note)
        dialect = dialect_of(sample, form)
        rows = _rows(lines, dialect, on_broken)
        _, header = next(rows, (0, []))
        table = form.table(header)
        on_table(table)
        for number, found in itertools.islice(rows, form.skip_rows, None):
            row = _of_width(found, table.width)
            inner = _row_within(lines.row, dialect, table)
            if len(row) != table.width or inner:
                if len(lines.row) > 1:
                    lines.read_again(1)
                on_broken(number, DAMAGED if inner else "another number of columns than the header")
            elif any(map(BROKEN.search, row)):
                on_broken(number, "bytes that are no text in the file's encoding")
            else:
                try:
                    event = table.event(row)
                except NotUsable as why:
                    on_broken(number, str(why))
                else:
                    yield event


def plain_rows(
    content: io.BufferedReader, wanted: set[str], on_note: Callable[[str], object]
) -> Iterator[dict[str, str]]:
    """The rows of the header's width by their columns; `wanted`: names, in lower case, that a header may have."""
    with io.TextIOWrapper(content, "utf-8", errors="surrogateescape", newline="") as text:
        lines = _Lines(bounded_lines(text, "\n", lambda number, why: None, MAX_ROW))
        sample, named = _beginning(lines)
        headers = _headers(sample, lines.number, lambda rest: _dialect_by(rest, named or DELIMITERS, wanted))
        above = rows_above_named((row for _, row in headers), wanted)
        sample = _below_titles(lines, sample, above, on_note)
        rows = _rows(lines, _dialect_by(sample, named or DELIMITERS, wanted), lambda number, why: None)
        _, header = next(rows, (0, []))
        for row in (_of_width(row, len(header)) for _, row in rows):
            if len(row) == len(header) and not any(map(BROKEN.search, row)):
                yield dict(zip(map(str.strip, header), row, strict=True))


def _beginning(lines: _Lines) -> tuple[list[str], str | None]:
    """The first lines from the header on, and the delimiter that a line before it names; what is before is passed."""
    sample = lines.sample()
    while sample and not sample[0].strip():
        sample.pop(0)
        next(lines)
    named = _SEPARATOR_LINE.fullmatch(sample[0]) if sample else None
    if named is None:
        return sample, None
    next(lines)
    return sample[1:], named[1]


def _headers(sample: list[str], first: int, dialect: Callable[[list[str]], Dialect]) -> Iterator[tuple[int, list[str]]]:
    """Each line of the sample as the header of what follows, with its number."""
    for place in range(len(sample)):
        rest = sample[place:]
        try:
            yield first + place, next(dialect(rest).reader(rest), [])
        except csv.Error:
            yield first + place, []


def _below_titles(lines: _Lines, sample: list[str], above: int, on_note: Callable[[str], object]) -> list[str]:
    """The sample from the header on; what is above is passed."""
    if above:
        on_note(skipped_note(lines.number, lines.number + above - 1, lines.number + above, "lines"))
        for _ in range(above):
            next(lines)
    return sample[above:]


def _rows(lines: _Lines, dialect: Dialect, on_broken: OnBroken) -> Iterator[tuple[int, list[str]]]:
    """Rows with the number of their first line; a damaged one costs that line, the following ones are read again."""
    rows = dialect.reader(lines)
    while True:
        lines.begin_row()
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            number, first = lines.row[0]
            if len(lines.row) > 1:
                lines.read_again(1)
                on_broken(number, DAMAGED)
            elif (lenient := _lenient(first, dialect)) is not None:
                yield number, lenient
            else:
                on_broken(number, DAMAGED if "unexpected end" in str(error) else f"no CSV: {error}")
            continue
        if row:
            yield lines.row[0][0], row


def _of_width(row: list[str], width: int) -> list[str]:
    """The row, without the empty cell that a delimiter at the end of its line makes."""
    return row[:-1] if len(row) == width + 1 and not row[-1] else row


def _lenient(line: str, dialect: Dialect) -> list[str] | None:
    """A row of one line with quotes inside quotes that are not doubled; None where its last quote is open."""
    try:
        # A line that is added becomes a row by itself, unless a quote is open.
        rows = list(dialect.reader([line.rstrip("\r\n") + "\n", "\n"], strict=False))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 2 and rows[0] else None


def _row_within(lines: list[tuple[int, str]], dialect: Dialect, table: Rows) -> bool:
    """Whether a row over several lines has swallowed another: a line of it is a whole row with a time in its place.

    So may the end of a text look, with the cells behind it. A line with a quote counts only where the first line is a
    whole row too, but for the last quote in it: one that opens a text of several lines has no cells behind it.
    """
    for _, line in lines[1:]:
        if _is_row(line, dialect, table):
            before, _, behind = lines[0][1].rpartition('"')
            if '"' not in line or _is_row(before + behind, dialect, table):
                return True
    return False


def _is_row(line: str, dialect: Dialect, table: Rows) -> bool:
    """Whether a line alone is a row with a time in its place."""
    if line.count(dialect.delimiter) < table.width - 1:
        return False
    try:
        row: list[str] = next(dialect.reader([line], strict=False), [])
    except csv.Error:
        return False
    return len(row) == table.width and table.has_time(row)


def dialect_of(sample: list[str], form: Form) -> Dialect:
    """The dialect by which the header has the needed columns and most rows have its width."""
    return _dialect_by(sample, DELIMITERS if form.delimiter is None else form.delimiter, form.wanted())


def _dialect_by(sample: list[str], given: str, wanted: set[str]) -> Dialect:
    plain = max(map(Dialect, given), key=lambda dialect: _fit(sample, dialect, wanted))
    others = [Dialect(plain.delimiter, escape, spaced) for spaced in (False, True) for escape in (None, "\\")]
    return max(others, key=lambda dialect: _fit(sample, dialect, wanted))


def _fit(sample: list[str], dialect: Dialect, wanted: set[str]) -> tuple[int, float, int]:
    """How well a dialect fits: needed columns, share of rows of the header's width, width."""
    rows = dialect.reader(sample)
    try:
        header: list[str] = next(rows, [])
    except csv.Error:
        return 0, 0.0, 0
    good = bad = 0
    while True:
        try:
            row = next(rows)
        except StopIteration:
            break
        except csv.Error:
            bad += 1
            continue
        good += len(row) == len(header)
        bad += bool(row) and len(row) != len(header)
    found = wanted & {name.strip().casefold() for name in header}
    return len(found), good / max(1, good + bad), len(header)
