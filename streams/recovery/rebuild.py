"""`ledger rebuild`: the ledger made again from the journal and the source topic, and put in place at once."""

import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec

from marketpulse.contract.canary import CELL
from marketpulse.contract.records import AlertRecord
from marketpulse.contract.topics import topic_name
from marketpulse.contract.wire import encode
from marketpulse.contract.words import without_excerpts
from streams.clock import epoch_ms
from streams.contract.journal import CheckpointRecord, StepRecord
from streams.errors import JournalIncomplete
from streams.kafka.compacted import read_each
from streams.kafka.log_reader import LogReader
from streams.kafka.outbound import Outbound
from streams.ledger.commit import Ledger
from streams.ledger.server import REPAIRS, require_rights
from streams.ledger.staged import REBUILD, remove_staged
from streams.pipeline.operators.mutes import Mutes
from streams.pipeline.rollup.step_writes import allocation_writes
from streams.recovery.aftermath import TOLD, look
from streams.recovery.chain import Mark, Place, Stretch
from streams.recovery.fold import Fold
from streams.recovery.journal import Journal
from streams.recovery.replay import Replayed, Replayer
from streams.recovery.source_starts import PartitionStart, SourceStarts
from streams.recovery.succession import Beginning, Succession, alert_entry, resolved
from streams.settings import Settings

Say = Callable[[str, int, int | None], object]
REBUILT = "the ledger was rebuilt"
HOLDER = "ledger rebuild"


class RebuildPlan(msgspec.Struct, frozen=True):
    """What a rebuild will do.

    `live`: there is a ledger, which will be replaced. `checkpoint` is the step it begins with (None = the begin),
    `steps` are replayed up to `last_step`; `to_count` records of feedback are left to count then.
    """

    live: bool
    checkpoint: int | None
    steps: int
    last_step: int
    to_count: int


class RebuildReport(msgspec.Struct, frozen=True):
    """What was done; the first six fields as planned, up to date.

    `next_step` is the first that the new ledger makes; `events` were in the replayed steps; `lost` records were taken
    by retention, `anew` are partitions whose topic was recreated: they go on from their begin. `sent_again` records
    were missing on their topics. `first_differing_step`: from there on the outcomes are not those published then.
    """

    live: bool
    checkpoint: int | None
    steps: int
    last_step: int
    to_count: int
    events: int
    next_step: int
    lost: int
    anew: list[int]
    sent_again: int
    alerts_resolved: int
    first_differing_step: int | None
    offsets: dict[int, int]
    seconds: float


class Rebuild:
    """One rebuild; `amend` may change what the successor will hold before it is put in place, and `amend_alert` each
    alert that is written to its topic.

    Raises Unavailable, JournalIncomplete, TopicRecreated, RetentionPassed, Overtaken; then nothing was changed.
    """

    def __init__(
        self,
        settings: Settings,
        say: Say,
        skip_lost: bool = False,
        whole: bool = False,
        amend: Callable[[Fold], object] = lambda fold: None,
        amend_alert: Callable[[AlertRecord], AlertRecord] = lambda alert: alert,
    ) -> None:
        self._settings = settings
        self._say = say
        self._skip_lost = skip_lost
        self._whole = whole
        self._amend = amend
        self._amend_alert = amend_alert
        self._live = Ledger(settings.redis, settings.prefix)
        self._staged = Ledger(settings.redis, f"{settings.prefix}~{REBUILD}-{uuid.uuid4().hex[:8]}")
        self._outbound = Outbound(settings.kafka_servers, settings.prefix, settings.codec)
        self._succession = Succession(self._live, self._staged, self._outbound)
        self._told: list[tuple[str, str, bytes]] = []
        self._metrics: list[tuple[str, str, bytes]] = []
        self._stands: StepRecord | CheckpointRecord | None = None
        self._begins: Mark | None = None
        self._began_ms = 0
        self._done: list[Place] = []
        self._differing: int | None = None
        self._events = 0

    async def run(self, agree: Callable[[RebuildPlan], bool]) -> RebuildReport | None:
        """Do it if whoever is asked agrees with the plan; None if not."""
        async with self._closing():
            await require_rights(self._live, REPAIRS)
            steps_topic = topic_name(self._settings.prefix, "market.steps")
            feedback_topic = topic_name(self._settings.prefix, "feedback")
            async with (
                LogReader(self._settings.kafka_servers, steps_topic) as steps,
                LogReader(self._settings.kafka_servers, feedback_topic) as feedback,
            ):
                journal = Journal(steps, self._reading)
                if self._whole:
                    await journal.find_all()
                else:
                    await journal.find_newest(self._settings.checkpoint_ms)
                if not agree(await self._plan(journal, feedback)):
                    return None
                return await self._rebuild(journal, feedback)

    async def _plan(self, journal: Journal, feedback: LogReader) -> RebuildPlan:
        stretch = self._stretch(journal)
        stands: StepRecord | CheckpointRecord | None = None if stretch.begins is None else stretch.begins.end
        async for record in journal.steps(Stretch(stretch.begins, stretch.places[-1:])):
            stands = record
        assert stands is not None
        cut = {number: stands.cut.get(str(number), first) for number, (first, _) in feedback.offsets.items()}
        return RebuildPlan(
            live=await self._live.standing() is not None,
            checkpoint=None if stretch.begins is None else stretch.begins.step,
            steps=len(stretch.places),
            last_step=stands.step,
            to_count=sum(max(0, end - cut[number]) for number, (_, end) in feedback.offsets.items()),
        )

    async def _rebuild(self, journal: Journal, feedback: LogReader) -> RebuildReport:
        started = time.monotonic()
        await remove_staged(self._live)
        replayer = Replayer(journal, self._staged, int(self._settings.idle_partition_seconds * 1000))
        await self._replay(journal, replayer)
        source = SourceStarts(feedback, self._settings, self._skip_lost, self._say)
        starts = await source.after(self._standing_point())
        lease_number = None
        if live := await self._live.standing() is not None:
            lease_number = await self._succession.freeze(HOLDER)
            await journal.find_more()
            await self._replay(journal, replayer)
            starts = await source.after(self._standing_point())
        next_step, sent_again, alerts_resolved = await self._succeed(replayer, starts, lease_number)
        await self._succession.settle(HOLDER)
        return RebuildReport(
            live=live,
            checkpoint=None if self._begins is None else self._begins.step,
            steps=len(self._done),
            last_step=self._standing_point().step,
            to_count=sum([await feedback.end(number) - start.next for number, start in starts.items()]),
            events=self._events,
            next_step=next_step,
            lost=sum(source.lost.values()),
            anew=sorted(source.anew),
            sent_again=sent_again,
            alerts_resolved=alerts_resolved,
            first_differing_step=self._differing,
            offsets={number: start.next for number, start in starts.items()},
            seconds=round(time.monotonic() - started, 2),
        )

    @asynccontextmanager
    async def _closing(self) -> AsyncIterator[None]:
        try:
            yield
        finally:
            try:
                await self._succession.clean()
                await self._live.release_lease(HOLDER)  # where the swap was not reached: workers go on at once
            finally:
                await self._outbound.stop()
                await self._live.close()
                await self._staged.close()

    def _reading(self, done: int, total: int | None = None) -> None:
        self._say("reading the journal", done, total)

    # --- the journal --------------------------------------------------------------------------------------------

    def _stretch(self, journal: Journal) -> Stretch:
        """From the newest checkpoint on (the oldest that will do, for all of it), or from the first step."""
        newest, stretches = journal.chain.newest_stretch(), journal.chain.stretches()
        if newest is not None and not self._whole:
            return newest
        if stretches and (stretches[-1].begins or 1 in journal.chain.steps):
            return stretches[-1]
        raise JournalIncomplete(
            "the journal holds neither a complete checkpoint nor its first step: there is nothing to rebuild from. "
            "Operator action: begin anew: `marketpulse ledger reset --from earliest`, or `--from latest`."
        )

    async def _replay(self, journal: Journal, replayer: Replayer) -> None:
        """Replay to the journal's end: what is new, or all of it again where a rewind took back what was replayed."""
        chain = journal.chain
        begun = self._stands is not None and (
            self._begins is None or chain.marks.get(self._begins.step) == self._begins
        )
        fresh = max((mark.step for mark in chain.marks.values() if mark.fresh), default=0)
        begun = begun and fresh <= (
            0 if self._begins is None else self._begins.step
        )  # else another repair came between
        if not begun or any(chain.steps.get(place.step) != place for place in self._done):
            self._begins = self._stretch(journal).begins
            self._told, self._metrics, self._done, self._differing, self._events = [], [], [], None, 0
            self._stands = None if self._begins is None else self._begins.end
            self._began_ms = 0 if self._begins is None else self._begins.end.now
            await replayer.begin(self._begins)
        todo = Stretch(self._begins, chain.places(0 if self._stands is None else self._stands.step, chain.last))
        count = 0
        async for record in journal.steps(todo):
            self._take(replayer, await replayer.step(record))
            count += 1
            self._say("replaying steps", count, len(todo.places))
        self._done += todo.places

    def _take(self, replayer: Replayer, one: Replayed) -> None:
        for command in one.writes:
            replayer.fold.apply(command)
        if one.answer is not None:
            for command in allocation_writes(self._staged, one.answer):
                replayer.fold.apply(command)
        if not one.same and self._differing is None:
            self._differing = one.record.step
        self._events += events_of(one.record)
        self._told += [row for row in one.published if row[0] in TOLD]
        self._metrics = [row for row in one.published if row[0] == "market.metrics"]
        self._began_ms = self._began_ms or one.record.now
        self._stands = one.record

    # --- the successor ------------------------------------------------------------------------------------------

    async def _succeed(
        self, replayer: Replayer, starts: dict[int, PartitionStart], lease_number: int | None
    ) -> tuple[int, int, int]:
        """Put the successor in place; its first step, how many records are sent again, alerts that were ended."""
        stands, clock_ms = self._standing_point(), epoch_ms()
        after = await look(self._settings.kafka_servers, self._settings.prefix, self._began_ms or None)
        orphans = after.orphans(stands.step + replayer.rollup.common.ahead)
        shown = replayer.fold.hashes.get("alerts", {}).values()
        revived = after.revived(msgspec.json.decode(value, type=AlertRecord) for value in shown)
        step = max(stands.step, after.highest) + (1 if orphans or revived else 0)
        ends = [self._amended(resolved(alert, step, stands.now, REBUILT)) for alert in orphans]
        opened = [
            self._amended(("market.alerts", alert.id, encode(msgspec.structs.replace(alert, seq=step))))
            for alert in revived
        ]
        again = [*map(self._amended, after.missing(self._told)), *self._metrics, *ends, *opened]
        self._say("putting it in place", 0, None)
        for row in (*ends, *opened):
            replayer.fold.take(alert_entry(row))
        replayer.fold.hashes.setdefault("step", {})[b"step"] = str(step).encode()  # readers never see it go back
        replayer.fold.strings["mutes"] = await self._mutes(clock_ms)
        self._amend(replayer.fold)
        common = replayer.rollup.common
        begins = Beginning(step, starts, stands.totals, clock_ms, common.stream_time_ms, common.now_ms or None)
        await self._succession.stage(begins, replayer.fold)
        await self._succession.announce(begins, "rebuild", again)
        await self._succession.swap(lease_number, step)
        return step + 1, len(again), len(ends)

    def _amended(self, row: tuple[str, str, bytes]) -> tuple[str, str, bytes]:
        topic, key, value = row
        if topic != "market.alerts":
            return row
        alert = self._amend_alert(msgspec.json.decode(value, type=AlertRecord))
        return topic, key, encode(alert if self._settings.excerpts else without_excerpts(alert))

    def _standing_point(self) -> StepRecord | CheckpointRecord:
        """The last record of history: what it says of the source holds."""
        assert self._stands is not None
        return self._stands

    async def _mutes(self, clock_ms: int) -> bytes:
        mutes = Mutes(clock=epoch_ms)
        topic = topic_name(self._settings.prefix, "market.mutes")
        await read_each(self._settings.kafka_servers, topic, mutes.take)
        return msgspec.json.encode(mutes.active(clock_ms))


def events_of(record: StepRecord) -> int:
    """Events that a step counted."""
    return sum(
        n
        for minutes in record.deltas.values()
        for cells in minutes.values()
        for cell, n in cells.items()
        if "/" in cell and not cell.startswith(("e/", CELL.lstrip(":")))
    )
