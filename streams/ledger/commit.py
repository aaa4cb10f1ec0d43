"""The atomic commit in Redis: claims, offsets, deltas, steps."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

import msgpack
import msgspec
import redis.asyncio

from marketpulse.client.redis_server import translated_errors
from streams.batches import DecodedBatch, Delta, SourceMark
from streams.errors import PartitionUnknown
from streams.ledger.lives import users_kept
from streams.ledger.outbox import Outbox
from streams.ledger.scripts import FORMAT, packed
from streams.ledger.takeover import Takeover
from streams.ledger.types import Answer, Claim, Command, CutStep, Lease, excerpts_of, partition_cut


def _number(value: bytes | None) -> int | None:
    return None if value is None else int(value)


MERGED_AT_ONCE = 250
"""Buckets of users in one transaction, during which Redis serves nobody else."""


class Ledger(Outbox, Takeover):
    """Redis seen as a ledger. Every method raises Unavailable (retriable), LedgerLost or LedgerBroken."""

    # --- set-up -------------------------------------------------------------------------------------------------

    async def init(self, ledger_id: str, starts: Mapping[int, int]) -> bool:
        """Create the ledger with each partition's first offset; False (and nothing changed) if there is one."""
        offsets = [starts[number] for number in range(len(starts))]
        answer = await self._run("init", [self.keys.ledger], [self.keys.namespace, ledger_id, FORMAT, *offsets])
        return bool(answer[0] == b"OK")

    async def check_redis(self) -> str | None:
        """What is wrong with this Redis for a ledger (eviction policy), or None; also where this login may not ask."""
        with translated_errors(self.url):
            try:
                policy = (await self.redis.info("memory")).get("maxmemory_policy")
            except redis.asyncio.ResponseError:
                return None  # a worker's login, or a service that hides INFO; the operator vouches for the policy
        if policy not in (None, "noeviction"):
            return (
                f"Redis evicts keys (maxmemory-policy is {policy}): counts would be lost. "
                "Operator action: set maxmemory-policy noeviction."
            )
        return None

    # --- the source's side --------------------------------------------------------------------------------------

    async def claim(self, partition: int) -> Claim:
        """Claim a partition and learn where to read on; fences every earlier claimant.

        Raises PartitionUnknown for one beyond those that the ledger knows: `grow` adds it where the topic has it.
        """
        keys = [self.keys.ledger, self.keys.partition(partition)]
        answer = await self._run("claim", keys, [self.nonce, FORMAT, self.keys.namespace, partition], partition)
        with translated_errors(self.url):
            chunks = await self.redis.lrange(self.keys.ids(partition), 0, -1)
        _, number, next_offset, generation, last, timestamp, crc, newest, rose, seen, recent, now_ms = answer
        self._same_generation(generation)
        return Claim(
            partition=partition,
            number=int(number),
            generation=generation.decode(),
            next=int(next_offset),
            mark=SourceMark(
                last_offset=_number(last),
                last_timestamp=_number(timestamp),
                last_checksum=_number(crc),
                newest_ms=_number(newest),
                rose_ms=_number(rose),
                seen_ms=_number(seen),
                recent=recent or b"",
            ),
            id_chunks=list(chunks),
            now_ms=int(now_ms),
        )

    async def grow(self, partitions: int) -> bool:
        """Add what is missing up to a number of partitions, from offset 0; False if there is nothing to add.

        Only for partitions that the topic has.
        """
        answer = await self._run("grow", [self.keys.ledger], [self.keys.namespace, partitions])
        return bool(answer[0] == b"OK")

    async def commit(self, batch: DecodedBatch, delta: Delta) -> tuple[Answer, str]:
        """Commit one batch; the answers are those of `lua/commit.lua`, with the detail it gave.

        REWOUND too where the ledger is that of a time before the partition was added.
        """
        position = batch.position
        payload: dict[str, Any] = {
            "counts": delta.counts,
            "users": delta.users,
            "totals": delta.totals,
            "excerpts": {
                market: [[one.order, msgspec.json.encode(one)] for one in rows]
                for market, rows in delta.excerpts.items()
            },
            "ids": batch.id_chunk,
            "forget": batch.forget_chunks,
        }
        mark = batch.mark
        known = {
            "last_offset": mark.last_offset,
            "last_timestamp": None if mark.last_timestamp is None else str(mark.last_timestamp),  # Lua rounds 2**62
            "last_checksum": mark.last_checksum,
            "newest": mark.newest_ms,
            "rose": mark.rose_ms,
            "seen": mark.seen_ms,
            "recent": mark.recent or None,
        }
        payload |= {name: value for name, value in known.items() if value is not None}
        keys = self.keys
        try:
            answer = await self._run(
                "commit",
                [keys.ledger, keys.partition(position.partition), keys.ids(position.partition), keys.totals],
                [
                    position.generation,
                    position.claim,
                    position.start,
                    position.end,
                    keys.namespace,
                    self._max_open_cells,
                    packed(payload),
                    self.nonce,
                    position.partition,
                ],
                position.partition,
            )
        except PartitionUnknown:
            return "REWOUND", "0"
        return answer[0].decode(), b" ".join(answer[1:]).decode()

    async def positions(self, partitions: Sequence[int]) -> dict[int, int]:
        """Next offset of each partition, 0 beyond those that are known. Raises LedgerLost for a missing entry."""
        with translated_errors(self.url):
            async with self.redis.pipeline(transaction=True) as pipe:
                for number in partitions:
                    pipe.hget(self.keys.partition(number), "next")
                pipe.hget(self.keys.ledger, "partitions")
                *found, known = await pipe.execute()
        if known is None or any(
            value is None and number < int(known) for number, value in zip(partitions, found, strict=True)
        ):
            raise self._lost()
        return {number: int(value or 0) for number, value in zip(partitions, found, strict=True)}

    async def count(self, total: str, by: int = 1) -> None:
        """Add to one of the totals outside a commit (refused commits, rewinds)."""
        with translated_errors(self.url):
            await self.redis.hincrby(self.keys.totals, total, by)

    # --- the lease holder's side --------------------------------------------------------------------------------

    async def lease(self, holder: str, ttl_ms: int) -> Lease | None:
        """Take or renew the roll-up lease; None while another holds it. Raises LedgerReplaced."""
        answer = await self._run("lease", [self.keys.ledger], [holder, ttl_ms, self.nonce, FORMAT])
        self._same_generation(answer[1])
        return Lease(*map(int, answer[2:])) if answer[0] == b"OK" else None

    async def release_lease(self, holder: str) -> None:
        """Let another take the lease at once (drain of a worker)."""
        with translated_errors(self.url):
            held = await self.redis.hmget(self.keys.ledger, "lease_holder", "lease_nonce")
            if held == [holder.encode(), self.nonce.encode()]:
                await self.redis.hset(self.keys.ledger, "lease_until", 0)

    async def cut(
        self, lease: Lease, force: bool, ends: Mapping[int, int] = MappingProxyType({})
    ) -> CutStep | Literal["FENCED", "NOTHING"]:
        """Close the open step and read it; a step that was cut before and not published comes again, unchanged.

        Args:
            lease: what the step is cut under.
            force: also where nothing is new.
            ends: last stable offset of each partition, asked for after the lease was given; absent = not known.
        """
        answer = await self._run(
            "cut",
            [self.keys.ledger],
            [
                self.keys.namespace,
                lease.number,
                "1" if force else "0",
                self.nonce,
                lease.now_ms,
                packed([ends.get(number, -1) for number in range(lease.partitions)]),
            ],
        )
        if answer[0] != b"OK":
            refused: Literal["FENCED", "NOTHING"] = answer[0].decode()
            return refused
        _, number, content, counts, buckets, users, excerpts = answer
        cut = msgpack.unpackb(content)
        fields, chosen, totals = iter(counts), iter(excerpts), iter(cut.get("totals", ()))
        return CutStep(
            number=int(number),
            now_ms=int(cut["now"]),
            counts={field.decode(): int(value) for field, value in zip(fields, fields, strict=True)},
            users={bucket.decode(): blob for bucket, blob in zip(buckets, users, strict=True)},
            partitions={
                number: partition_cut(row, cut.get("format", 1)) for number, row in enumerate(cut["partitions"])
            },
            excerpts=excerpts_of(dict(zip(chosen, chosen, strict=True))),
            totals={name: int(value) for name, value in sorted(zip(totals, totals, strict=True))},
        )

    async def merge_users(self, step: CutStep, stream_ms: int | None, scratch_s: int | None = None) -> None:
        """Merge a step's HyperLogLogs into those of hours and days, see `lives`; again changes nothing.

        `stream_ms` is the step's stream time; `scratch_s` how long they live in a scratch ledger instead.
        """
        buckets = list(step.users)
        with translated_errors(self.url):
            for begin in range(0, len(buckets), MERGED_AT_ONCE):
                async with self.redis.pipeline(transaction=True) as pipe:  # none without its expiry
                    for bucket in buckets[begin : begin + MERGED_AT_ONCE]:
                        for key, left_s in users_kept(self.keys, bucket, stream_ms):
                            pipe.pfmerge(key, self.keys.step_users(step.number, bucket))
                            pipe.expire(key, left_s if scratch_s is None else scratch_s)
                    if scratch_s is None and begin + MERGED_AT_ONCE >= len(buckets):
                        pipe.hset(self.keys.ledger, "merged", step.number)  # without it nothing is published
                    await pipe.execute()

    async def count_users(self, windows: Sequence[Sequence[str]]) -> list[int]:
        """Distinct users over each list of HyperLogLog keys (standard error .81 %)."""
        with translated_errors(self.url):
            async with self.redis.pipeline(transaction=False) as pipe:
                for keys in windows:
                    pipe.pfcount(*keys)
                return [int(value) for value in await pipe.execute()]

    async def publish(self, lease: Lease, step: CutStep, writes: Iterable[Command]) -> Answer:
        """Write one step's results at once: OK, ALREADY (the reply was lost), FENCED, or UNMERGED.

        The last where Redis went back to between the cut and `merge_users`: the step is decided once more.
        """
        payload = packed({"writes": list(writes), "users": list(step.users)})
        keys = self.keys
        answer = await self._run(
            "publish", [keys.ledger], [keys.namespace, lease.number, step.number, payload, self.nonce]
        )
        verdict: Answer = answer[0].decode()
        return verdict

    async def load_state(self) -> dict[str, bytes]:
        """The roll-up state as the last published step left it."""
        with translated_errors(self.url):
            return {field.decode(): value for field, value in (await self.redis.hgetall(self.keys.state)).items()}

    async def load_buckets(self, markets: Iterable[str]) -> dict[str, tuple[dict[int, bytes], dict[int, bytes]]]:
        """Minute and hour buckets of each market as the last published step left them."""
        markets = list(markets)
        with translated_errors(self.url):
            async with self.redis.pipeline(transaction=True) as pipe:
                for market in markets:
                    pipe.hgetall(self.keys.minutes(market))
                    pipe.hgetall(self.keys.hours(market))
                rows = [{int(field): value for field, value in row.items()} for row in await pipe.execute()]
        return {market: (rows[2 * at], rows[2 * at + 1]) for at, market in enumerate(markets)}

    async def heartbeat(self, holder: str, state: bytes) -> None:
        """Leave word of this worker; readers tell a dead one by the time in it."""
        with translated_errors(self.url):
            await self.redis.hset(self.keys.workers, holder, state)

    async def workers(self) -> dict[str, bytes]:
        """The last word of every worker."""
        with translated_errors(self.url):
            return {name.decode(): state for name, state in (await self.redis.hgetall(self.keys.workers)).items()}

    async def forget_workers(self, holders: Sequence[str]) -> None:
        """Forget workers that are long gone."""
        if holders:
            with translated_errors(self.url):
                await self.redis.hdel(self.keys.workers, *holders)

    # --- single values ------------------------------------------------------------------------------------------

    async def get(self, key: str) -> bytes | None:
        """One plain value."""
        with translated_errors(self.url):
            value: bytes | None = await self.redis.get(key)
        return value

    async def newest(self, key: str) -> bytes | None:
        """The last entry of a list."""
        with translated_errors(self.url):
            value: bytes | None = await self.redis.lindex(key, -1)
        return value

    async def alerts(self, key: str) -> dict[str, bytes]:
        """Alert id -> its state as the last published step left it (JSON)."""
        with translated_errors(self.url):
            return {name.decode(): state for name, state in (await self.redis.hgetall(key)).items()}

    async def total(self, name: str) -> int:
        """One of the totals; 0 where nothing was counted."""
        with translated_errors(self.url):
            return int(await self.redis.hget(self.keys.totals, name) or 0)

    async def note_checkpoint(self, at_ms: int) -> None:
        """Remember when the last checkpoint was written, on Redis's clock."""
        with translated_errors(self.url):
            await self.redis.set(self.keys.checkpoint, at_ms)
