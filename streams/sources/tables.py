"""Parquet files and spreadsheets (XLSX, XLS, ODS), recognised by content, as rows and as fields of the contract."""

import contextlib
import io
import itertools
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, Literal, cast

import msgspec

from streams.errors import BadInput
from streams.sources.content import Bounded, unpacked_limit
from streams.sources.events import Form, NotUsable, Rows, cell_text, listed_names, one_line
from streams.sources.header import MAX_ABOVE, rows_above, rows_above_named, skipped_note
from streams.sources.lines import OnBroken
from streams.sources.mapped import MappedForm

TableKind = Literal["sheet", "parquet"]

MEMORY_BYTES = 256 * 1_048_576
"""What the process that reads a table may have, beside what its file may unpack to."""
_LIBRARIES = {"sheet": "python_calamine", "parquet": "arro3"}
_NAMED = {"sheet": "a spreadsheet", "parquet": "a Parquet file"}
_PARQUET = re.compile(rb"PAR1.{0,11}[\x00-\x08\x0e-\x1f]", re.DOTALL)
_OLD = b"\xd0\xcf\x11\xe0"
_WORKBOOK = re.compile(r"xl/workbook\d*\.xml")
_OPEN_DOCUMENT = b"application/vnd.oasis.opendocument.spreadsheet"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_PANIC = re.compile(r"""on an `Err` value: \w+\("(.*)"\)""", re.DOTALL)
_GIVEN = ("PATH", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH")
_PROCESS = Path(__file__).with_name("table_process.py")


@dataclass(frozen=True)
class Opened:
    """A table: its columns where the file names them, the sheet, the other sheets, its rows with their numbers.

    A row is a list (sheet) or an object (Parquet) of JSON's values and dates, or the reason why it cannot be read.
    """

    rows: Iterator[tuple[int, Any]]
    columns: list[str]
    sheet: str | None
    others: list[str]

    def notes(self) -> list[str]:
        """That there are other sheets."""
        if not self.others:
            return []
        return [f"the sheet {self.sheet} was read, not {listed_names(self.others)}; choose another with --sheet"]


def table_kind(path: Path) -> TableKind | None:
    """What table a file is, by its content; None: none."""
    with path.open("rb") as content:
        begin = content.read(16)
    if _PARQUET.match(begin):
        return "parquet"
    if begin.startswith(_OLD):
        return "sheet"
    if begin.startswith(b"PK\x03\x04"):
        with (
            contextlib.suppress(zipfile.BadZipFile, RuntimeError, NotImplementedError),
            zipfile.ZipFile(path) as archive,
        ):
            names = archive.namelist()
            if any(map(_WORKBOOK.fullmatch, names)):
                return "sheet"
            if "mimetype" in names and archive.open("mimetype").read(100).startswith(_OPEN_DOCUMENT):
                return "sheet"
    return None


def no_sheets(source: str) -> BadInput:
    """That `--sheet` was given for another file."""
    return BadInput(f"{source} has no sheets: --sheet does nothing. Operator action: leave it out.")


@contextlib.contextmanager
def opened_table(source: str, path: Path, kind: TableKind, sheet: str | None = None) -> Iterator[Opened]:
    """The rows of a table, of which few are in memory; `sheet`: the name of one, None = the first that has rows.

    Raises:
        BadInput: the extra is not installed, the file cannot be read, or not within its bounds.
    """
    if find_spec(_LIBRARIES[kind]) is None:
        raise BadInput(
            f"{source} is {_NAMED[kind]}, for which {_LIBRARIES[kind]} is missing. Operator action: install the extra "
            "`files` (pip install 'marketpulse[files]'), or save it as CSV (UTF-8)."
        )
    _check(source, path)
    size = path.stat().st_size
    memory = MEMORY_BYTES + unpacked_limit(size)
    environment = {name: os.environ[name] for name in _GIVEN if name in os.environ}  # no secrets
    command = [sys.executable, "-P", str(_PROCESS), kind, str(path), str(memory), sheet or ""]
    with subprocess.Popen(
        command, bufsize=0, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            written = Bounded(source, size, cast(IO[bytes], process.stdout), "publish parts of it")
            frames = _frames(source, kind, io.BufferedReader(written, 65_536), memory)
            begin = next(frames)
            rows = cast(Iterator[tuple[int, Any]], map(tuple, frames))
            yield Opened(rows, begin.get("columns", []), begin.get("sheet"), begin.get("others", []))
        finally:
            process.kill()


def _check(source: str, path: Path) -> None:
    """Raises BadInput for what is known before the library opens it."""
    with path.open("rb") as content:
        if content.read(4) == _OLD:
            if _ENCRYPTED in content.read(1_048_576):
                raise BadInput(f"{source} is protected by a password. Operator action: save it without one.")
            return
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            size = sum(info.file_size for info in archive.infolist())
        if size > (limit := unpacked_limit(path.stat().st_size)):
            raise BadInput(
                f"{source} unpacks to more than {limit:,} bytes. Operator action: if it is what you mean, "
                "save its sheet as CSV (UTF-8)."
            )


def _frames(source: str, kind: TableKind, content: IO[bytes], memory: int) -> Iterator[Any]:
    decoder = msgspec.msgpack.Decoder(ext_hook=_extension)
    while True:
        size = int.from_bytes(content.read(4), "big")
        encoded = content.read(size)
        if not size or len(encoded) < size:
            raise BadInput(
                f"{source} needs more memory than {memory:,} bytes to be read, or is damaged. Operator action: save "
                "it as CSV (UTF-8), or in parts."
            )
        frame = decoder.decode(encoded)
        if frame == {}:
            return
        if isinstance(frame, dict) and "error" in frame:
            raise BadInput(_reason(source, kind, frame["error"]))
        yield frame


def _reason(source: str, kind: TableKind, error: str) -> str:
    if error.startswith("has no sheet"):
        return f"{source} {one_line(error)}. Operator action: correct --sheet, or the file."
    panic = _PANIC.search(error)
    why = one_line((panic[1] if panic else error).rstrip("."))
    return (
        f"{source} cannot be read as {_NAMED[kind]}: {why}. Operator action: check the file, or save it as CSV (UTF-8)."
    )


def _extension(_: int, written: memoryview) -> date:
    text = bytes(written).decode()
    return datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text)


def events(
    table: Opened,
    form: Form,
    on_broken: OnBroken,
    on_table: Callable[[Rows], object],
    on_note: Callable[[str], object],
) -> Iterator[dict[str, Any]]:
    """The rows of a table as fields of the contract.

    Args:
        table: it.
        form: how it differs from the contract.
        on_broken: called with number and reason for a row that is not usable.
        on_table: called with the columns, once they are known.
        on_note: called with what a person should know.

    Raises:
        BadInput: no header with the needed columns.
    """
    for note in table.notes():
        on_note(note)
    usable = _usable(table.rows, on_broken)
    cells: Iterator[tuple[int, list[Any]]]
    if table.columns and isinstance(form, MappedForm):
        yield from form.events(usable, on_broken)
        return
    if table.columns:
        rows_of = form.table(table.columns)
        cells = ((number, [row.get(name) for name in table.columns]) for number, row in usable)
    else:
        header, below = _with_header(usable, lambda rows: rows_above(rows, form, "rows"), on_note)
        rows_of = form.table(list(map(cell_text, header)))
        cells = itertools.islice(below, form.skip_rows, None)
    on_table(rows_of)
    for number, row in cells:
        try:
            event = rows_of.event(row)
        except NotUsable as why:
            on_broken(number, str(why))
        else:
            yield event


def plain_rows(table: Opened, wanted: set[str], on_note: Callable[[str], object]) -> Iterator[dict[str, Any]]:
    """The rows by their columns; `wanted`: names, in lower case, that a header may have."""
    for note in table.notes():
        on_note(note)
    usable = _usable(table.rows, lambda number, why: None)
    if table.columns:
        yield from (row for _, row in usable)
        return
    header, below = _with_header(usable, lambda rows: rows_above_named((row for _, row in rows), wanted), on_note)
    names = [cell_text(name).strip() for name in header]
    yield from (dict(zip(names, row, strict=True)) for _, row in below)


def _with_header(
    rows: Iterator[tuple[int, Any]], above: Callable[[list[tuple[int, Any]]], int], on_note: Callable[[str], object]
) -> tuple[list[Any], Iterator[tuple[int, Any]]]:
    """The header of a sheet and the rows below; `above`: how many of the first rows are above it."""
    first = list(itertools.islice(rows, MAX_ABOVE + 1))
    if not first:
        return [], rows
    if place := above(first):
        on_note(skipped_note(1, first[place][0] - 1, first[place][0], "rows"))
    return first[place][1], itertools.chain(first[place + 1 :], rows)


def _usable(rows: Iterator[tuple[int, Any]], on_broken: OnBroken) -> Iterator[tuple[int, Any]]:
    """Those that were read and hold something."""
    for number, row in rows:
        if isinstance(row, str):
            on_broken(number, row)
        elif isinstance(row, dict) or any(cell not in (None, "") for cell in row):
            yield number, row
