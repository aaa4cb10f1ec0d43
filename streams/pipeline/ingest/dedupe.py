"""Which event ids of one source partition were seen within the horizon of record time."""

import struct
from collections import deque
from collections.abc import Iterable, Sequence

import xxhash

DIGEST_BYTES = 16
_TIME = struct.Struct(">q")


def id_digest(event_id: str) -> bytes:
    """16 bytes that stand for an event id (XXH3, 128 bits: 1e6 ids collide with a chance of 1e-27)."""
    return xxhash.xxh3_128_digest(event_id.encode())


class SeenIds:
    """The ids of one partition, oldest chunk first, as the ledger stores them (one chunk a committed batch).

    A chunk is forgotten as a whole once the newest record is more than `horizon_ms` younger than the chunk's last
    record, or when more than `capacity` ids are held. So an id is remembered at least for the horizon, unless the
    capacity is reached: then `horizon_now_ms` tells the true one.
    """

    def __init__(self, horizon_ms: int, capacity: int, chunks: Iterable[bytes] = ()) -> None:
        self._horizon_ms = horizon_ms
        self._capacity = capacity
        self._seen: set[bytes] = set()
        self._chunks: deque[tuple[int, bytes]] = deque()
        for chunk in chunks:
            self._append(chunk)

    def __len__(self) -> int:
        return len(self._seen)

    @property
    def horizon_now_ms(self) -> int:
        """Record time between the oldest and the newest chunk held, in ms."""
        return self._chunks[-1][0] - self._chunks[0][0] if self._chunks else 0

    def first_seen(self, event_id: str) -> bytes | None:
        """The id's digest if it is new (it then counts as seen), None if it is a duplicate."""
        digest = id_digest(event_id)
        if digest in self._seen:
            return None
        self._seen.add(digest)
        return digest

    def close_chunk(self, digests: Sequence[bytes], record_ms: int) -> tuple[bytes, int]:
        """End a batch: the chunk to store for its new ids, and how many of the oldest chunks to forget."""
        chunk = b""
        if digests:
            chunk = _TIME.pack(record_ms) + b"".join(digests)
            self._chunks.append((record_ms, chunk))
        forgotten = 0
        while self._chunks and (
            record_ms - self._chunks[0][0] > self._horizon_ms
            or (len(self._seen) > self._capacity and len(self._chunks) > 1)
        ):
            self._seen.difference_update(_digests(self._chunks.popleft()[1]))
            forgotten += 1
        return chunk, forgotten

    def _append(self, chunk: bytes) -> None:
        self._chunks.append((_TIME.unpack_from(chunk)[0], chunk))
        self._seen.update(_digests(chunk))


def _digests(chunk: bytes) -> Iterable[bytes]:
    return (chunk[at : at + DIGEST_BYTES] for at in range(_TIME.size, len(chunk), DIGEST_BYTES))
