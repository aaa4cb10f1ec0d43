"""A ledger's successor: staged under a prefix of its own, put in place by one script."""

import contextlib
import uuid
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from marketpulse.client.redis_server import translated_errors
from marketpulse.contract.records import AlertRecord
from marketpulse.contract.topics import topic_name
from marketpulse.contract.wire import encode
from marketpulse.contract.words import without_excerpts
from marketpulse.errors import Unavailable
from streams.batches import OutboxEntry
from streams.contract.journal import CHECKPOINT_KEY, JOURNAL_FORMAT, CheckpointRecord
from streams.errors import Overtaken
from streams.kafka.outbound import Outbound
from streams.ledger.commit import Ledger
from streams.ledger.content import LedgerContent
from streams.ledger.lives import kept_after_repair_s
from streams.ledger.scripts import FORMAT
from streams.ledger.types import Command, Entry
from streams.pipeline.rollup.checkpoint import packed, parts_of, read_ledger
from streams.pipeline.rollup.step_writes import CHANGES_KEPT
from streams.recovery.fold import Fold
from streams.recovery.source_starts import PartitionStart

KEPT = ("changes", "workers", "outbox", "ledger")  # readers resume by the first; the last is written over
SEIZED_MS = 120_000


class Beginning(msgspec.Struct, frozen=True):
    """What a successor begins with: the step published last, each partition, totals, on this machine's clock.

    `stream_ms` is the stream time of the last step in it, `stepped_ms` when that was made on Redis's clock; both are
    in epoch ms, None without a step.
    """

    step: int
    starts: Mapping[int, PartitionStart]
    totals: Mapping[str, int]
    now_ms: int
    stream_ms: int | None = None
    stepped_ms: int | None = None


class Succession:
    """Stages one successor. Every method raises Unavailable."""

    def __init__(self, live: Ledger, staged: Ledger, outbound: Outbound) -> None:
        self._live = live
        self._staged = staged
        self._outbound = outbound
        self._content = LedgerContent(staged)
        self._after: list[Command] = []
        self._kept_s: dict[str, int] = {}  # staged keys that do not live as long as the ledger

    async def freeze(self, holder: str) -> int:
        """Let the ledger that is there publish no further step, and all that it published reach its topic.

        Returns:
            The number of the lease that was seized for this, for two minutes.
        """
        number = await self._live.seize_lease(holder, SEIZED_MS)
        while entries := await self._live.read_outbox(500):
            await self._outbound.relay(entries)
            await self._live.trim_outbox(entries)
        return number

    async def settle(self, holder: str) -> None:
        """Let what a swap left in the outbox reach its topics before any other repair reads them.

        Where Kafka is away, workers write it later: the successor is in place, and has failed in nothing.
        """
        with contextlib.suppress(Unavailable):
            await self.freeze(holder)

    async def stage(self, begins: Beginning, fold: Fold) -> None:
        """Write everything that the successor holds beside distinct users, and remove those whose life is over.

        `fold`: state, buckets, what readers see.
        """
        keys, step = self._staged.keys, begins.step
        name = uuid.uuid4().hex
        known = await self._live.standing()
        lease_number = max(begins.now_ms, known[0] if known else 0) + 1  # above every one that was ever given
        commands: list[Command] = [
            ["HSET", keys.ledger, "id", name, "generation", name, "format", FORMAT, "open", step + 1, "published", step,
             "partitions", len(begins.starts), "lease_number", lease_number],
            ["SET", keys.checkpoint, begins.now_ms],
            ["SET", keys.allocation_seq, step],
        ]  # fmt: skip
        commands += [["HSET", keys.totals, total, n] for total, n in begins.totals.items()]
        for number, start in begins.starts.items():
            mark = start.mark
            fields: dict[str, int | None] = {
                "claim": 0,
                "next": start.next,
                "began": mark.began,
                "newest": mark.newest,
                "rose": mark.committed if mark.rose is None else mark.rose,
                "seen": mark.committed if mark.seen is None else mark.seen,
                "last_offset": mark.last_offset,
                "last_timestamp": mark.last_timestamp,
                "last_checksum": mark.last_checksum,
            }
            pairs = [part for field, value in fields.items() if value is not None for part in (field, value)]
            commands.append(["HSET", keys.partition(number), *pairs])
            commands.append(["HSET", keys.positions, number, start.next])
            commands += [["RPUSH", keys.ids(number), chunk] for chunk in start.chunks]
        fold.strings.pop("allocation:seq", None)
        await self._content.stage(commands)  # `ledger` first: whoever removes what is staged removes it, see `swap`
        since_s = await self._seconds_since(begins.stepped_ms)
        kept = [entry for entry in fold.entries() if self._is_kept(entry, begins.stream_ms, since_s)]
        await self._content.stage(self._content.writes_of(kept))
        users = [Entry(name, "string", []) async for names in self._content.scan("users:*") for name in names]
        over = [entry.name for entry in users if not self._is_kept(entry, begins.stream_ms, since_s)]
        await self._content.write(["UNLINK", self._content.namespace + name] for name in over)

    async def _seconds_since(self, stepped_ms: int | None) -> int:
        """Seconds on Redis's clock since the last step."""
        if stepped_ms is None:
            return 0
        with translated_errors(self._live.url):
            seconds, _ = await self._live.redis.time()
        return max(0, int(seconds) - stepped_ms // 1_000)

    def _is_kept(self, entry: Entry, stream_ms: int | None, since_s: int) -> bool:
        """Whether the life of a key is not over; what is left of it is noted for the swap."""
        left = kept_after_repair_s(entry, stream_ms, since_s)
        if left is not None:
            self._kept_s[entry.name] = left
        return left is None or left > 0

    async def announce(
        self, begins: Beginning, cause: Literal["rebuild", "reset"], published: Iterable[tuple[str, str, bytes]]
    ) -> None:
        """Write the successor's checkpoint to the journal; its end, and other records, go out with the swap."""
        steps, step = topic_name(self._live.keys.prefix, "market.steps"), begins.step
        name, count = f"{step}-{cause}-{uuid.uuid4().hex[:8]}", 0
        async for part in parts_of(read_ledger(self._content)):
            record = CheckpointRecord(name, step, count, count + 1, cause, packed(part))
            await self._outbound.relay([OutboxEntry(b"", steps, CHECKPOINT_KEY, encode(record))])
            count += 1
        end = CheckpointRecord(
            name,
            step,
            count,
            count,
            cause,
            now=begins.now_ms,
            cut={str(number): start.next for number, start in begins.starts.items()},
            partitions={str(number): start.mark for number, start in begins.starts.items()},
            totals=dict(begins.totals),
            format=JOURNAL_FORMAT,
        )
        rows = [*published, ("market.steps", CHECKPOINT_KEY.decode(), encode(end))]
        self._after = [self._live.outbox_write(topic, key, value) for topic, key, value in rows]

    async def swap(self, lease_number: int | None, step: int) -> None:
        """Put the successor in place; nobody sees anything in between.

        Args:
            lease_number: of the lease seized before; None = there was no ledger.
            step: as staged, for those who follow the change stream.

        Raises:
            Overtaken: nothing was changed.
        """
        live, staged = LedgerContent(self._live), self._content
        taken = {name async for names in staged.scan() for name in names}
        lives = {name: self._kept_s.get(name, 0) for name in sorted(taken)}
        renames = [(staged.namespace + name, live.namespace + name, life_s) for name, life_s in lives.items()]
        old = [
            live.namespace + name
            async for names in live.scan()
            for name in set(names)
            if name not in taken and name.partition(":")[0] not in KEPT and not name.startswith("step:")
        ]
        change: Command = [
            "XADD",
            self._live.keys.changes,
            "MAXLEN",
            "~",
            CHANGES_KEPT,
            "*",
            "step",
            step,
            "stream_time",
            0,
        ]
        complete = "ledger" in taken  # else another repair removed what was staged here
        if not complete or not await self._live.swap(lease_number, old, renames, [*self._after, change]):
            raise Overtaken(
                "another took the roll-up lease, made a ledger or began a repair meanwhile, or a day has passed; "
                "nothing was changed. Operator action: see that nobody else repairs this prefix, then give the same "
                "command again."
            )

    async def clean(self) -> None:
        """Remove what is still staged."""
        await self._content.remove()


def resolved(alert: AlertRecord, seq: int, at_ms: int, why: str) -> tuple[str, str, bytes]:
    """The record that ends an alert of which the successor knows nothing, without what users wrote."""
    record = msgspec.structs.replace(
        alert,
        seq=seq,
        state="resolved",
        ended_at=max(at_ms, alert.started_at),
        evidence=without_excerpts(alert).evidence | {"cause": why},
    )
    return "market.alerts", alert.id, encode(record)


def alert_entry(published: tuple[str, str, bytes]) -> Entry:
    """The same for the table of alerts."""
    return Entry("alerts", "hash", [published[1].encode(), published[2]])
