"""The journal replayed with other rules: what would have fired and been allocated, beside what was."""

import uuid
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

import msgspec

from marketpulse.contract.records import AlertRecord, AllocationRecord
from marketpulse.contract.topics import topic_name
from streams.backtest.side_by_side import AlertRow, AllocationRow, answered, episodes, paired, spends
from streams.contract.rules import Rules
from streams.errors import BadInput, JournalIncomplete
from streams.kafka.log_reader import LogReader
from streams.ledger.commit import Ledger
from streams.pipeline.operators.rules_file import changes
from streams.recovery.chain import Stretch
from streams.recovery.journal import Journal, Progress, silent
from streams.recovery.replay import Replayed, Replayer
from streams.settings import Settings

Record = TypeVar("Record", AlertRecord, AllocationRecord)


class WhatIf(msgspec.Struct, frozen=True):
    """What a replay with other rules came to; times in epoch ms of stream time.

    `changed`: names of the rules file -> (in force at the last step, given). `spend` per market: the plans in force at
    the end, (in fact, with the rules).
    """

    first_step: int
    last_step: int
    begin: int
    end: int
    changed: dict[str, tuple[float | str | None, float | str | None]]
    alerts: list[AlertRow]
    allocations: list[AllocationRow]
    spend: dict[str, tuple[float, float]]

    @property
    def same(self) -> bool:
        """Whether the outcome is identical."""
        alerts = all(row.in_fact == row.with_rules for row in self.alerts)
        return alerts and all(row.in_fact == row.with_rules for row in self.allocations)


class _Found:
    """What a replay gathers: its own alerts and answers, and where its steps lie."""

    def __init__(self) -> None:
        self.alerts: list[AlertRecord] = []
        self.answers: list[AllocationRecord] = []
        self.steps: list[int] = []
        self.seqs: list[int] = []
        self.times: list[int] = []
        self.rules: Rules | None = None
        self.before: AllocationRecord | None = None

    def take(self, one: Replayed) -> None:
        self.alerts += one.outcome.alerts
        self.answers += [] if one.answer is None else [one.answer]
        self.steps.append(one.outcome.step)
        self.seqs.append(one.outcome.seq)
        self.times += [] if one.outcome.stream_time_ms is None else [one.outcome.stream_time_ms]
        self.rules = one.record.rules or self.rules


async def what_if(
    settings: Settings,
    rules: Rules,
    from_ms: int | None = None,
    to_ms: int | None = None,
    progress: Progress = silent,
) -> WhatIf:
    """Replay the journal as if `rules` had been in force.

    Args:
        settings: of the product whose journal it is.
        rules: for every step.
        from_ms: stream time; the rules take over at the newest checkpoint before it, or at the begin of the journal.
        to_ms: stream time at which the replay ends.
        progress: told how many steps are done.

    Raises:
        Unavailable: Kafka or Redis does not answer. JournalIncomplete: there is nothing to begin from.
        BadInput: no step lies before `to_ms`.
    """
    scratch = Ledger(settings.redis, f"{settings.prefix}~what-if-{uuid.uuid4().hex[:8]}")
    found = _Found()
    async with LogReader(settings.kafka_servers, topic_name(settings.prefix, "market.steps")) as reader:
        journal = Journal(reader, progress)
        await journal.find_all()
        stretches = await _stretches(journal, from_ms)
        if not stretches:
            raise JournalIncomplete(
                f"{reader.topic} holds no step to begin from. Operator action: let workers run for a while, or mend "
                "MARKETPULSE_PREFIX."
            )
        replayer = Replayer(journal, scratch, int(settings.idle_partition_seconds * 1000), rules)
        try:
            await _replay(replayer, journal, stretches, to_ms, found, progress)
        finally:
            await replayer.content.remove()
            await scratch.close()
    if not found.times:
        raise BadInput("no step lies in that time. Operator action: give a later --to, or none.")
    begin = min(found.times, default=0) if from_ms is None else from_ms
    end = max(found.times, default=0) if to_ms is None else to_ms
    alerts = [one async for one in _published(settings, "market.alerts", AlertRecord, found.seqs)]
    answers = [one async for one in _published(settings, "market.allocations", AllocationRecord, found.seqs)]
    pairs = paired(episodes(alerts), episodes(found.alerts))
    in_force = [found.before, *(one for one in answers if one.adopted)][-1]
    return WhatIf(
        first_step=min(found.steps),
        last_step=max(found.steps),
        begin=begin,
        end=end,
        changed=changes(found.rules or Rules(), rules),
        alerts=[row for row in pairs if any(begin <= one.fired_at for one in (row.in_fact, row.with_rules) if one)],
        allocations=[row for row in answered(answers, found.answers) if row.stream_time >= begin],
        spend=spends(in_force, replayer.standing.in_force),
    )


async def _stretches(journal: Journal, from_ms: int | None) -> list[Stretch]:
    """All of history, or what of it is needed from a time on."""
    chain = journal.chain
    stretches = chain.stretches()
    if from_ms is None:
        return stretches
    for step in sorted(chain.marks, reverse=True):
        place = chain.steps.get(step)
        stands = None if place is None else (await journal.step(place)).stream_time
        if stands is not None and stands <= from_ms:
            later = [one for one in stretches if one.begins is not None and one.begins.step > step]
            end = next((one.begins.step for one in later if one.begins is not None), chain.last)
            return [Stretch(chain.marks[step], chain.places(step, end)), *later]
    return stretches


async def _replay(
    replayer: Replayer,
    journal: Journal,
    stretches: Sequence[Stretch],
    to_ms: int | None,
    found: _Found,
    progress: Progress,
) -> None:
    total = sum(len(one.places) for one in stretches)
    for number, stretch in enumerate(stretches):
        await replayer.begin(stretch.begins)
        found.rules = replayer.rollup.common.rules or found.rules
        if number == 0:
            found.before = replayer.standing.in_force
        async for record in journal.steps(stretch):
            if to_ms is not None and (record.stream_time or 0) > to_ms:
                return
            found.take(await replayer.step(record))
            progress(len(found.steps), total)


async def _published(settings: Settings, topic: str, kind: type[Record], seqs: Sequence[int]) -> AsyncIterator[Record]:
    """What stands on a topic from these steps, in order."""
    first, last = min(seqs), max(seqs)
    async with LogReader(settings.kafka_servers, topic_name(settings.prefix, topic)) as reader:
        for partition, (begin, end) in reader.offsets.items():
            async for record in reader.records(begin, end, partition):
                one = msgspec.json.decode(record.value, type=kind)
                if first <= one.seq <= last:
                    yield one
