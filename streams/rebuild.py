"""`ledger rebuild`: the ledger made again from the journal and the source topic, and put in place at once."""

import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec

from streams.aftermath import look, now_ms
from streams.chain import Place, Stretch
from streams.compacted import read_all
from streams.contracts import StepRecord
from streams.errors import JournalIncomplete, LogMismatch
from streams.journal import Journal
from streams.known_ids import KnownIds
from streams.ledger import Ledger
from streams.log_reader import LogReader
from streams.mutes import Mutes
from streams.outbound import Outbound
from streams.publication import allocation_writes
from streams.replay import Replayed, Replayer
from streams.settings import Settings
from streams.succession import SEIZED_MS, PartitionStart, Succession, alert_entry, resolved
from streams.topics import topic_name

Say = Callable[[str, int, int | None], object]
REBUILT = "the ledger was rebuilt"


class RebuildReport(msgspec.Struct, frozen=True):
    """What was done, or (`done` False) would be.

    `checkpoint` is the step it began with (None = the begin), `last_step` the journal's last, `next_step` the first
    that the new ledger makes; `to_count` records of feedback are left to count, `lost` were taken by retention.
    `first_differing_step`: from there on the outcomes are not those that were published then.
    """

    done: bool
    live: bool
    checkpoint: int | None
    last_step: int
    next_step: int
    steps: int
    to_count: int
    lost: int
    sent_again: int
    alerts_resolved: int
    first_differing_step: int | None
    offsets: dict[int, int]


class Rebuild:
    """One rebuild. Raises Unavailable, JournalIncomplete, LogMismatch, SomebodyWasQuicker; then nothing was changed."""

    def __init__(self, settings: Settings, say: Say, skip_lost: bool = False) -> None:
        self._settings = settings
        self._say = say
        self._skip_lost = skip_lost
        self._live = Ledger(settings.redis, settings.prefix)
        self._staged = Ledger(settings.redis, f"{settings.prefix}~rebuild-{uuid.uuid4().hex[:8]}")
        self._outbound = Outbound(settings.kafka, settings.prefix)
        self._succession = Succession(self._live, self._staged, self._outbound, settings.prefix)
        self._told: list[tuple[str, str, bytes]] = []
        self._newest: Replayed | None = None
        self._done: list[Place] = []
        self._differing: int | None = None
        self._lost = 0

    async def run(self, dry: bool = False) -> RebuildReport:
        """Do it; `dry` only says what would come of it, and changes nothing."""
        async with self._closing():
            steps_topic = topic_name(self._settings.prefix, "market.steps")
            feedback_topic = topic_name(self._settings.prefix, "feedback")
            async with (
                LogReader(self._settings.kafka, steps_topic) as steps,
                LogReader(self._settings.kafka, feedback_topic) as feedback,
            ):
                journal = Journal(steps, lambda done, total=None: self._say("reading the journal", done, total))
                replayer = Replayer(journal, self._staged, int(self._settings.idle_partition_seconds * 1000))
                await journal.find_newest(int(self._settings.checkpoint_minutes * 60_000))
                await self._replay(journal, replayer)
                ids = self._ids(feedback)
                await self._read_ids(ids, feedback)
                lease_number = None
                if not dry and await self._live.standing() is not None:
                    lease_number = await self._freeze()
                    await journal.find_more()
                    await self._replay(journal, replayer)
                starts = await self._read_ids(ids, feedback)
                return await self._succeed(journal, replayer, starts, feedback, lease_number, dry)

    @asynccontextmanager
    async def _closing(self) -> AsyncIterator[None]:
        try:
            yield
        finally:
            try:
                await self._succession.clean()
            finally:
                await self._outbound.stop()
                await self._live.close()
                await self._staged.close()

    # --- the journal --------------------------------------------------------------------------------------------

    async def _replay(self, journal: Journal, replayer: Replayer) -> None:
        """Replay to the journal's end: what is new, or all of it again where a rewind took back what was replayed."""
        stretch = _stretch(journal)
        known = {place.step: place for place in stretch.places}
        first = self._done[-1].step + 1 if self._done else 0
        if not self._done or any(known.get(place.step, place) != place for place in self._done):
            self._told, self._done, self._differing, first = [], [], None, 0
            await replayer.begin(stretch.begins)
        todo = Stretch(stretch.begins, tuple(place for place in stretch.places if place.step >= first))
        count = 0
        async for record in journal.steps(todo):
            self._take(replayer, await replayer.step(record))
            count += 1
            self._say("replaying steps", count, len(todo.places))
        self._done += todo.places
        if self._newest is None:
            raise JournalIncomplete(
                "the journal holds no step after its newest checkpoint: where the source stood is not known. "
                "Operator action: `marketpulse ledger reset --from earliest`, or --from latest."
            )

    def _take(self, replayer: Replayer, one: Replayed) -> None:
        for command in one.writes:
            replayer.fold.apply(command)
        if one.answer is not None:
            for command in allocation_writes(self._staged, self._staged.keys.prefix.rstrip(":"), one.answer):
                replayer.fold.apply(command)
        if not one.same and self._differing is None:
            self._differing = one.record.step
        self._told += [
            row for row in one.published if row[0] in ("market.alerts", "market.shifts", "market.allocations")
        ]
        self._newest = one

    # --- the source ---------------------------------------------------------------------------------------------

    def _ids(self, feedback: LogReader) -> dict[int, KnownIds]:
        horizon_ms = int(self._settings.dedupe_minutes * 60_000)
        capacity = self._settings.dedupe_capacity
        return {number: KnownIds(feedback, number, horizon_ms, capacity) for number in feedback.offsets}

    async def _read_ids(self, ids: dict[int, KnownIds], feedback: LogReader) -> dict[int, PartitionStart]:
        """Where each partition goes on: at the last cut, with the ids that were seen before it."""
        assert self._newest is not None
        record, starts = self._newest.record, {}
        self._lost = 0
        for number in sorted(feedback.offsets):
            next_offset = await self._checked(record, number, feedback)
            self._say("reading event ids", number, len(feedback.offsets))
            await ids[number].read_to(next_offset)
            mark = record.partitions.get(str(number))
            last = ids[number].last
            if mark is not None and mark.last_checksum is not None and next_offset == record.cut[str(number)]:
                counted = (mark.last_timestamp, mark.last_checksum)
                if last is not None and counted != last:
                    raise LogMismatch(
                        f"{feedback.topic}[{number}] holds another record at offset {next_offset - 1} than the one that "
                        "was counted: the topic was recreated. Operator action: restore the topic, or begin anew with "
                        "`marketpulse ledger reset --from earliest`."
                    )
            starts[number] = PartitionStart(
                next=next_offset,
                newest=None if mark is None else mark.newest,
                committed=None if mark is None else mark.committed,
                last=last,
                chunks=list(ids[number].chunks),
            )
        return starts

    async def _checked(self, record: StepRecord, number: int, feedback: LogReader) -> int:
        """The offset of the cut, if the topic still reaches from before it to it."""
        first, cut = feedback.offsets[number][0], record.cut.get(str(number), feedback.offsets[number][0])
        end = await feedback.end(number)
        if cut > end:
            raise LogMismatch(
                f"{feedback.topic}[{number}] ends at {end}, but the journal counted up to {cut}: the topic was recreated "
                "or truncated. Operator action: restore it, or begin anew with `marketpulse ledger reset --from earliest`."
            )
        if cut < first and not self._skip_lost:
            raise LogMismatch(
                f"{feedback.topic}[{number}] begins at {first}, but the journal counted up to {cut}: retention took "
                f"{first - cut} records that were never counted. Operator action: restore them, or go on without them: "
                "`marketpulse ledger rebuild --skip-lost`."
            )
        self._lost += max(0, first - cut)
        return max(cut, first)

    # --- the successor ------------------------------------------------------------------------------------------

    async def _freeze(self) -> int:
        """Let no further step be published, and all that was published reach its topic."""
        number = await self._live.seize_lease("ledger rebuild", SEIZED_MS)
        while entries := await self._live.read_outbox(500):
            await self._outbound.relay(entries)
            await self._live.trim_outbox(entries)
        return number

    async def _succeed(
        self,
        journal: Journal,
        replayer: Replayer,
        starts: dict[int, PartitionStart],
        feedback: LogReader,
        lease_number: int | None,
        dry: bool,
    ) -> RebuildReport:
        newest, clock_ms = self._newest, now_ms()
        assert newest is not None
        last = newest.record.step
        begins = _stretch(journal).begins
        since_ms = newest.record.now
        after = await look(self._settings.kafka, self._settings.prefix, min(self._first_ms(replayer), since_ms))
        orphans = after.orphans(last)
        step = max(last, after.highest) + (1 if orphans else 0)
        ends = [resolved(alert, step, since_ms, REBUILT) for alert in orphans]
        last_ones = [row for row in newest.published if row[0] == "market.metrics"]
        again = [*after.missing(self._told), *last_ones, *ends]
        if not dry:
            for row in ends:
                replayer.fold.take(alert_entry(row))
            replayer.fold.strings["mutes"] = await self._mutes(clock_ms)
            await self._succession.stage(step, starts, replayer.fold, newest.record.totals, clock_ms)
            await self._succession.announce(step, "rebuild", again)
            await self._succession.swap(lease_number, step)
        return RebuildReport(
            done=not dry,
            live=await self._live.standing() is not None,
            checkpoint=None if begins is None else begins.step,
            last_step=last,
            next_step=step + 1,
            steps=len(self._done),
            to_count=sum([await feedback.end(number) - start.next for number, start in starts.items()]),
            lost=self._lost,
            sent_again=len(again),
            alerts_resolved=len(ends),
            first_differing_step=self._differing,
            offsets={number: start.next for number, start in starts.items()},
        )

    def _first_ms(self, replayer: Replayer) -> int:
        return self._began_ms if self._told else replayer.rollup.common.now_ms

    async def _mutes(self, clock_ms: int) -> bytes:
        mutes = Mutes()
        for record in await read_all(self._settings.kafka, topic_name(self._settings.prefix, "market.mutes")):
            mutes.take(record)
        return msgspec.json.encode(mutes.active(clock_ms))


def _stretch(journal: Journal) -> Stretch:
    """From the newest checkpoint on, or from the first step."""
    stretch = journal.chain.newest_stretch()
    if stretch is not None:
        return stretch
    if 1 not in journal.chain.steps:
        raise JournalIncomplete(
            "the journal holds neither a complete checkpoint nor its first step: there is nothing to rebuild from. "
            "Operator action: `marketpulse ledger reset --from earliest`, or --from latest."
        )
    return journal.chain.stretches()[-1]
