"""Compressed record batches made larger, within bounds: what their heads claim is not believed."""

import mmap
import struct
import zlib
from typing import Any

from aiokafka import codec as codecs
from aiokafka.errors import UnsupportedCodecError

LARGEST_BATCH_BYTES = 67_108_864
"""What one batch may take when it is decompressed: a megabyte of zstd can hold 10 GB of blanks."""
MOST_RATIO, LEAST_BOUND_BYTES = 100, 2_097_152
"""A batch may become a hundred times as large as it was sent, two megabytes in any case."""
MOST_PARTS = 65_536
"""Members of gzip, or blocks of snappy, of one batch: each costs time, and may hold nothing at all."""
USUAL_RATIO = 16
"""What JSON is compressed to is seldom less than a sixteenth: tried first, since small memory is had faster."""
HEAD = struct.Struct(">qiibIhiqqqhii")
"""Head of a batch, in the order of aiokafka's `DefaultRecordBase.HEADER_STRUCT`."""

_ATTRIBUTES_AT = 21
_SLICE = 4_096  # bytes that gzip is given at a time
_BLOCKS, _BLOCKS_BEGIN = b"\x82SNAPPY\x00", 16  # how snappy in blocks begins, and its first block
_TOO_MANY_PARTS = f"it is in more than {MOST_PARTS} parts"
_TOO_SMALL = "whole buffer"  # in cramjam's message where what comes out does not fit
_CODECS = {1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}
_CODEC_MASK = 0x07


class NotDecompressed(ValueError):
    """A batch that its codec refuses, or that is larger than what is taken."""


def decompressed(batch: bytes, number: int, in_proportion: bool) -> bytes:
    """A compressed batch as it would be without compression (its checksum is that of before).

    Args:
        batch: as it is stored.
        number: of the codec.
        in_proportion: whether it may only grow in proportion to what was sent: for what strangers write.

    Raises:
        UnsupportedCodecError: the codec's library is not installed, or the codec is none of Kafka's.
        NotDecompressed: the bytes are no such compression, in too many parts, or larger than is taken.
    """
    name = _CODECS.get(number, f"codec {number}")
    if number not in _CODECS or not getattr(codecs, f"has_{name}")():
        raise UnsupportedCodecError(name)
    head = bytearray(batch[: HEAD.size])
    attributes = int.from_bytes(head[_ATTRIBUTES_AT : _ATTRIBUTES_AT + 2], "big", signed=True)
    struct.pack_into(">h", head, _ATTRIBUTES_AT, attributes & ~_CODEC_MASK)
    compressed = batch[HEAD.size :]
    most = bound(len(compressed)) if in_proportion else LARGEST_BATCH_BYTES
    try:
        if name == "gzip":
            return bytes(head) + _gunzipped(compressed, most)
        if name == "snappy":
            return bytes(head) + _unsnapped(compressed, most)
        return _in_bounds(getattr(codecs.cramjam, name), head, compressed, most)
    except Exception as error:  # of several libraries
        if _TOO_SMALL in str(error):
            error = ValueError(f"it takes more than {most} bytes")
        raise NotDecompressed(f"it cannot be decompressed ({name}): {error}") from error


def bound(sent: int) -> int:
    """How many bytes a batch may become: what it costs is in proportion to what was sent."""
    return min(LARGEST_BATCH_BYTES, max(LEAST_BOUND_BYTES, MOST_RATIO * sent))


def _gunzipped(compressed: bytes, most: int) -> bytes:
    """As the gzip module does it, within bounds. Raises zlib.error, ValueError.

    It is given in slices, and in few members: what is left is copied at the end of each.
    """
    parts, size, at = list[bytes](), 0, 0
    whole = memoryview(compressed)
    for _ in range(MOST_PARTS):
        member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        while not member.eof:
            if at == len(whole):
                raise ValueError("it ends too soon")
            given = whole[at : at + _SLICE]
            parts.append(member.decompress(given, most + 1 - size))
            at += len(given) - len(member.unused_data)
            size += len(parts[-1])
            if size > most:
                raise ValueError(_TOO_SMALL)
        if at == len(whole):
            return b"".join(parts)
    raise ValueError(_TOO_MANY_PARTS)


def _unsnapped(compressed: bytes, most: int) -> bytes:
    """As aiokafka does it, where blocks are few and what they say they hold is little. Raises ValueError, others."""
    blocks, size = [compressed], 0
    if compressed.startswith(_BLOCKS):
        blocks, at = [], _BLOCKS_BEGIN
        while at < len(compressed):
            end = at + 4 + int.from_bytes(compressed[at : at + 4], "big")
            if end > len(compressed):
                raise ValueError("a block is longer than the batch")
            blocks.append(compressed[at + 4 : end])
            at = end
            if len(blocks) > MOST_PARTS:
                raise ValueError(_TOO_MANY_PARTS)
    for block in blocks:
        size += codecs.cramjam.snappy.decompress_raw_len(block)
        if size > most:
            raise ValueError(_TOO_SMALL)
    return b"".join(bytes(codecs.cramjam.snappy.decompress_raw(block)) for block in blocks)


def _in_bounds(module: Any, head: bytearray, compressed: bytes, most: int) -> bytes:
    """Head and decompressed bytes; a size that the compressed bytes claim is not believed."""
    begin, size = len(head), USUAL_RATIO * len(compressed)
    if size < most:
        whole = head + bytes(size)
        try:
            return bytes(whole[: begin + _into(module, compressed, whole, begin)])
        except Exception as error:
            if _TOO_SMALL not in str(error):
                raise
    with mmap.mmap(-1, begin + most) as room:  # takes memory only for what is written
        room[:begin] = bytes(head)
        end = begin + _into(module, compressed, room, begin)
        return bytes(room[:end])


def _into(module: Any, compressed: bytes, room: bytearray | mmap.mmap, begin: int) -> int:
    """Decompress into a buffer from a place on; the number of bytes."""
    with memoryview(room) as whole, whole[begin:] as behind:
        return int(module.decompress_into(compressed, behind))
