"""What a file holds, by its content and not by its name: unpacked within bounds, its kind, what it is not."""

import contextlib
import gzip
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Literal, cast

from marketpulse.contract.decode import parse_object
from streams.errors import BadInput
from streams.privacy.visible import visible

MAX_UNPACKED_BYTES = 2 * 1_073_741_824
FREE_UNPACKED_BYTES = 64 * 1_048_576
MAX_RATIO = 200
"""A packed file may unpack to `FREE_UNPACKED_BYTES` and this many times its own size; feedback's JSON has 5 to 30."""
SAMPLE_BYTES = 65_536

Kind = Literal["csv", "json lines", "json", "sheet", "parquet"]
"""Rows; an object a line; objects over several lines, in an array or one after the other; `tables` reads the rest."""

_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_FOREIGN = {
    b"\xd0\xcf\x11\xe0": "a packed Excel or Word file", b"%PDF": "a PDF file",
    b"BZh": "packed by bzip2", b"\xfd7zXZ": "packed by xz", b"\x28\xb5\x2f\xfd": "packed by zstd",
    b"7z\xbc\xaf": "a 7-Zip archive", b"Rar!": "a RAR archive", b"SQLite format 3": "an SQLite database",
    b"Obj\x01": "an Avro file", b"\x89PNG": "a picture", b"\xff\xd8\xff": "a picture",
}  # fmt: skip
"""First bytes of what is often handed over by mistake."""
_FOREIGN_WORDS = {b"PAR1": "a packed Parquet file", b"ORC": "an ORC file"}
"""The same, of letters that a header may begin with too, as ORCID: a control character follows."""
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")


def unpacked_limit(size: int) -> int:
    """Bytes that a packed file of this size may unpack to."""
    return min(MAX_UNPACKED_BYTES, FREE_UNPACKED_BYTES + MAX_RATIO * size)


class Bounded(io.RawIOBase):
    """A packed file as it is read, up to a bound: a few kilobytes could unpack to whatever the memory holds."""

    def __init__(self, name: str, size: int, packed: IO[bytes], action: str) -> None:
        self._name = name
        self._packed = packed
        self._action = action
        self._limit = unpacked_limit(size)
        self._read = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Raises BadInput beyond the bound."""
        part = self._packed.read(len(buffer))
        self._read += len(part)
        if self._read > self._limit:
            raise BadInput(
                f"{self._name} unpacks to more than {self._limit:,} bytes. Operator action: if it is what you mean, "
                f"{self._action}."
            )
        buffer[: len(part)] = part
        return len(part)


@contextlib.contextmanager
def reading(source: str) -> Iterator[None]:
    """What the block cannot read of a file becomes BadInput, with its name."""
    try:
        yield
    except (OSError, EOFError, UnicodeError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        raise BadInput(f"{source} cannot be read: {error}. Operator action: check path and format.") from error


@contextlib.contextmanager
def unpacked(source: str, path: Path) -> Iterator[io.BufferedReader]:
    """The file's bytes, out of gzip or zip where it is packed. Raises BadInput for what cannot be read."""
    with contextlib.ExitStack() as opened:
        content: Any = opened.enter_context(path.open("rb"))
        begin = content.peek(16)
        if begin.startswith((_GZIP, _ZIP)):
            packed = (_member if begin.startswith(_ZIP) else _gzip)(source, path, opened)
            action = "unpack it and publish the file, or its parts"
            within = Bounded(source, path.stat().st_size, packed, action)
            content = opened.enter_context(io.BufferedReader(within, 65_536))
            begin = content.peek(16)
        if what := _foreign(begin):
            raise BadInput(
                f"{source} is {what}, not JSON or CSV. Operator action: unpack it, or export it as CSV (UTF-8) or "
                "JSON lines."
            )
        yield content


def _gzip(source: str, path: Path, opened: contextlib.ExitStack) -> IO[bytes]:
    return opened.enter_context(cast(IO[bytes], gzip.open(path)))


def _member(source: str, path: Path, opened: contextlib.ExitStack) -> IO[bytes]:
    """The one file inside a zip archive; folders and what macOS adds do not count."""
    try:
        archive = opened.enter_context(zipfile.ZipFile(path))
        files = [info for info in archive.infolist() if not info.filename.endswith("/")]
        names = [info for info in files if not info.filename.startswith("__MACOSX/")]
        if len(names) != 1:
            listed = ", ".join(visible(info.filename) for info in names[:5])
            raise BadInput(
                f"{source} holds {len(names)} files ({listed}). Operator action: unpack it and publish each."
            )
        return opened.enter_context(archive.open(names[0]))
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise BadInput(f"{source} cannot be unpacked: {error}. Operator action: unpack it yourself.") from error


def _foreign(begin: bytes) -> str | None:
    """What the file is instead, by its first bytes."""
    if begin.startswith((_GZIP, _ZIP)):
        return "packed twice"
    marks = _FOREIGN | (_FOREIGN_WORDS if _CONTROL.search(begin[:16]) else {})
    return next((what for mark, what in marks.items() if begin.startswith(mark)), None)


def kind_of(sample: bytes) -> Kind:
    """The kind of a text file, by its first `SAMPLE_BYTES` in UTF-8 without a byte order mark."""
    begin = sample.lstrip()
    if not begin:
        return "json lines"
    if begin.startswith(b"["):
        return "json"
    lines = begin.splitlines()[:100]
    objects = sum(parse_object(line) is not None for line in lines)
    # A list inside of an object may have one on each line, followed by commas.
    opened = lines[0].rstrip().endswith((b"{", b"[", b","))
    if objects and not (opened and 2 * objects < len(lines)):
        return "json lines"
    return "json" if begin.startswith(b"{") else "csv"
