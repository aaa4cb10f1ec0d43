"""A step's record in the journal: made from the step and its context, and turned back into them."""

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from marketpulse.contract.portfolio import Portfolio
from marketpulse.contract.records import AlertRecord, AllocationRecord, RefusedAnswer, ShiftRecord
from marketpulse.contract.wire import encode
from strategy.portfolio import actual_spend
from streams.contract.journal import JOURNAL_FORMAT, JudgedWeek, PartitionMark, StepRecord, UserKey
from streams.errors import JournalIncomplete
from streams.ledger.types import CutStep, PartitionCut
from streams.pipeline.rollup.stream_time import StreamTime


@dataclass(frozen=True, slots=True)
class Spending:
    """What t and F need of the allocation: actual and planned spend per market, budget, weights o1..o4."""

    actual: Mapping[str, float | None]
    planned: Mapping[str, float]
    budget: float
    weights: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class StepContext:
    """What a step's outcome depends on beside the journal's deltas; all of it goes to the journal.

    `ahead`: `seq` of what the step publishes is its number and this. `profiles` is the offset in market.profiles up to
    which profiles are in force; `profiles_changed`: the portfolio is another than at the step before; `problems` with
    workers' models and devices, in words; `allocation` the one in force; `refused` the newest answer where it is no
    plan; `user_key` which key user ids are hashed with, None = not known; `judged` the weeks that people labelled texts
    of, of markets where they are other than at the step before; `model_info` what the model is, as values; `quotes`
    whether excerpts are kept and shown: without, those of before are forgotten too.
    """

    spending: Spending
    model: str
    profiles: int = 0
    profiles_changed: bool = False
    problems: tuple[str, ...] = ()
    mutes: int = 0
    labels: int = 0
    ahead: int = 0
    portfolio: Portfolio | None = None
    allocation: AllocationRecord | None = None
    refused: RefusedAnswer | None = None
    user_key: UserKey | None = None
    judged: Mapping[str, tuple[JudgedWeek, ...]] = field(default_factory=dict)
    model_info: dict[str, Any] | None = None
    quotes: bool = True


def fingerprint(portfolio: Portfolio) -> str:
    """What tells one portfolio from another."""
    return hashlib.blake2b(msgspec.json.encode(portfolio), digest_size=16).hexdigest()


def chained(digest: str, contents: Iterable[bytes]) -> str:
    """SHA-256 in hexadecimal of a digest and what follows it."""
    chain = hashlib.sha256(digest.encode())
    for content in contents:
        chain.update(len(content).to_bytes(8, "big") + content)
    return chain.hexdigest()


def outcome_digest(
    digest: str,
    metrics: Iterable[bytes],
    alerts: Sequence[AlertRecord],
    shifts: Sequence[ShiftRecord],
    allocation: AllocationRecord | None,
) -> str:
    """The digest of all outcomes up to a step, from that of the step before and what this one publishes."""
    in_force = [] if allocation is None else [allocation]
    return chained(digest, [*metrics, *map(encode, [*alerts, *shifts, *in_force])])


def step_record(step: CutStep, time: StreamTime, context: StepContext, portfolio: str, model: str) -> StepRecord:
    """The journal's record of a step.

    Args:
        step: as it was cut.
        time: T of the step, and what it waited for.
        context: what else its outcome depends on.
        portfolio, model: fingerprint and name at the step before: what is the same is not written again.
    """
    deltas: dict[str, dict[str, dict[str, int]]] = {}
    for name in sorted(step.counts):
        market, minute, cell = name.split(":", 2)
        deltas.setdefault(market, {}).setdefault(minute, {})[cell] = step.counts[name]
    known = context.portfolio is None or fingerprint(context.portfolio) == portfolio
    return StepRecord(
        step=step.number,
        stream_time=time.at_ms,
        held_by=time.held_by,
        format=JOURNAL_FORMAT,
        cut={str(number): partition.next for number, partition in step.partitions.items()},
        deltas=deltas,
        users={bucket: base64.b64encode(blob).decode() for bucket, blob in sorted(step.users.items())},
        excerpts=step.excerpts if context.quotes else {},
        quotes=context.quotes,
        now=step.now_ms,
        profiles=context.profiles,
        model=context.model,
        ahead=context.ahead,
        partitions={
            str(number): PartitionMark(
                newest=one.newest_ms,
                last_timestamp=one.last_timestamp,
                last_checksum=one.last_checksum,
                began=one.began or 0,
                last_offset=one.last_offset,
                rose=one.rose_ms,
                seen=one.seen_ms,
                end=one.end,
            )
            for number, one in step.partitions.items()
        },
        totals=step.totals,
        allocation="" if context.allocation is None else context.allocation.id,
        refused=context.refused,
        problems=context.problems,
        mutes=context.mutes,
        labels=context.labels,
        judged=dict(context.judged),
        portfolio=None if known else context.portfolio,
        model_info=context.model_info if context.model != model else None,
    )


def cut_of(record: StepRecord) -> CutStep:
    """The cut step that a record tells of. Raises JournalIncomplete: it is written otherwise than steps are."""
    try:
        return _cut_of(record)
    except ValueError as error:
        raise JournalIncomplete(
            f"step {record.step} of market.steps has numbers or users that cannot be read. "
            "Operator action: see who else writes to the topic; limit it to the workers."
        ) from error


def _cut_of(record: StepRecord) -> CutStep:
    partitions = {
        number: PartitionCut(
            next=next_offset,
            newest_ms=mark.newest,
            rose_ms=mark.committed if mark.rose is None else mark.rose,
            seen_ms=mark.committed if mark.seen is None else mark.seen,
            last_offset=mark.last_offset,
            last_timestamp=mark.last_timestamp,
            last_checksum=mark.last_checksum,
            began=mark.began,
            end=mark.end,
        )
        for number, next_offset in record.cut.items()
        for mark in (record.partitions.get(number, PartitionMark()),)
    }
    return CutStep(
        number=record.step,
        now_ms=record.now,
        counts={
            f"{market}:{minute}:{cell}": n
            for market, minutes in record.deltas.items()
            for minute, cells in minutes.items()
            for cell, n in cells.items()
        },
        users={bucket: base64.b64decode(blob) for bucket, blob in record.users.items()},
        partitions={int(number): one for number, one in partitions.items()},
        excerpts=record.excerpts,
        totals=record.totals,
    )


def spending_of(portfolio: Portfolio, allocation: AllocationRecord | None) -> Spending:
    """What t and F need to know of portfolio and allocation in force."""
    plan = portfolio.plan
    actual = actual_spend(portfolio)
    return Spending(actual, {} if allocation is None else allocation.spend, plan.budget, plan.weights)
