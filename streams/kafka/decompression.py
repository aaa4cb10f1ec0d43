"""Compressed record batches made larger, within bounds: what their heads claim is not believed."""

import mmap
import struct
import zlib
from typing import Any

from aiokafka import codec as codecs
from aiokafka.errors import UnsupportedCodecError

LARGEST_BATCH_BYTES = 67_108_864
"""What one batch may take when it is decompressed: a megabyte of zstd can hold 10 GB of blanks."""
USUAL_RATIO = 16
"""What JSON is compressed to is seldom less than a sixteenth: tried first, since small memory is had faster."""
HEAD = struct.Struct(">qiibIhiqqqhii")
"""Head of a batch, in the order of aiokafka's `DefaultRecordBase.HEADER_STRUCT`."""

_ATTRIBUTES_AT = 21
_TOO_SMALL = "whole buffer"  # in cramjam's message where what comes out does not fit
_CODECS = {1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}
_CODEC_MASK = 0x07


class NotDecompressed(ValueError):
    """A batch that its codec refuses, or that is larger than what is taken."""


def decompressed(batch: bytes, number: int) -> bytes:
    """A compressed batch as it would be without compression (its checksum is that of before).

    Raises:
        UnsupportedCodecError: the codec's library is not installed, or the codec is none of Kafka's.
        NotDecompressed: the bytes are no such compression, or larger than LARGEST_BATCH_BYTES.
    """
    name = _CODECS.get(number, f"codec {number}")
    if number not in _CODECS or not getattr(codecs, f"has_{name}")():
        raise UnsupportedCodecError(name)
    head = bytearray(batch[: HEAD.size])
    attributes = int.from_bytes(head[_ATTRIBUTES_AT : _ATTRIBUTES_AT + 2], "big", signed=True)
    struct.pack_into(">h", head, _ATTRIBUTES_AT, attributes & ~_CODEC_MASK)
    compressed = batch[HEAD.size :]
    try:
        if name == "gzip":
            return bytes(head) + _gunzipped(compressed)
        if name == "snappy":  # at most 21 times as large as what it is compressed to
            return bytes(head) + bytes(codecs.snappy_decode(compressed))
        return _in_bounds(getattr(codecs.cramjam, name), head, compressed)
    except Exception as error:  # of several libraries
        if _TOO_SMALL in str(error):
            error = ValueError(f"it takes more than {LARGEST_BATCH_BYTES} bytes")
        raise NotDecompressed(f"it cannot be decompressed ({name}): {error}") from error


def _gunzipped(compressed: bytes) -> bytes:
    """As the gzip module does it, within bounds. Raises zlib.error, ValueError."""
    parts, size, rest = [], 0, compressed
    while rest:
        member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        parts.append(member.decompress(rest, LARGEST_BATCH_BYTES + 1 - size))
        size += len(parts[-1])
        if size > LARGEST_BATCH_BYTES:
            raise ValueError(f"it takes more than {LARGEST_BATCH_BYTES} bytes")
        if not member.eof:
            raise ValueError("it ends too soon")
        rest = member.unused_data
    return b"".join(parts)


def _in_bounds(module: Any, head: bytearray, compressed: bytes) -> bytes:
    """Head and decompressed bytes; a size that the compressed bytes claim is not believed."""
    begin, size = len(head), USUAL_RATIO * len(compressed)
    if size < LARGEST_BATCH_BYTES:
        whole = head + bytes(size)
        try:
            return bytes(whole[: begin + _into(module, compressed, whole, begin)])
        except Exception as error:
            if _TOO_SMALL not in str(error):
                raise
    with mmap.mmap(-1, begin + LARGEST_BATCH_BYTES) as room:  # takes memory only for what is written
        room[:begin] = bytes(head)
        end = begin + _into(module, compressed, room, begin)
        return bytes(room[:end])


def _into(module: Any, compressed: bytes, room: bytearray | mmap.mmap, begin: int) -> int:
    """Decompress into a buffer from a place on; the number of bytes."""
    with memoryview(room) as whole, whole[begin:] as behind:
        return int(module.decompress_into(compressed, behind))
