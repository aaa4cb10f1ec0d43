"""The encoding of a text file, by its bytes, and the file as UTF-8."""

import codecs
import io
import re
from dataclasses import dataclass
from typing import IO, Any

from charset_normalizer import from_bytes

from streams.errors import BadInput

CHUNK_BYTES = 65_536
GUESS_BYTES = 32_768
MIN_ZEROS = 8
MIN_ZERO_SHARE = 0.02
MIN_ZERO_SHARE_MARKED = 0.01
"""UTF-16 has a zero byte in every delimiter, digit and end of line, all at even or all at odd places; with a byte order
mark fewer are enough, without any the mark is two broken bytes."""
VALID_PER_BROKEN = 10
"""With as many valid characters beyond ASCII per broken byte a file is UTF-8 with broken rows, not another encoding."""
LEGACY = (
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "cp874",
    "gb18030", "big5", "cp932", "euc_jp", "cp949",
)  # fmt: skip
"""What exports are written in beside Unicode; wider choices make short files ambiguous."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
_ENDS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
BROKEN = re.compile("[\udc80-\udcff]")
"""Bytes that are no text of the encoding, as `surrogateescape` writes them."""
_BEYOND_ASCII = re.compile("[^\x00-\x7f]")
_ESCAPED = "marketpulse-escaped"


@dataclass(frozen=True)
class Encoding:
    """An encoding by Python's name; `guessed`: neither marked, nor given, nor UTF-8, so it may be another."""

    name: str
    guessed: bool = False


def given_encoding(name: str) -> Encoding:
    """What a person chose. Raises BadInput for what is no text encoding of Python."""
    try:
        known = codecs.lookup(name).name
        "".encode(known)
        b"".decode(known)
    except (LookupError, ValueError, UnicodeError) as error:
        raise BadInput(
            f"{name!r} is no encoding. Operator action: give one as in --encoding cp1252, utf-16, gb18030 or shift_jis."
        ) from error
    return Encoding("utf-8-sig" if known == "utf-8" else known)


def encoding_of(content: io.BufferedReader) -> Encoding:
    """Read all of it to find its encoding: byte order mark, zero bytes, strict UTF-8, then by what letters appear."""
    begin = content.peek(CHUNK_BYTES)[:CHUNK_BYTES]
    for mark, name in _MARKS:
        marked = begin.startswith(mark)
        if marked and (name != "utf-16" or _by_zeros(begin, 1, MIN_ZERO_SHARE_MARKED) == _ENDS[mark]):
            return Encoding(name)
    if by_zeros := _by_zeros(begin, MIN_ZEROS, MIN_ZERO_SHARE):
        return Encoding(by_zeros, guessed=True)
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    valid = broken = 0
    strange = bytearray()
    while part := content.read(CHUNK_BYTES):
        text = decoder.decode(part)
        if text.isascii():
            continue
        number = len(BROKEN.findall(text))
        broken += number
        valid += len(_BEYOND_ASCII.findall(text)) - number
        if number and len(strange) < GUESS_BYTES:
            strange += b"\n".join(line for line in part.splitlines() if not line.isascii()) + b"\n"
    broken += len(BROKEN.findall(decoder.decode(b"", final=True)))
    if valid >= VALID_PER_BROKEN * broken:
        return Encoding("utf-8-sig")
    return Encoding(_by_letters(bytes(strange[:GUESS_BYTES])), guessed=True)


def _by_zeros(begin: bytes, number: int, share: float) -> str | None:
    even, odd = begin[::2].count(0), begin[1::2].count(0)
    if even + odd < max(number, share * len(begin)):
        return None
    for name, here, there in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if here > 9 * there:
            return name
    return None


def _by_letters(strange: bytes) -> str:
    best = from_bytes(strange, cp_isolation=list(LEGACY)).best()
    if best is None:
        return "cp1252"
    if strange.decode("cp1252", "replace") == strange.decode(best.encoding, "replace"):
        return "cp1252"
    return best.encoding


def _escaped(error: UnicodeError) -> tuple[str | bytes, int]:
    """As `surrogateescape`, which takes single bytes from 128 on; else the whole unit becomes a byte that is no UTF-8.

    So half of a surrogate pair in UTF-16, or a last unit that is cut, costs its line, and the next unit is read whole.
    """
    if isinstance(error, UnicodeDecodeError) and (
        error.encoding.startswith(("utf-16", "utf-32")) or error.object[error.start] < 128
    ):
        return "\udcff", error.end
    return codecs.lookup_error("surrogateescape")(error)


codecs.register_error(_ESCAPED, _escaped)


class Utf8(io.RawIOBase):
    """A text file as UTF-8, chunk by chunk; bytes that its encoding does not have stay bytes that are no UTF-8."""

    def __init__(self, content: IO[bytes], encoding: str) -> None:
        self._content = content
        self._decoder = codecs.getincrementaldecoder(encoding)(_ESCAPED)
        self._rest = b""
        self._ended = False

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Raises BadInput where the file is not of this encoding at all."""
        while not self._rest and not self._ended:
            part = self._content.read(CHUNK_BYTES)
            self._ended = not part
            try:
                self._rest = self._decoder.decode(part, final=self._ended).encode("utf-8", "surrogateescape")
            except UnicodeError as error:
                raise BadInput(
                    f"the file is not in the encoding that was given or found: {error}. Operator action: give the "
                    "right one with --encoding."
                ) from error
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


def as_utf8(content: io.BufferedReader, encoding: str) -> io.BufferedReader:
    """The content in UTF-8, without a byte order mark."""
    return io.BufferedReader(Utf8(content, encoding), CHUNK_BYTES)
