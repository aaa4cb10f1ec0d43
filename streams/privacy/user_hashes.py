"""Keyed hashes of user ids, and what a change of their key does to counts of distinct users."""

import hashlib
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache

from marketpulse.contract.decode import TOO_LATE_MS
from marketpulse.contract.units import DAY_MS, HOUR_MS
from streams.contract.journal import UserKey
from streams.privacy.excerpt_order import REMEMBERED, ExcerptOrder

KEPT_MS = 16 * DAY_MS  # r over 7 d looks back 14 days and a part of one
_LONGEST_KEY = 64  # that BLAKE2b takes

Mixed = tuple[int, int]
"""A stretch of event time (epoch ms) in which a user may stand under two keys.

A window that begins and ends on one side of it counts every user once; where both ends are the same, that is the hour
in which one key follows another.
"""


class UserHashes:
    """A keyed 8-byte hash of user ids (BLAKE2b): no raw id is ever stored. Repeated users cost a look-up.

    Args:
        key: what is in force for events from `since_ms` on (epoch ms, 0 = always).
        before: what was in force until then; None = the same.
    """

    def __init__(
        self, key: bytes, before: bytes | None = None, since_ms: int = 0, remembered: int = REMEMBERED
    ) -> None:
        self._now = _hasher(key, remembered)
        self._before = None if before is None else _hasher(before, remembered)
        self._keys = key, key if before is None else before
        self._since_ms = since_ms
        self._known: frozenset[str] = frozenset()
        self.orders = [ExcerptOrder(folded_key(each)) for each in dict.fromkeys(self._keys)]
        """What excerpts are chosen by, under all keys; the first is in force, whatever the time of an event."""

    def known_as(self, ids: Collection[str]) -> None:
        """Which ids of keys the ledger knows: a key that it knows by an id of the older kind keeps that id.

        Otherwise an update would look like a change of the key, and so would workers of two versions side by side.
        """
        self._known = frozenset(ids)

    def _id_of(self, key: bytes) -> str:
        older = quick_key_id(key)
        return older if older in self._known else key_id(key)

    @property
    def key(self) -> UserKey:
        """The key in force, for the journal."""
        return UserKey(self._id_of(self._keys[0]), self._since_ms)

    def knows(self, named: str) -> bool:
        """Whether an id of a key, of the older kind too, is that of one of these keys."""
        return any(named in (key_id(key), quick_key_id(key)) for key in self._keys)

    def of(self, user: str, occurred_ms: int) -> bytes:
        """The hash of a user in an event of that time."""
        if self._before is not None and occurred_ms < self._since_ms:
            return self._before(user)
        return self._now(user)

    def key_id_at(self, occurred_ms: int) -> str:
        """What tells the key of that time from others; the key cannot be known from it."""
        return self._id_of(self._keys[self._before is not None and occurred_ms < self._since_ms])

    def every(self, user: str) -> list[bytes]:
        """The user's hashes under all keys, the one in force first."""
        return [self._now(user)] if self._before is None else [self._now(user), self._before(user)]


def _hasher(key: bytes, remembered: int) -> Callable[[str], bytes]:
    folded = folded_key(key)

    @lru_cache(maxsize=remembered)
    def hashed(user: str) -> bytes:
        return hashlib.blake2b(user.encode("utf-8", "surrogatepass"), digest_size=8, key=folded).digest()

    return hashed


def folded_key(key: bytes) -> bytes:
    """The key itself, or the BLAKE2b of one that is longer than BLAKE2b takes: what lies beyond counts too."""
    return key if len(key) <= _LONGEST_KEY else hashlib.blake2b(key).digest()


@lru_cache(maxsize=64)
def key_id(key: bytes) -> str:
    """Twelve hexadecimal digits that tell keys apart, from scrypt: it is published, so guesses of a key must be dear.

    Takes about 50 ms and 16 MiB the first time.
    """
    return hashlib.scrypt(key, salt=b"marketpulse user key id", n=2**14, r=8, p=1, dklen=6).hex()


@lru_cache(maxsize=64)
def quick_key_id(key: bytes) -> str:
    """The id that a key had before `key_id`, of eight hexadecimal digits; ledgers of that time keep it."""
    return hashlib.blake2b(b"", digest_size=4, key=key[:_LONGEST_KEY], person=b"user key id").hexdigest()


def mixed_after(mixed: Sequence[Mixed], before: UserKey | None, now: UserKey, newest_ms: int) -> list[Mixed]:
    """The stretches that may hold a user twice, after a step in which `now` is in force.

    A change that was announced (`since` lies after all events so far) leaves one such hour. Any other change may have
    begun with the oldest event that is still taken, and is over with the next whole hour but one, when all workers are
    thought to have started anew; while they differ it goes on.

    Args:
        mixed: those of the step before.
        before: the key of the step before; None = nothing is known of one.
        now: the key of this step.
        newest_ms: the newest event time counted so far.
    """
    kept = [one for one in mixed if one[1] > newest_ms - KEPT_MS]
    ends = (newest_ms // HOUR_MS + 2) * HOUR_MS
    if before is not None and (before.id, before.since) != (now.id, now.since):
        if before.id == now.id and not now.since:  # the key before was taken away
            return kept if before.since + TOO_LATE_MS <= newest_ms else [*kept, (before.since - TOO_LATE_MS, ends)]
        announced = now.since > newest_ms
        return [
            *kept,
            (now.since, now.since) if announced else (min(now.since or newest_ms, newest_ms) - TOO_LATE_MS, ends),
        ]
    if now.differ and newest_ms >= now.since:
        begins, _ = kept.pop() if kept else (newest_ms - TOO_LATE_MS, 0)
        kept.append((begins, ends))
    return kept


def keys_in(mixed: Sequence[Mixed], first_hour: int, end_hour: int) -> int:
    """Under how many keys at most a user is counted in the hours [first, end): 1 = the count is right."""
    return 1 + sum(first_hour * HOUR_MS < ends and begins < end_hour * HOUR_MS for begins, ends in mixed)
