"""Parquet files and spreadsheets as rows on standard output, in a process of their own with little memory.

Their libraries build what a file describes before anybody can measure it, and end their process where memory ends. It
is run by its path and imports nothing of this package. A frame is four bytes of length and that many of MessagePack:
the table (`columns`, `sheet`, `others`), [number, row or reason] of each row, {} at the end; {"error": ...} instead of
any. Dates and times of days are extension 1, ISO 8601.
"""

import contextlib
import datetime
import decimal
import itertools
import math
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

MAX_ROW_BYTES = 1_048_576
BATCH_ROWS = 64
DATE = 1
NO_MEMORY = "PyObject pointer is null"
"""How the libraries panic where Python has no memory for an object."""


def sheet_rows(path: str, wanted: str) -> Iterator[Any]:
    """The rows of a sheet by its name, else of the first visible one that has rows; numbered as the sheet does.

    Raises:
        ValueError: there is none.
    """
    from python_calamine import CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

    # By a path it would go by the name, not by the content.
    with Path(path).open("rb") as content, CalamineWorkbook.from_filelike(content) as workbook:
        names = [sheet.name for sheet in workbook.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet]
        visible = {sheet.name for sheet in workbook.sheets_metadata if sheet.visible == SheetVisibleEnum.Visible}
        if wanted and wanted not in names:
            raise ValueError(f"has no sheet {wanted}, but {', '.join(names[:40])}")
        for name in [wanted] if wanted else [name for name in names if name in visible]:
            sheet = workbook.get_sheet_by_name(name)
            if sheet.height:
                yield {"sheet": name, "others": [other for other in names if other != name and not wanted]}
                yield from enumerate(sheet.iter_rows(), 1)
                return
    raise ValueError("has no sheet with rows")


def parquet_rows(path: str) -> Iterator[Any]:
    """The rows by their columns, a batch after the other; a row that cannot be read is its reason."""
    from arro3.io import read_parquet

    reader = read_parquet(path, batch_size=BATCH_ROWS)
    yield {"columns": list(reader.schema.names)}
    numbers = itertools.count(1)
    for batch in reader:
        rows = batch.to_struct_array()
        try:
            found = rows.to_pylist()
        except Exception:
            found = [_row(rows, place) for place in range(batch.num_rows)]
        yield from zip(numbers, found, strict=False)


def _row(rows: Any, place: int) -> Any:
    try:
        return rows.slice(place, 1).to_pylist()[0]
    except Exception:
        return "a value cannot be read"


def plain(value: Any) -> Any:
    """A value as JSON has it, dates beside; whole numbers are integers, what is no number is nothing."""
    match value:
        case None | bool() | str():
            return value
        case int():
            return value if -(2**63) <= value < 2**64 else str(value)
        case float():
            return None if not math.isfinite(value) else plain(int(value)) if value.is_integer() else value
        case datetime.date():  # a datetime is one
            return msgspec.msgpack.Ext(DATE, value.isoformat().encode())
        case datetime.time():
            return value.isoformat()
        case decimal.Decimal():
            return plain(int(value)) if value == value.to_integral_value() else str(value)
        case bytes():
            try:
                return value.decode()
            except UnicodeDecodeError:
                return value.hex()
        case dict():
            return {str(key): plain(inner) for key, inner in value.items()}
        case list() | tuple():
            return [plain(inner) for inner in value]
        case _:
            return str(value)


def main(kind: str, path: str, memory: str, sheet: str) -> None:
    """Write the frames of a file; `memory`: bytes that this process may have."""
    resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # what users wrote would be in it
    encode = msgspec.msgpack.Encoder().encode
    out = sys.stdout.buffer

    def write(frame: Any) -> None:
        encoded = encode(frame)
        out.write(len(encoded).to_bytes(4, "big") + encoded)

    try:
        for frame in sheet_rows(path, sheet) if kind == "sheet" else parquet_rows(path):
            if isinstance(frame, dict):
                write(frame)
                continue
            number, row = frame
            encoded = encode([number, plain(row)])
            if len(encoded) > MAX_ROW_BYTES:
                encoded = encode([number, f"longer than {MAX_ROW_BYTES:,} bytes"])
            out.write(len(encoded).to_bytes(4, "big") + encoded)
        write({})
    except BaseException as error:  # a panic of a library is no Exception
        if isinstance(error, MemoryError) or NO_MEMORY in str(error):
            raise
        write({"error": str(error)})
    out.flush()


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        main(*sys.argv[1:])
