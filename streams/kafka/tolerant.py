"""Record batches that cannot be read cost only themselves: reading goes on behind them, and one record says so.

aiokafka raises where a batch is damaged, does not decompress or names a header in other bytes than UTF-8, and would
raise again at every later try. Its consumers read what a broker sends through one class, `MemoryRecords`: this module
puts its own in that place, for every consumer of the process (`read_tolerantly`; ADR 20 says why).
"""

import itertools
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.errors import UnsupportedCodecError
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.legacy_records import LegacyRecordBatch
from aiokafka.record.util import decode_varint

from streams.kafka.decompression import HEAD, NotDecompressed, decompressed

ENOUGH_BYTES = 16_777_216
"""Once so much of one answer is decompressed, the rest of it is asked for again: that bounds what is held at a time."""
MAX_HEADERS = 500
"""Of one record. Parsed, an empty header of two bytes takes seventy: a record with more is not parsed at all."""
MAX_SLOW_HEADERS = 200_000
"""Of one batch, where they are parsed here since aiokafka cannot: a microsecond each."""
MAX_RECORDS = 50_000
"""Of one batch: who begins to read in the middle of one has to pass all before."""

STRANGERS = ".feedback"
"""End of the name of the topic that anybody may write who publishes feedback."""
UNKNOWN_TIME = -1
"""Timestamp of a record that represents a damaged batch, whose own times cannot be trusted."""

_OVERHEAD = struct.Struct(">qi")  # first offset, bytes that follow
_MAGIC_AT = 16
_SMALLEST = 14  # bytes that follow, at least: of a record in the oldest format


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A stretch of a partition that gives no records: its first and last offset, and why."""

    first: int
    last: int
    why: str


@dataclass(frozen=True, slots=True)
class _Record:
    """What aiokafka takes a record's fields from; `checksum` is an Unreadable where there is no record."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None = None
    value: bytes | None = None
    headers: Iterable[tuple[str, bytes | None]] = ()
    checksum: Unreadable | None = None


def unreadable(record: Any) -> Unreadable | None:
    """The stretch that a consumer's record represents; None of a record that was read.

    It is in the field `checksum`, which aiokafka leaves empty and no producer can set.
    """
    found = getattr(record, "checksum", None)
    return found if isinstance(found, Unreadable) else None


_foreign: set[str] = set()
"""Topics that others write, beside those that end like `STRANGERS`."""


def read_tolerantly(foreign: str | None = None) -> None:
    """From now on, consumers of this process read on behind what cannot be read. May be called again.

    `foreign`: a topic whose batches may only grow in proportion to what was sent, as those of `feedback`.
    """
    if foreign is not None:
        _foreign.add(foreign)
    fetcher.MemoryRecords = TolerantRecords
    fetcher.PartitionRecords = TolerantPartition


class TolerantPartition(PartitionRecords):  # type: ignore[misc]  # aiokafka ships no types
    """What aiokafka reads an answer's batches with, once it is known of which topic they are."""

    def __init__(self, partition: TopicPartition, records: "TolerantRecords", *rest: Any) -> None:
        records.of_strangers = partition.topic.endswith(STRANGERS) or partition.topic in _foreign
        super().__init__(partition, records, *rest)


class TolerantRecords:
    """The batches of one broker's answer for one partition, in order; takes the place of aiokafka's `MemoryRecords`."""

    def __init__(self, answer: bytes) -> None:
        self._answer = memoryview(answer)
        self._at = 0
        self._decompressed = 0
        self.of_strangers = False

    def size_in_bytes(self) -> int:
        """Bytes of the whole answer."""
        return len(self._answer)

    def has_next(self) -> bool:
        """Whether a whole batch follows, and not too much was decompressed already."""
        return self._decompressed < ENOUGH_BYTES and self._end(self._at) is not None

    def next_batch(self) -> "TolerantBatch":
        """The batch that follows."""
        end = self._end(self._at)
        assert end is not None, "has_next says whether there is one"
        data = bytes(self._answer[self._at : end])
        self._at = end
        return TolerantBatch(data, self._first_offset(end), self._add, self.of_strangers)

    def _add(self, size: int) -> None:
        self._decompressed += size

    def _end(self, at: int) -> int | None:
        """Where the batch at a place ends; None where none begins there, or the answer holds only a part of it."""
        if len(self._answer) - at < _OVERHEAD.size:
            return None
        _, follows = _OVERHEAD.unpack_from(self._answer, at)
        end = at + _OVERHEAD.size + int(follows)
        return end if follows >= _SMALLEST and end <= len(self._answer) else None

    def _first_offset(self, at: int) -> int | None:
        """First offset of the batch at a place, of which a part is enough; None at the answer's end."""
        return int(_OVERHEAD.unpack_from(self._answer, at)[0]) if len(self._answer) - at >= _OVERHEAD.size else None


class TolerantBatch:
    """One batch, of which `next` gives every record that can be read, and one that says so for what cannot.

    Args:
        data: the batch as it is stored.
        follows: first offset of the batch behind it, where the broker's answer holds one.
        on_decompressed: called with how many bytes it takes once it is decompressed.
        of_strangers: whether it may only grow in proportion to what was sent; our own steps are large and alike.
    """

    def __init__(
        self, data: bytes, follows: int | None, on_decompressed: Callable[[int], None], of_strangers: bool
    ) -> None:
        self._data = data
        self._of_strangers = of_strangers
        self._on_decompressed = on_decompressed
        self._default = data[_MAGIC_AT] >= 2 and len(data) >= HEAD.size
        self._inner, self._trouble = _opened(data)
        sound = not self._trouble
        self.base_offset = int(_OVERHEAD.unpack_from(data)[0])
        self.next_offset: int = self._inner.next_offset if sound else self._end(follows)
        self.is_control_batch: bool = sound and self._inner.is_control_batch
        self.is_transactional: bool = sound and self._inner.is_transactional
        self.producer_id: int | None = self._inner.producer_id if sound else None
        self._at, self._given, self._offset = HEAD.size, 0, self.base_offset  # of the record that is next
        self._records = self._every()

    def validate_crc(self) -> bool:
        """True: a batch whose checksum is wrong is read too, as a record that says so."""
        return True

    def __iter__(self) -> Iterator[Any]:
        return self._records

    def __next__(self) -> Any:
        return next(self._records)

    def _end(self, follows: int | None) -> int:
        """Where a damaged batch ends: its own head is trusted only where nothing follows it."""
        if follows is not None and follows > self.base_offset:
            return follows
        if not self._default:
            return self.base_offset + 1
        head = HEAD.unpack_from(self._data)
        shorter, longer = sorted((int(head[6]), int(head[12]) - 1))  # how far its last offset is, written twice
        return self.base_offset + 1 + max(0, shorter if shorter >= 0 else longer)

    def _every(self) -> Iterator[Any]:
        try:
            if self._trouble:
                yield self._marker(self._trouble)
            elif self._default and (count := HEAD.unpack_from(self._data)[12]) > MAX_RECORDS:
                yield self._marker(f"it has {count} records, at most {MAX_RECORDS} are read")
            else:
                yield from self._in_order()
        except UnsupportedCodecError:
            raise  # the batch is sound, this installation is not
        except NotDecompressed as error:
            yield self._marker(str(error))
        except Exception as error:  # whatever bytes make aiokafka raise
            yield from self._one_by_one() if self._default else [self._marker(repr(error))]

    def _in_order(self) -> Iterator[Any]:
        """The records as aiokafka reads them. Raises whatever it raises; ValueError of what it is not given to read."""
        batch, end = self._inner, self.next_offset
        if self._default and batch.compression_type:
            self._data = decompressed(self._data, batch.compression_type, self._of_strangers)
            self._on_decompressed(len(self._data))
            batch = DefaultRecordBatch(self._data)
        for _, record in zip(self._places() if self._default else itertools.repeat(None), batch, strict=False):
            if record.offset >= end:  # the reader would go on from there, past other batches
                raise ValueError(f"a record with offset {record.offset}, its batch ends at {end}")
            self._offset = record.offset + 1
            yield record

    def _places(self) -> Iterator[None]:
        """A step before aiokafka reads a record, and one before it looks for the end. Raises ValueError, IndexError."""
        data, at, count = self._data, self._at, HEAD.unpack_from(self._data)[12]
        for self._given in range(count):
            self._at = at
            size, begin = decode_varint(data, at)
            if size > 2 * MAX_HEADERS:
                _check_headers(data, begin)
            at = begin + size
            yield
        self._at, self._given = at, count
        yield

    def _marker(self, why: str) -> _Record:
        stretch = Unreadable(self.base_offset, self.next_offset - 1, why)
        known = self._default and not self._trouble
        return _Record(stretch.last, self._inner.max_timestamp if known else UNKNOWN_TIME, 0, checksum=stretch)

    def _one_by_one(self) -> Iterator[_Record]:
        """The records of a batch from the first on that cannot be read as it should."""
        head, data = HEAD.unpack_from(self._data), self._data
        at, offset, left = self._at, self._offset, MAX_SLOW_HEADERS
        for _ in range(self._given, head[12]):
            if left < 0:
                why = f"more than {MAX_SLOW_HEADERS} headers before it are in a batch with one that cannot be read"
                yield _Record(self.next_offset - 1, head[8], 0, checksum=Unreadable(offset, self.next_offset - 1, why))
                return
            try:
                size, begin = decode_varint(data, at)
                if not 0 < size <= len(data) - begin:
                    raise ValueError(f"a record of {size} bytes, {len(data) - begin} are left")
            except (ValueError, IndexError) as error:
                stretch = Unreadable(offset, self.next_offset - 1, f"the batch is not divided into records: {error!r}")
                yield _Record(stretch.last, head[8], 0, checksum=stretch)
                return
            at = begin + size
            try:
                record = _parsed(data[begin:at], head)
                if not offset <= record.offset < self.next_offset:
                    raise ValueError(f"offset {record.offset} is not between those of its neighbours")
            except _TooManyHeaders as error:
                record = _Record(offset, head[8], 0, checksum=Unreadable(offset, offset, str(error)))
            except (ValueError, IndexError) as error:
                stretch = Unreadable(offset, offset, f"the record is damaged: {error!r}")
                record = _Record(offset, head[8], 0, checksum=stretch)
            left -= len(list(record.headers))
            yield record
            offset = record.offset + 1


def _opened(data: bytes) -> tuple[Any, str]:
    """aiokafka's reader of one batch, and what is wrong with the batch; an empty text where it is sound."""
    magic = data[_MAGIC_AT]
    try:
        batch = DefaultRecordBatch(data) if magic >= 2 else LegacyRecordBatch(data, magic)
        sound = batch.validate_crc()
    except (ValueError, IndexError, struct.error) as error:
        return None, f"its head is damaged: {error}"
    return batch, "" if sound else "its checksum is wrong: it was damaged after it had been written"


class _TooManyHeaders(ValueError):
    """A record that is not parsed."""


def _check_headers(data: bytes, at: int) -> None:
    """Raises _TooManyHeaders of a record whose fields begin at a place; ValueError, IndexError where there are none."""
    for _ in range(3):  # attributes, time, offset
        _, at = decode_varint(data, at)
    for _ in range(2):  # key, value
        size, at = decode_varint(data, at)
        at += max(size, 0)
    number, _ = decode_varint(data, at)
    if number > MAX_HEADERS:
        raise _TooManyHeaders(f"it has {number} headers, at most {MAX_HEADERS} are read")


def _parsed(data: bytes, head: tuple[Any, ...]) -> _Record:
    """One record of a batch, header names in whatever bytes. Raises ValueError, IndexError."""
    _check_headers(data, 0)
    reader = _Fields(data)
    reader.number()  # attributes: none are defined
    sent = reader.number()
    log_append = bool(head[5] & 0x08)
    timestamp = head[8] if log_append else head[7] + sent
    offset = head[0] + reader.number()
    key, value = reader.field(), reader.field()
    headers = []
    for _ in range(reader.number()):
        name = reader.field()
        if name is None:
            raise ValueError("a header without a name")
        headers.append((name.decode("utf-8", "backslashreplace"), reader.field()))
    return _Record(offset, timestamp, int(log_append), key, value, headers)


class _Fields:
    """The fields of one record, in order."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self) -> int:
        number, self._at = decode_varint(self._data, self._at)
        return int(number)

    def field(self) -> bytes | None:
        size = self.number()
        if size < 0:
            return None
        found = self._data[self._at : self._at + size]
        if len(found) < size:
            raise ValueError(f"a field of {size} bytes, {len(found)} are left")
        self._at += size
        return found
