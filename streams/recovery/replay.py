"""The journal replayed: the same windows, metrics, alerts, shifts and allocations, bit for bit, in a scratch ledger."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import msgspec

from marketpulse.contract.portfolio import Portfolio
from marketpulse.contract.records import AllocationRecord
from marketpulse.contract.wire import encode
from models.classifier import ModelInfo
from streams.contract.journal import StepRecord
from streams.contract.rules import Rules
from streams.errors import JournalIncomplete
from streams.ledger.commit import Ledger
from streams.ledger.content import SCRATCH_USERS_S, LedgerContent
from streams.ledger.types import Command
from streams.pipeline.count.cells import CellLayout
from streams.pipeline.count.layouts import layout_of
from streams.pipeline.reallocate.answer import answer_of
from streams.pipeline.rollup.active_users import count_users
from streams.pipeline.rollup.checkpoint import unpacked
from streams.pipeline.rollup.leader import measured_confusion
from streams.pipeline.rollup.step import RollUp, StepOutcome
from streams.pipeline.rollup.step_record import StepContext, cut_of, spending_of
from streams.pipeline.rollup.step_writes import MODEL_FIELD, load_rollup, operator_writes, step_writes, unquoting_writes
from streams.recovery.chain import Mark, Stretch
from streams.recovery.fold import Fold
from streams.recovery.journal import Journal


@dataclass(frozen=True)
class Replayed:
    """One step done again: what it wrote, and the allocator's answer to its shift.

    `published` is what the step sends to topics, as (topic without the prefix, key, value). `same`: the digest of all
    outcomes up to here is the one that the journal holds.
    """

    record: StepRecord
    outcome: StepOutcome
    writes: list[Command]
    answer: AllocationRecord | None
    published: list[tuple[str, str, bytes]]
    same: bool


@dataclass
class Standing:
    """What a replay holds between steps beside the roll-up: what is in force, and what was answered last."""

    portfolio: Portfolio | None = None
    info: ModelInfo | None = None
    in_force: AllocationRecord | None = None
    adopted: dict[str, AllocationRecord] = field(default_factory=dict)


class Replayer:
    """Replays stretches of a journal under a scratch prefix of a Redis, which it empties first.

    Only the HyperLogLogs of a replay are in Redis; all else is in memory. With `rules`, they stand in for those of
    each step: what would have been. Raises Unavailable, JournalIncomplete.
    """

    def __init__(self, journal: Journal, scratch: Ledger, idle_ms: int, rules: Rules | None = None) -> None:
        self._journal = journal
        self._ledger = scratch
        self._prefix = scratch.keys.prefix
        self._idle_ms = idle_ms
        self._rules = rules
        self.content = LedgerContent(scratch)
        self.rollup = RollUp(CellLayout(()), idle_ms)
        self.standing = Standing()
        self.fold = Fold(scratch.keys.namespace)
        self._quoted = True  # alerts of the fold may hold what users wrote

    async def begin(self, mark: Mark | None) -> None:
        """Stand where a checkpoint stands, or before the first step."""
        await self.content.remove()
        self.rollup = RollUp(CellLayout(()), self._idle_ms)
        self.standing = Standing()
        self.fold = Fold(self._ledger.keys.namespace)
        self._quoted = True
        if mark is None:
            return
        async for content in self._journal.content(mark):
            for entry in unpacked(content):
                if entry.name.startswith("users:"):
                    await self.content.stage(self.content.writes_of([entry]), SCRATCH_USERS_S)
                else:
                    self.fold.take(entry)
        self._load()

    def _load(self) -> None:
        state = {field.decode(): value for field, value in self.fold.hashes.get("state", {}).items()}
        if MODEL_FIELD in state:
            self._take_model(msgspec.json.decode(state[MODEL_FIELD], type=ModelInfo))
        for market in load_rollup(self.rollup, state):
            self.rollup.windows.load(market, *self.fold.buckets(market))
        strings = self.fold.strings
        if "portfolio" in strings:
            self.standing.portfolio = msgspec.json.decode(strings["portfolio"], type=Portfolio)
        if "allocation" in strings:
            self._adopt(msgspec.json.decode(strings["allocation"], type=AllocationRecord))

    def _adopt(self, allocation: AllocationRecord) -> None:
        self.standing.in_force = allocation
        self.standing.adopted[allocation.id] = allocation

    def _take_model(self, info: ModelInfo) -> None:
        self.standing.info = info
        layout = layout_of(info)
        if not self.rollup.windows.markets:
            common = self.rollup.common
            self.rollup = RollUp(layout, self._idle_ms)
            self.rollup.common = common
        else:
            self.rollup.relay(layout)
        self.rollup.measured(measured_confusion(info))

    async def replay(self, stretches: Sequence[Stretch]) -> AsyncIterator[Replayed]:
        """Every step of the stretches, done again."""
        for stretch in stretches:
            await self.begin(stretch.begins)
            async for record in self._journal.steps(stretch):
                yield await self.step(record)

    async def step(self, record: StepRecord) -> Replayed:
        """Do one step again."""
        standing, ledger = self.standing, self._ledger
        if record.model_info is not None:
            self._take_model(msgspec.convert(record.model_info, ModelInfo))
        standing.portfolio = record.portfolio or standing.portfolio
        if standing.portfolio is None or standing.info is None:
            raise JournalIncomplete(
                f"the journal begins with step {record.step} and no checkpoint is before it: what was in force then is "
                "not known. Operator action: replay from a checkpoint, or `marketpulse ledger reset`."
            )
        step = cut_of(record)
        self.rollup.rules = self._rules or record.rules or self.rollup.common.rules or Rules()
        changed = self.rollup.take(step, record)
        await self.content.stage_users(step)
        await ledger.merge_users(step, self.rollup.common.stream_time_ms, SCRATCH_USERS_S)
        await self.content.drop_users(step)
        if self.rollup.common.stream_time_ms is not None:
            await count_users(ledger, self.rollup, step)
        outcome = self.rollup.decide(step, changed, self._context(record, standing.portfolio, standing.info))
        info, degraded = standing.info, bool(record.problems)
        writes = self._unquoting(record) + step_writes(ledger, step, self.rollup, outcome, info, degraded)
        writes += operator_writes(ledger, {}, standing.portfolio, [], 0)
        answer = None
        if outcome.shifts:  # one answer per step: to its first shift
            answer = answer_of(outcome.shifts[0], standing.portfolio, standing.in_force)
            if answer.adopted:
                self._adopt(answer)
        published = [self._published(command) for command in writes if command[:2] == ["XADD", ledger.keys.outbox]]
        if answer is not None:
            published.append(("market.allocations", answer.id, encode(answer)))
        return Replayed(record, outcome, writes, answer, published, self.rollup.common.digest == record.digest)

    def _unquoting(self, record: StepRecord) -> list[Command]:
        """As the leader does it with its first step that quotes nobody."""
        quoted, self._quoted = self._quoted, record.quotes
        held = self.fold.hashes.get("alerts", {})
        return unquoting_writes(self._ledger.keys, held.values()) if quoted and not record.quotes else []

    def _context(self, record: StepRecord, portfolio: Portfolio, info: ModelInfo) -> StepContext:
        adopted = self.standing.adopted
        known = record.allocation in adopted or not record.allocation
        if not known and self._rules is None:
            raise JournalIncomplete(
                f"step {record.step} knew allocation {record.allocation}, which this replay does not come to. Operator "
                "action: replay with the version of Marketpulse that wrote the journal, or from a newer checkpoint."
            )
        # Under other rules, other shifts were answered: what they came to was in force instead.
        allocation = adopted.get(record.allocation) if known else self.standing.in_force
        for name in list(adopted):  # in the order of adoption: older ones than the one in force do not come back
            if allocation is None or name == allocation.id:
                break
            del adopted[name]
        return StepContext(
            spending=spending_of(portfolio, allocation),
            model=record.model,
            profiles=record.profiles,
            profiles_changed=self.rollup.profiles_changed(portfolio),
            problems=record.problems,
            mutes=record.mutes,
            labels=record.labels,
            ahead=record.ahead,
            portfolio=portfolio,
            allocation=allocation,
            refused=record.refused,
            user_key=record.user_key or self.rollup.common.user_key,
            judged=record.judged,
            model_info=msgspec.to_builtins(info),
            quotes=record.quotes,
        )

    def _published(self, command: Command) -> tuple[str, str, bytes]:
        fields = dict(zip(command[3::2], command[4::2], strict=True))
        value = fields["value"]
        assert isinstance(value, bytes)
        return str(fields["topic"]).removeprefix(f"{self._prefix}."), str(fields["key"]), value
