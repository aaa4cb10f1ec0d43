"""The lease holder's step: cut, count users, decide, publish, relay the outbox."""

import asyncio
import os
import socket

import msgspec

from marketpulse.contract.records import AlertRecord, AllocationRecord, RefusedAnswer, refused_of
from marketpulse.contract.words import without_excerpts
from marketpulse.contract.workers import LIVING_MS, PartitionState, WorkerState
from marketpulse.errors import Unavailable
from models.classifier import ModelInfo
from streams.contract.journal import StepRecord
from streams.judgement.confusion import Confusion
from streams.ledger.types import Command, CutStep, Lease
from streams.pipeline.retry import patiently
from streams.pipeline.rollup.active_users import count_users
from streams.pipeline.rollup.checkpoint import Checkpointer
from streams.pipeline.rollup.judged import judged_changes
from streams.pipeline.rollup.lease import while_held
from streams.pipeline.rollup.pace import Pace
from streams.pipeline.rollup.rewind import Undone, corrections, note_ended
from streams.pipeline.rollup.step import RollUp, StepOutcome
from streams.pipeline.rollup.step_record import StepContext, spending_of
from streams.pipeline.rollup.step_writes import (
    alert_writes,
    layout_of_state,
    load_rollup,
    operator_writes,
    step_writes,
    unquoting_writes,
)
from streams.pipeline.rollup.unseen import model_confusion
from streams.telemetry.logs import get_logger
from streams.telemetry.progress import ROLL_UP
from streams.worker.deps import Deps

log = get_logger("leader")

OUTBOX_SLICE = 500
RELAY_S = 0.1  # a shift's answer is stored by any worker, and waits so long at most for the lease holder
DIFFERENT_KEYS = "workers hash user ids with different keys"
FORGOTTEN_MS = 600_000


class Leader:
    """Rolls up while it holds the lease; every worker has one and tries."""

    def __init__(self, deps: Deps, holder: str = "") -> None:
        self._deps = deps
        self._holder = holder or f"{socket.gethostname()}-{deps.ledger.nonce[:4]}:{os.getpid()}"
        self._rollup: RollUp | None = None
        self._lease_number = 0
        self._quoted = True  # alerts in Redis may hold what users wrote
        self._published = 0  # the step whose outcome `_rollup` holds
        self._last_step = 0.0
        self._pace = Pace(deps.settings.lease_seconds)
        self._busy = asyncio.Lock()  # a tick or a relay: who looks for what was undone has nothing on its way to Kafka
        self._held_until = 0.0  # on this loop's clock: before that nobody else can have the lease
        self._undone: Undone | None = None  # None = not looked yet, since the lease was taken or Redis went back
        self._checkpoints = Checkpointer(deps.ledger, deps.outbound, deps.settings.prefix, deps.settings.checkpoint_ms)

    async def tick(self) -> bool:
        """Renew the lease and publish the next step if one is due; whether a step was published.

        Raises:
            Unavailable: try again at the next tick.
            LedgerRewound, LedgerReplaced, LedgerLost, LedgerBroken: this process cannot go on.
        """
        progress = self._deps.progress
        try:
            async with self._busy:
                published = await self._tick()
            progress.goes_on(ROLL_UP)
        except Unavailable as error:
            progress.waits(ROLL_UP)
            progress.failed(error.server)
            raise
        finally:
            progress.beat(ROLL_UP)
        return published

    async def relay(self) -> None:
        """Between two ticks, send what came into the outbox since; nothing while another holds the lease.

        Waits while Kafka or Redis is away. Raises LedgerLost, LedgerBroken: as `tick`.
        """
        await patiently(self._relay_while_held, "outbox", self._deps.progress)

    async def _relay_while_held(self) -> None:
        async with self._busy:
            if asyncio.get_running_loop().time() < self._held_until:
                await self._relay()

    async def _tick(self) -> bool:
        ledger, lease_s = self._deps.ledger, self._deps.settings.lease_seconds
        lease = await self._lease()
        if lease is None:
            self._rollup = None
            return False
        if lease.number != self._lease_number or lease.published < self._published:
            log.info("lease_taken", number=lease.number, step=lease.published)
            self._rollup = self._undone = None
            self._checkpoints.forget()
            self._lease_number = lease.number
        try:
            record = await while_held(self._step(lease), lambda: self._still(lease), lease_s)
        except BaseException:
            self._rollup = None  # half a step may be in memory: the ledger's state is the true one
            raise
        if record is not None:
            await self._deps.failpoint("published")
        self._deps.telemetry.outbox(await ledger.outbox_length())
        await self._relay()
        if record is not None:
            await self._checkpoints.after(lease, self._holder, int(lease_s * 1000), record)
        return record is not None

    async def _lease(self) -> Lease | None:
        """Say that this worker lives, and take or renew the lease; None while another holds it."""
        ledger, lease_s = self._deps.ledger, self._deps.settings.lease_seconds
        await ledger.heartbeat(self._holder, msgspec.json.encode(self._state()))
        asked = asyncio.get_running_loop().time()
        lease = await ledger.lease(self._holder, int(lease_s * 1000))
        self._held_until = 0.0 if lease is None else asked + lease_s
        self._deps.telemetry.lease(0 if lease is None else self._deps.now_ms() + int(lease_s * 1000))
        return lease

    async def _still(self, held: Lease) -> bool:
        """While a step runs: whether the lease it runs under is renewed."""
        lease = await self._lease()
        self._deps.progress.beat(ROLL_UP)
        if lease is not None and lease.number == held.number:
            return True
        log.warning("lease_lost_in_a_step", number=held.number, now=None if lease is None else lease.number)
        self._rollup = None
        return False

    async def release(self) -> None:
        """Let another worker take over at once."""
        self._held_until = 0.0
        if self._rollup is not None:
            self._deps.telemetry.lease(0)
            await self._deps.ledger.release_lease(self._holder)

    async def _step(self, lease: Lease) -> StepRecord | None:
        """Publish the next step; its record, or None where none is due or another holds the lease."""
        ledger, settings = self._deps.ledger, self._deps.settings
        clock = asyncio.get_running_loop().time
        if self._rollup is None:
            self._rollup = await self._load()
            self._published = lease.published
        rollup = self._rollup
        undone = await self._look_for_undone(lease, rollup)
        common, deps = rollup.common, self._deps
        read = deps.profiles.in_force(common.profiles), deps.mutes.next_offset, deps.labels.next_offset
        force = (
            read != (common.profiles, common.mutes, common.labels)
            or undone.ahead > 0
            or clock() - self._last_step >= settings.idle_step_seconds
        )
        with self._deps.telemetry.stage("cut"):
            step = await ledger.cut(lease, force, await self._deps.log_ends.ends(lease.partitions))
        if isinstance(step, str):
            if step == "FENCED":
                self._rollup = None
            return None
        if step.number != self._published + 1:
            # Redis went back in time, or a publish whose reply was lost came through late.
            log.warning("rollup_reloaded", step=step.number, held=self._published)
            self._rollup = None
            return None
        await self._deps.failpoint("cut")
        started = clock()
        with self._deps.telemetry.traces.step(step.number):
            outcome, writes = await self._outcome(rollup, step, undone, *read)
            with self._deps.telemetry.stage("publish"):
                answer = await ledger.publish(lease, step, writes)
        if answer != "OK":
            log.warning("step_refused", step=step.number, answer=answer)
            self._rollup = None
            return None
        self._published, self._quoted = step.number, settings.excerpts
        self._last_step = clock()
        self._pace.took(len(step.counts), clock() - started)
        self._undone = Undone()
        self._deps.telemetry.published(outcome, step.now_ms, clock() - started)
        log.info(
            "step_published",
            step=step.number,
            stream_time=outcome.stream_time_ms,
            markets=len(outcome.changed_markets),
            alerts=[(alert.id, alert.state) for alert in outcome.alerts],
            shifts=[shift.id for shift in outcome.shifts],
            ms=round((clock() - started) * 1000, 1),
        )
        return outcome.journal

    async def _outcome(
        self, rollup: RollUp, step: CutStep, undone: Undone, profiles_read: int, mutes_read: int, labels_read: int
    ) -> tuple[StepOutcome, list[Command]]:
        """What one step comes to, and every write of it."""
        ledger, profiles = self._deps.ledger, self._deps.profiles
        changed = await asyncio.to_thread(rollup.take, step)
        await ledger.merge_users(step, rollup.common.stream_time_ms)
        if rollup.common.stream_time_ms is not None:
            await count_users(ledger, rollup, step)
        info = self._deps.classifier.info
        portfolio = profiles.at(profiles_read)
        before = rollup.common.profiles
        allocation = await self._allocation()
        problems = await self._problems()
        context = StepContext(
            spending=spending_of(portfolio, allocation),
            model=model_name(info),
            profiles=profiles_read,
            profiles_changed=rollup.profiles_changed(portfolio),
            problems=problems,
            mutes=mutes_read,
            labels=labels_read,
            ahead=rollup.common.ahead + undone.ahead,
            portfolio=portfolio,
            allocation=allocation,
            refused=await self._refused(),
            user_key=msgspec.structs.replace(self._deps.hashes.key, differ=DIFFERENT_KEYS in problems),
            judged=judged_changes(rollup.markets, self._deps.labels.weeks()),
            model_info=msgspec.to_builtins(info),
            quotes=self._deps.settings.excerpts,
        )
        bad = profiles.refused(before, profiles_read)
        if bad:
            await self._deps.outbound.dead_letters(bad, "market.profiles")
            self._deps.telemetry.refused_profiles(len(bad))
        with self._deps.telemetry.stage("decide"):
            outcome = await asyncio.to_thread(rollup.decide, step, changed, context)
        degraded = bool(context.problems)
        held = await ledger.alerts(ledger.keys.alerts) if self._quoted and not context.quotes else {}
        writes = unquoting_writes(ledger.keys, held.values())
        writes += await asyncio.to_thread(step_writes, ledger, step, rollup, outcome, info, degraded)
        mutes = self._deps.mutes.active(step.now_ms)
        writes += operator_writes(ledger, rollup.operators_shown, portfolio, mutes, len(bad))
        self._deps.telemetry.held.silences = len(mutes)
        writes += self._pace.writes(ledger.keys.ledger)
        writes += await self._taken_back(undone, rollup, outcome, step.now_ms)
        return outcome, writes

    async def _load(self) -> RollUp:
        """The state as the last published step left it."""
        ledger = self._deps.ledger
        idle_ms = int(self._deps.settings.idle_partition_seconds * 1000)
        state = await ledger.load_state()
        before = layout_of_state(state) or self._deps.layout
        rollup = RollUp(before, idle_ms, measured_confusion(self._deps.classifier.info), self._deps.rules)
        markets = load_rollup(rollup, state)
        for market, (minutes, hours) in (await ledger.load_buckets(markets)).items():
            rollup.windows.load(market, minutes, hours)
        rollup.relay(self._deps.layout)
        held, self._quoted = await ledger.alerts(ledger.keys.alerts), True
        alerts = [msgspec.json.decode(one, type=AlertRecord) for one in held.values()]
        note_ended(rollup.common, alerts)
        self._deps.telemetry.loaded(alerts)
        return rollup

    async def _look_for_undone(self, lease: Lease, rollup: RollUp) -> Undone:
        """Once after the lease was taken or Redis went back: what was published beyond the ledger's last step."""
        if self._undone is None:
            settings, seq = self._deps.settings, lease.published + rollup.common.ahead
            self._undone = await self._deps.find_undone(settings.kafka_servers, settings.prefix, seq)
            if self._undone.ahead:
                alerts = [alert.id for alert in self._undone.alerts]
                log.warning("steps_undone", published=lease.published, by=self._undone.ahead, alerts=alerts)
        return self._undone

    async def _taken_back(self, undone: Undone, rollup: RollUp, outcome: StepOutcome, at_ms: int) -> list[Command]:
        if not undone.alerts:
            return []
        held = await self._deps.ledger.alerts(self._deps.ledger.keys.alerts)
        changing = {alert.id for alert in outcome.alerts}
        found = corrections(undone.alerts, held, changing, outcome.seq, outcome.stream_time_ms or at_ms)
        found = found if self._deps.settings.excerpts else [without_excerpts(alert) for alert in found]
        note_ended(rollup.common, found)
        self._deps.telemetry.alerts_are(found)
        return alert_writes(self._deps.ledger, found)

    async def _allocation(self) -> AllocationRecord | None:
        content = await self._deps.ledger.get(self._deps.ledger.keys.allocation)
        return None if content is None else msgspec.json.decode(content, type=AllocationRecord)

    async def _refused(self) -> RefusedAnswer | None:
        content = await self._deps.ledger.newest(self._deps.ledger.keys.answers)
        return None if content is None else refused_of(content)

    def _state(self) -> WorkerState:
        info = self._deps.classifier.info
        return WorkerState(
            holder=self._holder,
            at=self._deps.now_ms(),
            model=info.id,
            model_sha256=info.sha256,
            device=info.device,
            provider=info.provider,
            fell_back=info.fell_back,
            detector=info.detector,
            user_key=self._deps.hashes.key.id,
            ready=not self._deps.progress.not_ready(),
            waiting=tuple(self._deps.progress.waiting),
            partitions={
                str(number): PartitionState(
                    counted=one.counted,
                    lag=one.lag,
                    newest_record=one.newest_record_ms if one.lag else None,
                    in_transaction=one.in_transaction,
                )
                for number, one in sorted(self._deps.progress.partitions.items())
            },
        )

    async def _problems(self) -> tuple[str, ...]:
        """What is wrong with models, devices and keys of living workers, in words; the long dead are forgotten."""
        now_ms = self._deps.now_ms()
        words = await self._deps.ledger.workers()
        states = [msgspec.json.decode(word, type=WorkerState) for word in words.values()]
        await self._deps.ledger.forget_workers([one.holder for one in states if now_ms - one.at > FORGOTTEN_MS])
        living = [one for one in states if now_ms - one.at < LIVING_MS]
        found = [f"{one.holder} was built for a GPU and runs on the CPU" for one in living if one.fell_back]
        if len({one.model_sha256 for one in living}) > 1:
            found.append(f"workers run different models: {', '.join(sorted({one.model for one in living}))}")
        if len(detectors := {state.detector or "none" for state in living}) > 1:
            found.append(f"workers find the language of texts with {', '.join(sorted(detectors))}")
        if len({one.user_key for one in living}) > 1:
            found.append(DIFFERENT_KEYS)
        return tuple(sorted(found))

    async def _relay(self) -> None:
        """Send the outbox to Kafka, oldest first, and forget what was acknowledged.

        Order holds even where the lease is lost meanwhile and two holders relay at once: both begin with the oldest
        record that is not yet acknowledged, so a record's first copy never overtakes that of one before it. What comes
        later are copies, which readers know by `seq`.
        """
        while entries := await self._deps.ledger.read_outbox(OUTBOX_SLICE):
            with self._deps.telemetry.stage("relay"):
                await self._deps.outbound.relay(entries)
            self._deps.telemetry.relayed(len(entries))
            await self._deps.failpoint("relayed")
            await self._deps.ledger.trim_outbox(entries)


def model_name(info: ModelInfo) -> str:
    """Id and the begin of the checksum."""
    return f"{info.id}@{info.sha256[:12]}"


def measured_confusion(info: ModelInfo) -> Confusion | None:
    """The model's confusion per language of its layout; None where it was not measured."""
    measured = {name: one.confusion for name, one in info.languages.items()}
    return model_confusion(measured) if measured else None
