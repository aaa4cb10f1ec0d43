"""Another ledger in this one's place: the lease is seized, then what was staged is swapped in at once."""

from collections.abc import Sequence

from marketpulse.client.redis_server import translated_errors
from streams.ledger.scripts import LedgerScripts, packed
from streams.ledger.types import Command


class Takeover(LedgerScripts):
    """What a rebuild and a reset do to the ledger that is there. Raises Unavailable (retriable), LedgerLost."""

    async def standing(self) -> tuple[int, int, int] | None:
        """(lease number, step published last, partitions) of the ledger that is there, or None."""
        with translated_errors(self.url):
            found = await self.redis.hmget(self.keys.ledger, "id", "lease_number", "published", "partitions")
        return None if found[0] is None else (int(found[1] or 0), int(found[2]), int(found[3]))

    async def seize_lease(self, holder: str, ttl_ms: int) -> int:
        """Take the lease from whoever holds it, so that no step is published meanwhile; its number."""
        with translated_errors(self.url):
            seconds, micros = await self.redis.time()
            until = seconds * 1000 + micros // 1000 + ttl_ms
            async with self.redis.pipeline(transaction=True) as pipe:
                pipe.hincrby(self.keys.ledger, "lease_number", 1)
                pipe.hset(
                    self.keys.ledger, mapping={"lease_holder": holder, "lease_until": until, "lease_nonce": self.nonce}
                )
                number, _ = await pipe.execute()
        return int(number)

    async def swap(
        self,
        lease_number: int | None,
        old: list[str],
        renames: Sequence[tuple[str, str, int | None]],
        commands: list[Command],
    ) -> bool:
        """Put a staged ledger in this one's place at once; False (and nothing changed) if somebody was quicker.

        Args:
            lease_number: of the lease that was seized; None = there was no ledger.
            old: keys that go.
            renames: staged keys, what they are called from now on, and how long they live (s): 0 = for ever, None =
                as they do. Nothing is changed where one of them is gone.
            commands: executed last.
        """
        payload = packed({"old": old, "renames": renames, "commands": commands})
        number = "" if lease_number is None else lease_number
        answer = await self._run("swap", [self.keys.ledger], [self.keys.namespace, number, payload])
        return bool(answer[0] == b"OK")
