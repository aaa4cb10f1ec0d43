"""What cannot be read costs itself: every offset is a record, or in a stretch that says why not."""

import gzip
import random
import struct
import tracemalloc
from collections.abc import Iterable

import pytest
from aiokafka import TopicPartition
from aiokafka import codec as codecs
from aiokafka.consumer import fetcher
from aiokafka.errors import UnsupportedCodecError
from aiokafka.record._crc32c import crc as crc32c
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st

from streams.kafka import decompression, tolerant
from streams.kafka.decompression import LARGEST_BATCH_BYTES, LEAST_BOUND_BYTES, MOST_PARTS, MOST_RATIO
from streams.kafka.tolerant import (
    ENOUGH_BYTES,
    MAX_HEADERS,
    PartitionRecords,
    TolerantPartition,
    TolerantRecords,
    read_tolerantly,
    unreadable,
)

EACH = 4
CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
HEAD = 61


def batch(first: int, codec: str = "none", values: Iterable[bytes] | None = None, name: str = "name") -> bytearray:
    """A batch as a producer builds it, its first record at an offset."""
    builder = DefaultRecordBatchBuilder(2, CODECS[codec], 0, -1, -1, -1, 1 << 30)
    for number, value in enumerate(values or [f"value {first + n}".encode() * 9 for n in range(EACH)]):
        builder.append(number, timestamp=1_000 + number, key=b"k", value=value, headers=[(name, b"x"), ("n", None)])
    built = bytearray(builder.build())
    struct.pack_into(">q", built, 0, first)
    return built


def sealed(changed: bytearray) -> bytearray:
    """The batch with a checksum that fits what it holds."""
    struct.pack_into(">I", changed, 17, crc32c(bytes(changed[21:])))
    return changed


def read(answer: bytes, topic: str = "shop.feedback") -> list[ConsumerRecord]:
    """What a consumer gets of a broker's answer."""
    return list(TolerantPartition(TopicPartition(topic, 0), TolerantRecords(answer), [], 0, None, None, True, 0))


def offsets(found: list[ConsumerRecord]) -> list[int]:
    """Every offset that the records, and the stretches among them, stand for."""
    covered: list[int] = []
    for one in found:
        stretch = unreadable(one)
        covered += range(stretch.first, stretch.last + 1) if stretch else [one.offset]
    return covered


@pytest.mark.parametrize("codec", CODECS)
def test_what_is_sound_is_read_as_aiokafka_reads_it(codec: str) -> None:
    """Same records, whatever the codec, and none of them says that it cannot be read."""
    answer = bytes(batch(0, codec) + batch(EACH, codec))
    plain = list(
        PartitionRecords(TopicPartition("shop.feedback", 0), MemoryRecords(answer), [], 0, None, None, True, 0)
    )
    assert plain == read(answer)
    assert 2 * EACH == len(plain)


@pytest.mark.parametrize("codec", CODECS)
@given(st.integers(21, 2**16), st.integers(1, 255))
def test_a_damaged_batch_costs_itself_alone(codec: str, at: int, bits: int) -> None:
    """Whichever byte under the checksum is changed, the batches around it are read and its own offsets are named."""
    damaged = batch(EACH, codec)
    damaged[21 + at % (len(damaged) - 21)] ^= bits
    found = read(bytes(batch(0, codec) + damaged + batch(2 * EACH, codec)))
    assert list(range(3 * EACH)) == offsets(found)
    assert [True] == [one.offset == 2 * EACH - 1 for one in found if unreadable(one)]


@pytest.mark.parametrize("codec", ["none", "zstd"])
@given(st.integers(HEAD, 2**16), st.integers(1, 255))
def test_whatever_a_producer_writes_is_read_or_named(codec: str, at: int, bits: int) -> None:
    """A batch of wrong bytes under a right checksum: nothing is raised, no offset of the others is missing."""
    wrong = batch(EACH, codec)
    wrong[HEAD + at % (len(wrong) - HEAD)] ^= bits
    found = read(bytes(batch(0, codec) + sealed(wrong) + batch(2 * EACH, codec)))
    around = [*range(EACH), *range(2 * EACH, 3 * EACH)]
    assert around == [one.offset for one in found if one.offset in around and not unreadable(one)]


def test_a_damaged_batch_at_the_end_is_as_long_as_it_says() -> None:
    """No batch behind it tells where it ends; a wrong length in its own head does not lead beyond its records."""
    damaged = batch(EACH)
    damaged[-1] ^= 1
    assert list(range(2 * EACH)) == offsets(read(bytes(batch(0) + damaged)))
    struct.pack_into(">i", damaged, 23, 1_000_000)
    assert list(range(2 * EACH)) == offsets(read(bytes(batch(0) + damaged)))


@pytest.mark.parametrize("codec", ["none", "lz4"])
def test_a_header_name_in_other_bytes_than_utf8_costs_nothing(codec: str) -> None:
    """librdkafka and Go clients send any bytes; the record is read, the bytes are shown in its name."""
    plain = batch(0, name="abcd").replace(b"abcd", b"ab\xff\xfe")
    found = read(bytes(sealed(plain))) if codec == "none" else read(recompressed(plain, codec))
    assert [f"value {n}".encode() * 9 for n in range(EACH)] == [one.value for one in found]
    assert [(("ab\\xff\\xfe", b"x"), ("n", None))] * EACH == [one.headers for one in found]
    assert [1_000, 1_001, 1_002, 1_003] == [one.timestamp for one in found]


def recompressed(plain: bytearray, codec: str) -> bytes:
    """The same batch with its records compressed."""
    return packed(plain, codec, codecs.lz4_encode(bytes(plain[HEAD:])))


def packed(plain: bytearray, codec: str, compressed: bytes) -> bytes:
    """A batch's head with what is said to be its records, compressed."""
    head = plain[:HEAD]
    struct.pack_into(">h", head, 21, CODECS[codec])
    struct.pack_into(">i", head, 8, HEAD - 12 + len(compressed))
    return bytes(sealed(head + compressed))


def test_a_record_that_is_damaged_costs_itself_alone() -> None:
    """Its neighbours in the batch are read: each record says how long it is."""
    wrong = batch(0)
    at = wrong.index(b"name", wrong.index(b"value 2"))
    wrong[at - 1] = 1  # the length of a header's name: -1
    found = read(bytes(sealed(wrong)))
    assert list(range(EACH)) == offsets(found)
    assert [2] == [one.offset for one in found if unreadable(one)]


def with_headers(*counts: int) -> bytes:
    """A batch of records with these numbers of empty headers."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 30)
    for number, count in enumerate(counts):
        builder.append(number, timestamp=1_000, key=b"k", value=b"value", headers=[("", b"")] * count)
    return bytes(builder.build())


def test_headers_beyond_a_bound_cost_their_record_alone_and_no_memory() -> None:
    """A million empty headers in two megabytes would take seventy: they are counted, not built."""
    answer = with_headers(MAX_HEADERS, 1_000_000, MAX_HEADERS + 1, 3)
    tracemalloc.start()
    found = read(answer)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [MAX_HEADERS, 0, 0, 3] == [len(one.headers) for one in found]
    whys = [stretch.why for one in found if (stretch := unreadable(one))]
    assert [f"it has {n} headers, at most {MAX_HEADERS} are read" for n in (1_000_000, MAX_HEADERS + 1)] == whys
    assert peak < 5 * len(answer)


def test_headers_that_are_parsed_here_have_a_bound_for_the_whole_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """One name that is no UTF-8 makes all records behind it slow to read; what is beyond the bound is one stretch."""
    monkeypatch.setattr(tolerant, "MAX_SLOW_HEADERS", 5)
    wrong = batch(0)
    wrong[wrong.index(b"name")] = 0xFF
    found = read(bytes(sealed(wrong) + batch(EACH)))
    assert list(range(2 * EACH)) == offsets(found)
    assert [None, None, None, (3, 3)] == [
        (one.first, one.last) if one else None for one in map(unreadable, found[:EACH])
    ]


def test_a_batch_of_more_records_than_a_bound_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine million empty ones fit into what is decompressed: they would be as many dead letters."""
    monkeypatch.setattr(tolerant, "MAX_RECORDS", EACH - 1)
    found = read(bytes(batch(0)))
    stretch = unreadable(found[0])
    assert stretch is not None
    assert (0, 3, f"it has {EACH} records, at most {EACH - 1} are read") == (stretch.first, stretch.last, stretch.why)
    assert 1 == len(found)


@pytest.mark.parametrize("damage", ["record", "end"])
def test_what_was_given_before_damage_is_not_parsed_twice(damage: str) -> None:
    """Whoever damages the last record of a large batch would hold the reader up with all the others."""
    wrong = batch(0)
    if damage == "record":
        wrong[wrong.index(b"name", wrong.index(b"value 3")) - 1] = 1  # the length of a header's name: -1
    else:
        wrong += b"more"
        struct.pack_into(">i", wrong, 8, len(wrong) - 12)
    assert list(range(EACH)) == [one.offset for one in TolerantRecords(bytes(sealed(wrong))).next_batch()]


@pytest.mark.parametrize("codec", ["gzip", "lz4", "zstd"])
def test_a_batch_that_bursts_is_not_decompressed(codec: str) -> None:
    """More than the bound of blanks in a few bytes: a stretch that says so, and what follows is read."""
    bomb = batch(0, codec, [b" " * (LEAST_BOUND_BYTES // 2)] * 2 + [b"last"])
    found = read(bytes(bomb + batch(3)))
    stretch = unreadable(found[0])
    assert stretch is not None
    assert (0, 2, f"it takes more than {LEAST_BOUND_BYTES} bytes") == (
        stretch.first, stretch.last, stretch.why.rpartition(": ")[2],
    )  # fmt: skip
    assert [3, 4, 5, 6] == [one.offset for one in found[1:]]


def test_a_batch_in_very_many_parts_is_not_decompressed() -> None:
    """Members of gzip and blocks of snappy may be empty, and each costs time: 8 MB stopped a worker for 40 s."""
    empty = {"gzip": gzip.compress(b""), "snappy": bytes(4 - 1) + b"\x01\x00"}
    begin = {"gzip": b"", "snappy": b"\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01"}
    for codec, part in empty.items():
        stretch = unreadable(read(packed(batch(0), codec, begin[codec] + (MOST_PARTS + 1) * part))[0])
        assert stretch is not None
        assert stretch.why.endswith(f"it is in more than {MOST_PARTS} parts"), stretch.why


def test_gzip_in_several_members_is_read() -> None:
    """As the gzip module reads it; members end within the slices that are given to zlib, and across them."""
    values = [random.Random(1).randbytes(3_000) for _ in range(EACH)]
    plain = batch(0, values=values)
    members = b"".join(gzip.compress(bytes(plain[HEAD + at : HEAD + at + 1_500])) for at in range(0, 20_000, 1_500))
    assert values == [one.value for one in read(packed(plain, "gzip", members))]


@pytest.mark.parametrize(("sent", "most"), [(b"x" * 10, LEAST_BOUND_BYTES), (b"x" * 50_000, 50_000 * MOST_RATIO)])
def test_a_batch_may_grow_with_what_was_sent(sent: bytes, most: int) -> None:
    """What it costs to decompress is in proportion to what a producer sends, up to a bound for all."""
    assert [most, LARGEST_BATCH_BYTES] == [decompression.bound(len(sent)), decompression.bound(8_000_000)]


def test_what_workers_write_themselves_may_be_as_alike_as_it_is() -> None:
    """A step of many cells that resemble each other is more than a hundred times as large as it is sent."""
    step = [b'{"cells":[' + b'"BR:29833333:3:1",' * 300_000 + b"]}"]
    assert step == [one.value for one in read(bytes(batch(0, "gzip", step)), "shop.market.steps")]
    assert unreadable(read(bytes(batch(0, "gzip", step)))[0])


def test_a_block_of_snappy_with_a_wrong_length_ends() -> None:
    """A length below zero leads aiokafka back to blocks that it has read, for ever."""
    blocks = b"\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01" + struct.pack(">i", 2) + b"\x01\x00"
    for length in (-10, 3):
        assert unreadable(read(packed(batch(0), "snappy", blocks + struct.pack(">i", length) + b"\x01\x00"))[0])


def test_one_answer_is_decompressed_up_to_a_bound() -> None:
    """Many batches of 17 MB in one answer: the rest is asked for again, so that they are not held at once."""
    one = [random.Random(2).randbytes(ENOUGH_BYTES // 8) * 8 + b" "]
    records = TolerantRecords(bytes(batch(0, "zstd", one) + batch(1, "zstd", one)))
    assert records.has_next()
    assert 1 == len(list(records.next_batch()))
    assert not records.has_next()


def test_a_codec_that_is_not_installed_is_no_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch is good: nothing of it may be given up, an operator has to install what reads it."""
    answer = bytes(batch(0, "zstd"))
    monkeypatch.setattr(codecs, "cramjam", None)
    with pytest.raises(UnsupportedCodecError, match="zstd"):
        read(answer)


@pytest.mark.parametrize("magic", [0, 1])
def test_records_of_old_brokers_are_read_and_skipped_alike(magic: int) -> None:
    """Kafka before 0.11 wrote other batches; topics that are old enough still hold them."""
    builder = LegacyRecordBatchBuilder(magic, 0, 10_000)
    builder.append(0, 1_000, b"k", b"value")
    old = bytearray(builder.build())
    assert [b"value"] == [one.value for one in read(bytes(old))]
    old[-1] ^= 1
    assert [0, 1, 2, 3, 4] == offsets(read(bytes(old + batch(1))))


def of_producer(changed: bytearray, producer: int, control: bool = False) -> bytearray:
    """A batch as a part of a producer's transaction; `control`: one that ends it."""
    struct.pack_into(">h", changed, 21, 0x30 if control else 0x10)
    struct.pack_into(">q", changed, 43, producer)
    return sealed(changed)


def marker(first: int, producer: int, committed: bool) -> bytearray:
    """The end of a transaction, as a broker writes it."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1_000)
    builder.append(0, timestamp=1, key=struct.pack(">hh", 0, int(committed)), value=b"\0" * 6, headers=[])
    built = bytearray(builder.build())
    struct.pack_into(">q", built, 0, first)
    return of_producer(built, producer, control=True)


def test_transactions_end_as_they_do_without() -> None:
    """What was aborted is passed over, what was committed later by the same producer is read."""
    aborted, committed = of_producer(batch(0), 7), of_producer(batch(EACH + 1), 7)
    answer = aborted + marker(EACH, 7, committed=False) + committed + marker(2 * EACH + 1, 7, committed=True)
    records = PartitionRecords(TopicPartition("t", 0), TolerantRecords(bytes(answer)), [(7, 0)], 0, None, None, True, 1)
    assert [5, 6, 7, 8] == [one.offset for one in records]
    assert 2 * EACH + 2 == records.next_fetch_offset


def test_consumers_read_through_this_class() -> None:
    """aiokafka's consumers take the class from the module where it is put; another release may not."""
    read_tolerantly()
    assert TolerantRecords is fetcher.MemoryRecords
    assert "MemoryRecords" in fetcher.Fetcher._proc_fetch_request.__code__.co_names
