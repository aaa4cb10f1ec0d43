"""Records on their way to Kafka, and the allocation in force: written in Redis with what they belong to."""

from collections.abc import Iterable, Sequence

from marketpulse.client.redis_server import translated_errors
from marketpulse.contract.topics import topic_name
from streams.batches import OutboxEntry
from streams.ledger.scripts import LedgerScripts, packed
from streams.ledger.types import Command


class Outbox(LedgerScripts):
    """What workers publish in the order in which it was decided. Raises Unavailable (retriable), LedgerLost."""

    def outbox_write(self, topic: str, key: bytes | str, value: bytes) -> Command:
        """The command that appends one record to the outbox; `topic` without the prefix."""
        name = topic_name(self.keys.prefix, topic)
        return ["XADD", self.keys.outbox, "*", "topic", name, "key", key, "value", value]

    async def read_outbox(self, count: int) -> list[OutboxEntry]:
        """The oldest records not yet relayed."""
        with translated_errors(self.url):
            rows = await self.redis.xrange(self.keys.outbox, count=count)
        return [OutboxEntry(entry, row[b"topic"].decode(), row[b"key"], row[b"value"]) for entry, row in rows]

    async def outbox_length(self) -> int:
        """How many records are not relayed yet."""
        with translated_errors(self.url):
            return int(await self.redis.xlen(self.keys.outbox))

    async def trim_outbox(self, entries: Sequence[OutboxEntry]) -> None:
        """Forget records that Kafka has acknowledged."""
        with translated_errors(self.url):
            await self.redis.xdel(self.keys.outbox, *(entry.id for entry in entries))

    async def store_allocation(self, seq: int, writes: Iterable[Command]) -> bool:
        """Store an allocation with its outbox record; False if this or a newer shift was already answered."""
        answer = await self._run("allocate", [self.keys.ledger, self.keys.allocation_seq], [seq, packed(list(writes))])
        return bool(answer[0] == b"OK")
