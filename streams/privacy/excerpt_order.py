"""By what excerpts are chosen: a lottery under a key, which nobody without it can foresee, and who was quoted."""

import hashlib
from functools import lru_cache

REMEMBERED = 131_072
EXCERPTS_CHOSEN = 3
"""Excerpts of a market that one step keeps at most, one per user."""
_SPEAKER_BITS, _LOTTERY_BITS = 24, 26
_SPEAKERS, _LOTTERY = (1 << _SPEAKER_BITS) - 1, (1 << _LOTTERY_BITS) - 1
_AFTER_NEGATIVES = 1 << (_SPEAKER_BITS + _LOTTERY_BITS)
KEYED = _AFTER_NEGATIVES << 1
"""From here on an order is a keyed one, below 2**52. The oldest are CRC-32 of the event's id, + 2**32: not negative."""


class ExcerptOrder:
    """The order of excerpts: negative texts first, then by a keyed hash (BLAKE2b) of the record's partition and offset.

    Its producer chooses neither, and no offset comes twice: nobody can make or repeat what wins. A record that is read
    again has the same order.

    An order holds, from its highest bit on: 1 (keyed), not negative, 26 bits of the lottery, 24 bits of who spoke
    (0 = the event names no user). `ledger/lua/commit.lua` keeps the three lowest of a market and step, one per user.
    The lottery's key and that of users differ from the key of user hashes, and from one another.
    """

    def __init__(self, key: bytes) -> None:
        places, places_of_ids, users = (
            hashlib.blake2b(b"", key=key, digest_size=32, person=name).digest()
            for name in (b"excerpt place", b"excerpt lottery", b"excerpt user")
        )
        self._places = hashlib.blake2b(key=places, digest_size=4)
        self._places_of_ids = hashlib.blake2b(key=places_of_ids, digest_size=4)
        hasher = hashlib.blake2b(key=users, digest_size=4)

        @lru_cache(maxsize=REMEMBERED)
        def speaker(market: str, user: str) -> int:
            hashed = hasher.copy()
            hashed.update(f"{market} {user}".encode("utf-8", "surrogatepass"))
            return int.from_bytes(hashed.digest(), "big") % _SPEAKERS + 1

        self.speaker = speaker

    def place(self, partition: int, offset: int) -> int:
        """A record's place in the lottery, in the bits that an order has it in."""
        return _drawn(self._places, b"%d %d" % (partition, offset))

    def place_of_id(self, event_id: str) -> int:
        """The place that versions before drew by the event's id: what they stored is still to be found."""
        return _drawn(self._places_of_ids, event_id.encode("utf-8", "replace"))

    def of(self, market: str, user: str | None, partition: int, offset: int, negative: bool) -> int:
        """The order of the event of one record."""
        who = 0 if user is None else self.speaker(market, user)
        return KEYED | (0 if negative else _AFTER_NEGATIVES) | self.place(partition, offset) | who


def _drawn(hasher: "hashlib.blake2b", content: bytes) -> int:
    drawn = hasher.copy()
    drawn.update(content)
    return (int.from_bytes(drawn.digest(), "big") & _LOTTERY) << _SPEAKER_BITS


def speaker_of(order: int) -> int | None:
    """Who of a market's users was quoted: a keyed number of 24 bits; None = the event named none, or an older order."""
    return (order & _SPEAKERS or None) if order >= KEYED else None


def without_speaker(order: int) -> int:
    """The same order for readers, who are not to know which excerpts are of one user."""
    return order & ~_SPEAKERS if order >= KEYED else order


def ticket_of(order: int) -> int:
    """An order's place, which leads to the event: keyed, or the CRC-32 of its id in the oldest."""
    return KEYED | (order & (_LOTTERY << _SPEAKER_BITS)) if order >= KEYED else order & 0xFFFF_FFFF
