"""The lease holder's step: cut, count users, decide, publish, relay the outbox."""

import asyncio
import os
import socket
import time

import msgspec

from strategy.portfolio import Portfolio, actual_spend
from streams.contracts import AllocationRecord, PartitionState, WorkerState
from streams.correction import confusion_of
from streams.errors import Unavailable
from streams.lag import LIVING_MS
from streams.ledger import Ledger
from streams.ledger_types import CutStep, Lease
from streams.logs import get_logger
from streams.metrics import ActiveUsers, Spending
from streams.progress import ROLL_UP
from streams.publication import load_rollup, operator_writes, step_writes
from streams.rollup import RollUp, StepContext
from streams.tables import TableKeys
from streams.worker import Deps

log = get_logger("leader")

OUTBOX_SLICE = 500
FORGOTTEN_MS = 600_000


class Leader:
    """Rolls up while it holds the lease; every worker has one and tries."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._tables = TableKeys(deps.settings.prefix)
        self._holder = f"{socket.gethostname()}:{os.getpid()}"
        self._rollup: RollUp | None = None
        self._lease_number = 0
        self._last_step = 0.0

    async def tick(self) -> bool:
        """Renew the lease and publish the next step if one is due; whether a step was published.

        Raises:
            Unavailable: try again at the next tick. LedgerLost, LedgerBroken: this process cannot go on.
        """
        progress = self._deps.progress
        try:
            published = await self._tick()
            progress.goes_on(ROLL_UP)
        except Unavailable:
            progress.waits(ROLL_UP)
            raise
        finally:
            progress.beat(ROLL_UP)
        return published

    async def _tick(self) -> bool:
        ledger = self._deps.ledger
        await ledger.heartbeat(self._holder, msgspec.json.encode(self._state()))
        lease = await ledger.lease(self._holder, int(self._deps.settings.lease_seconds * 1000))
        if lease is None:
            self._rollup = None
            return False
        if lease.number != self._lease_number:
            log.info("lease_taken", number=lease.number, step=lease.published)
            self._rollup = None
            self._lease_number = lease.number
        try:
            published = await self._step(lease)
        except BaseException:
            self._rollup = None  # half a step may be in memory: the ledger's state is the true one
            raise
        if published:
            await self._deps.failpoint("published")
        await self._relay()
        return published

    async def release(self) -> None:
        """Let another worker take over at once."""
        if self._rollup is not None:
            await self._deps.ledger.release_lease(self._holder)

    async def _step(self, lease: Lease) -> bool:
        ledger, settings = self._deps.ledger, self._deps.settings
        rollup = self._rollup or await self._load()
        self._rollup = rollup
        profiles, mutes = self._deps.profiles, self._deps.mutes
        profiles_read, mutes_read = profiles.next_offset, mutes.next_offset
        news = (profiles_read, mutes_read) != (rollup.common.profiles, rollup.common.mutes)
        force = news or time.monotonic() - self._last_step >= settings.idle_step_seconds
        step = await ledger.cut(lease, force)
        if isinstance(step, str):
            if step == "FENCED":
                self._rollup = None
            return False
        await self._deps.failpoint("cut")
        started = time.perf_counter()
        await ledger.merge_users(step)
        changed = await asyncio.to_thread(rollup.take, step)
        if rollup.common.stream_time_ms is not None:
            await self._count_users(rollup, step)
        info = self._deps.classifier.info
        portfolio = profiles.at(profiles_read)
        before = rollup.common.profiles
        context = StepContext(
            spending=await self._spending(portfolio),
            model=f"{info.id}@{info.sha256[:12]}",
            profiles=profiles_read,
            profiles_changed=profiles.at(before) != portfolio,
            problems=await self._problems(),
            mutes=mutes_read,
        )
        bad = [letter for letter in profiles.bad if before <= letter.offset < profiles_read]
        if bad:
            await self._deps.outbound.dead_letters(bad, "market.profiles")
        outcome = await asyncio.to_thread(rollup.decide, step, changed, context)
        degraded = bool(context.problems)
        writes = await asyncio.to_thread(step_writes, ledger, settings.prefix, step, rollup, outcome, info, degraded)
        writes += operator_writes(ledger, settings.prefix, portfolio, mutes.active(step.now_ms), len(bad))
        answer = await ledger.publish(lease, step, writes)
        if answer == "FENCED":
            log.warning("step_refused", step=step.number)
            self._rollup = None
            return False
        self._last_step = time.monotonic()
        log.info(
            "step_published",
            step=step.number,
            stream_time=outcome.stream_time_ms,
            markets=len(changed),
            alerts=[(alert.id, alert.state) for alert in outcome.alerts],
            shifts=[shift.id for shift in outcome.shifts],
            ms=round((time.perf_counter() - started) * 1000, 1),
        )
        return True

    async def _load(self) -> RollUp:
        """The state as the last published step left it."""
        ledger = self._deps.ledger
        measured = {name: one.confusion for name, one in self._deps.classifier.info.languages.items()}
        confusion = confusion_of(measured) if measured else None
        rollup = RollUp(self._deps.layout, int(self._deps.settings.idle_partition_seconds * 1000), confusion)
        markets = load_rollup(rollup, await ledger.load_state())
        for market, (minutes, hours) in (await ledger.load_buckets(markets)).items():
            rollup.windows.load(market, minutes, hours)
        return rollup

    async def _count_users(self, rollup: RollUp, step: CutStep) -> None:
        assert rollup.common.stream_time_ms is not None
        markets = rollup.markets_to_recount(step)
        hour = rollup.common.stream_time_ms // 3_600_000
        windows = [keys for market in markets for keys in user_windows(self._deps.ledger, market, hour)]
        counts = iter(await self._deps.ledger.count_users(windows))
        for market in markets:
            rollup.active[market] = ActiveUsers(*(next(counts) for _ in range(7)))

    async def _spending(self, portfolio: Portfolio) -> Spending:
        plan = portfolio.plan
        content = await self._deps.ledger.get(self._tables.allocation)
        planned: dict[str, float] = {}
        if content is not None:
            planned = msgspec.json.decode(content, type=AllocationRecord).spend
        actual = actual_spend(portfolio)
        return Spending(actual, planned, plan.budget, plan.weights)

    def _state(self) -> WorkerState:
        info = self._deps.classifier.info
        return WorkerState(
            holder=self._holder,
            at=time.time_ns() // 1_000_000,
            model=info.id,
            model_sha256=info.sha256,
            device=info.device,
            provider=info.provider,
            fell_back=info.fell_back,
            ready=not self._deps.progress.not_ready(),
            waiting=tuple(self._deps.progress.waiting),
            partitions={
                str(number): PartitionState(
                    counted=one.counted, lag=one.lag, newest_record=one.newest_record_ms if one.lag else None
                )
                for number, one in sorted(self._deps.progress.partitions.items())
            },
        )

    async def _problems(self) -> tuple[str, ...]:
        """What is wrong with the models and devices of the workers that live, in words; the long dead are forgotten."""
        now_ms = time.time_ns() // 1_000_000
        words = await self._deps.ledger.workers()
        states = [msgspec.json.decode(word, type=WorkerState) for word in words.values()]
        await self._deps.ledger.forget_workers([one.holder for one in states if now_ms - one.at > FORGOTTEN_MS])
        living = [one for one in states if now_ms - one.at < LIVING_MS]
        found = [f"{one.holder} was built for a GPU and runs on the CPU" for one in living if one.fell_back]
        if len({one.model_sha256 for one in living}) > 1:
            found.append(f"workers run different models: {', '.join(sorted({one.model for one in living}))}")
        return tuple(sorted(found))

    async def _relay(self) -> None:
        """Send the outbox to Kafka, oldest first, and forget what was acknowledged."""
        while entries := await self._deps.ledger.read_outbox(OUTBOX_SLICE):
            await self._deps.outbound.relay(entries)
            await self._deps.failpoint("relayed")
            await self._deps.ledger.trim_outbox(entries)


def user_windows(ledger: Ledger, market: str, hour: int) -> list[list[str]]:
    """HyperLogLog keys behind each field of ActiveUsers, in its order, at an hour of stream time.

    The current hour's window reaches one hour ahead: events of partitions that are further on.
    """
    keys, day = ledger.keys, hour // 24

    def hours(first: int, end: int) -> list[str]:
        return [keys.users_of_hour(market, at) for at in range(first, end)]

    def days(first: int, end: int) -> list[str]:
        return [keys.users_of_day(market, at) for at in range(first, end)]

    return [
        hours(hour, hour + 2),
        hours(hour - 1, hour),
        hours(hour - 23, hour + 2),
        hours(hour - 24, hour),
        hours(hour - 48, hour - 24),
        days(day - 7, day),
        days(day - 14, day - 7),
    ]
