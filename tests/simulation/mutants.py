"""Faults planted in the commit path, small replacements of product code or of scripts: the simulation must see them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from marketpulse.client.redis_server import translated_errors
from marketpulse.errors import Unavailable
from streams.batches import DecodedBatch, Delta, Position
from streams.errors import LedgerBroken
from streams.ledger.commit import Ledger
from streams.ledger.types import Answer, Claim, CutStep, Lease
from streams.pipeline.classify.scored_batches import ScoredBatch
from streams.pipeline.count.committer import Committer
from streams.pipeline.ingest.source import Source
from streams.pipeline.rollup.leader import OUTBOX_SLICE, Leader
from tests.simulation.fake_redis import FakeRedis
from tests.simulation.fake_scripts import cut, publish
from tests.simulation.mutant_scripts import (
    claim_that_raises_no_number,
    commit_that_counts_a_repeated_batch,
    commit_without_claim_check,
    commit_without_start_check,
    cut_that_dates_the_ends,
    cut_that_leaves_the_step_open,
    fails_after_some_writes,
    lease_that_counts_from_what_is_stored,
    lease_without_nonce,
    leases,
    publish_of_an_open_step,
    publish_without_step_check,
    under_any_lease,
    with_scripts,
)
from tests.simulation.simulation import MakeStore, Result, Simulation
from tests.simulation.worker import PRODUCT, Parts


@dataclass(frozen=True)
class Mutant:
    """What is wrong, with what it is made, and kinds of faults without which it must be seen."""

    name: str
    parts: Parts = PRODUCT
    make_store: MakeStore = FakeRedis
    without: tuple[str, ...] = ()
    seed: int = 0  # one that is known to show it

    def run(self, seed: int) -> Result:
        """One seed with the mutant in place of the product."""
        return Simulation(seed, self.make_store, self.parts, without=self.without).run()


# --- the ledger -------------------------------------------------------------------------------------------------------


class OffsetFirst(Ledger):
    """Offset and counts in two requests, the offset first."""

    async def commit(self, batch: DecodedBatch, delta: Delta) -> tuple[Answer, str]:
        answer = await super().commit(batch, replace(delta, counts={}))
        if answer[0] == "OK":
            await self._count(delta)
        return answer

    async def _count(self, delta: Delta) -> None:
        with translated_errors(self.url):
            opened = (await self.redis.hget(self.keys.ledger, "open")).decode()
            async with self.redis.pipeline(transaction=True) as pipe:
                for field, value in delta.counts.items():
                    pipe.hincrby(self.keys.step_counts(opened), field, value)
                await pipe.execute()


class CountsFirst(OffsetFirst):
    """Offset and counts in two requests, the counts first."""

    async def commit(self, batch: DecodedBatch, delta: Delta) -> tuple[Answer, str]:
        await self._count(delta)
        return await Ledger.commit(self, batch, replace(delta, counts={}))


class RetriesBrokenScripts(Ledger):
    """A script's error is taken for an outage: the commit is tried again."""

    async def commit(self, batch: DecodedBatch, delta: Delta) -> tuple[Answer, str]:
        try:
            return await super().commit(batch, delta)
        except LedgerBroken as error:
            raise Unavailable(str(error)) from error


class ForgetsIds(Ledger):
    """A claim does not restore which ids were seen."""

    async def claim(self, partition: int) -> Claim:
        return replace(await super().claim(partition), id_chunks=[])


class TakesMarkersForRecords(Ledger):
    """What is before the next offset is taken for the last record."""

    async def commit(self, batch: DecodedBatch, delta: Delta) -> tuple[Answer, str]:
        if batch.mark.last_offset is not None:
            batch = replace(batch, mark=replace(batch.mark, last_offset=batch.position.end - 1))
        return await super().commit(batch, delta)


class ForgetsRecentTimes(Ledger):
    """A claim does not restore the event times that the next newest one is found among."""

    async def claim(self, partition: int) -> Claim:
        claim = await super().claim(partition)
        return replace(claim, mark=replace(claim.mark, recent=b""))


class NewestIsTheLargest(Ledger):
    """A partition has got as far as its newest event."""

    async def commit(self, batch: DecodedBatch, delta: Delta) -> tuple[Answer, str]:
        newest = max((event.occurred_ms for event in batch.events), default=0)
        mark = batch.mark
        if mark.newest_ms is not None and newest > mark.newest_ms:
            mark = replace(mark, newest_ms=newest, rose_ms=batch.last_record_ms)
        return await super().commit(replace(batch, mark=mark), delta)


class RisesWithEveryRecord(Ledger):
    """Broken and late records keep a partition from being idle."""

    async def commit(self, batch: DecodedBatch, delta: Delta) -> tuple[Answer, str]:
        return await super().commit(replace(batch, mark=replace(batch.mark, rose_ms=batch.mark.seen_ms)), delta)


class TakesTheEndsForReached(Ledger):
    """Whatever Kafka's ends are, all of it counts as read."""

    async def cut(self, lease: Lease, force: bool, ends: Any = ()) -> Any:
        return await super().cut(lease, force, dict.fromkeys(range(lease.partitions), 0))


class UsersAfterPublish(Ledger):
    """A step's users are merged when it is published already."""

    async def merge_users(self, step: CutStep, stream_ms: int | None, scratch_s: int | None = None) -> None:
        self._stream_ms = stream_ms
        await self.redis.hset(self.keys.ledger, "merged", step.number)

    async def publish(self, lease: Lease, step: CutStep, writes: Any) -> Answer:
        answer = await super().publish(lease, step, writes)
        await super().merge_users(step, self._stream_ms)
        return answer


class PublishesInParts(Ledger):
    """The outbox is written by a request of its own, after the step."""

    async def publish(self, lease: Lease, step: CutStep, writes: Any) -> Answer:
        writes = list(writes)
        outbox = [write for write in writes if write[:2] == ["XADD", self.keys.outbox]]
        answer = await super().publish(lease, step, [write for write in writes if write not in outbox])
        with translated_errors(self.url):
            for write in outbox:
                await self.redis.xadd(*write[1:])
        return answer


# --- source, committer, leader ----------------------------------------------------------------------------------------


class BlindSource(Source):
    """Does not look whether Redis went back in time."""

    async def look_at_ledger(self) -> None:
        return None


class TrustingSource(Source):
    """Takes whatever offset a fetch begins with."""

    async def _take(self, partition: Any, records: Any) -> None:
        if state := self._assigned.get(partition.partition):
            state.settled = True
        await super()._take(partition, records)


class StaysBeforeMarkers(Source):
    """Offsets that hold no record are not passed."""

    async def _position(self, partition: Any, unknown: int) -> int:
        return unknown


class PassesToTheEnd(Source):
    """Where nothing was fetched, everything up to the log's end counts as read."""

    async def _position(self, partition: Any, unknown: int) -> int:
        return (await self._consumer.end_offsets([partition]))[partition]  # type: ignore[union-attr,no-any-return]


class IgnoresRefusals(Committer):
    """Any answer is success."""

    async def _commit_once(self, scored: ScoredBatch, delta: Delta) -> tuple[str, str]:
        await super()._commit_once(scored, delta)
        return "OK", ""


class DropsRefused(Committer):
    """A refused batch is dropped, and the partition not claimed anew."""

    async def _commit(self, scored: ScoredBatch) -> None:
        claim_again, self._source.claim_again = self._source.claim_again, nothing  # type: ignore[method-assign]
        try:
            await super()._commit(scored)
        finally:
            self._source.claim_again = claim_again  # type: ignore[method-assign]


async def nothing(position: Position) -> None:
    """Do nothing."""


class CommitsBeforeSending(Committer):
    """Dead letters and what the model said are sent after the commit."""

    async def _commit(self, scored: ScoredBatch) -> None:
        held, outbound = Held(), self._deps.outbound
        self._deps = replace(self._deps, outbound=held)  # type: ignore[arg-type]
        await super()._commit(scored)
        self._deps = replace(self._deps, outbound=outbound)
        for letters in held.letters:
            await self._patiently(lambda: outbound.dead_letters(letters), "dead letters")  # noqa: B023
        for records in held.records:
            await self._patiently(lambda: outbound.classified(records), "classified")  # noqa: B023


class Held:
    """Keeps what is to be sent."""

    def __init__(self) -> None:
        self.letters: list[Any] = []
        self.records: list[Any] = []

    async def dead_letters(self, letters: Sequence[Any]) -> None:
        self.letters.append(letters)

    async def classified(self, records: Sequence[Any]) -> None:
        self.records.append(records)


class TrimsFirst(Leader):
    """The outbox is trimmed before Kafka has acknowledged."""

    async def _relay(self) -> None:
        while entries := await self._deps.ledger.read_outbox(OUTBOX_SLICE):
            await self._deps.ledger.trim_outbox(entries)
            await self._deps.outbound.relay(entries)


class KeepsHalfSteps(Leader):
    """What a failed step left in memory is kept."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "_rollup" or value is not None or not hasattr(self, name):
            super().__setattr__(name, value)


class TrustsItsMemory(Leader):
    """Does not compare the step it cut with the one that its memory holds."""

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, AnyNumber() if name == "_published" else value)


class NeverRenews(Leader):
    """The lease runs out while a step is under way."""

    async def _still(self, lease: Lease) -> bool:
        return True


class RunsWithTheClock(Leader):
    """While nothing is committed stream time goes on as the clock does, as it did before."""

    async def _outcome(self, rollup: Any, step: CutStep, *rest: Any) -> Any:
        idle = {number: replace(one, rose_ms=0, seen_ms=step.now_ms) for number, one in step.partitions.items()}
        outcome, writes = await super()._outcome(rollup, replace(step, partitions=idle), *rest)
        return outcome, writes


class AnyNumber(int):
    """Equal to every other."""

    def __add__(self, other: int) -> "AnyNumber":
        return self

    def __ne__(self, other: object) -> bool:
        return False


MUTANTS = (
    Mutant("no claim check", make_store=with_scripts({"commit": commit_without_claim_check}), seed=3),
    Mutant("a claim raises no number", make_store=with_scripts({"claim": claim_that_raises_no_number})),
    Mutant("no start check", make_store=with_scripts({"commit": commit_without_start_check}), seed=83),
    Mutant(
        "a repeated batch counts again",
        make_store=with_scripts({"commit": commit_that_counts_a_repeated_batch}),
        seed=8,
    ),
    Mutant("offset moved first", Parts(ledger=OffsetFirst)),
    Mutant("counts moved first", Parts(ledger=CountsFirst)),
    Mutant("error after the n-th write, tried again", Parts(ledger=RetriesBrokenScripts), fails_after_some_writes),
    Mutant("ids seen not restored", Parts(ledger=ForgetsIds), seed=2),
    Mutant(
        "refusal treated as success, never looked at",
        Parts(committer=IgnoresRefusals, source=BlindSource),
        without=("redis restored",),
        seed=72,
    ),
    Mutant("refused batch dropped, not claimed anew", Parts(committer=DropsRefused), seed=190),
    Mutant("sent after the commit", Parts(committer=CommitsBeforeSending)),
    Mutant("a fetch's begin is trusted", Parts(source=TrustingSource), seed=1),
    Mutant("markers are not passed", Parts(source=StaysBeforeMarkers), seed=1),
    Mutant("passed to the end of the log", Parts(source=PassesToTheEnd), seed=2),
    Mutant("a marker taken for the last record", Parts(ledger=TakesMarkersForRecords), seed=4),
    Mutant("event times not restored", Parts(ledger=ForgetsRecentTimes), seed=4),
    Mutant("newest is the largest", Parts(ledger=NewestIsTheLargest), seed=20),
    Mutant("every record keeps a partition awake", Parts(ledger=RisesWithEveryRecord)),
    Mutant("unread records count as read", Parts(ledger=TakesTheEndsForReached)),
    Mutant("ends count as asked for at the cut", make_store=leases(cut_that_dates_the_ends), seed=20),
    Mutant("stream time runs with the clock", Parts(leader=RunsWithTheClock)),
    Mutant("the lease is not renewed", Parts(leader=NeverRenews), seed=116),
    Mutant("one name is one holder", make_store=with_scripts({"lease": lease_without_nonce})),
    Mutant(
        "one name is one holder, to cut and publish too",
        make_store=with_scripts(
            {"lease": lease_without_nonce, "cut": under_any_lease(cut), "publish": under_any_lease(publish)}
        ),
        seed=13,
    ),
    Mutant("rewind not looked for", Parts(source=BlindSource), seed=67),
    Mutant(
        "published before it is cut", make_store=leases(cut_that_leaves_the_step_open, publish_of_an_open_step), seed=3
    ),
    Mutant("step number not checked", make_store=leases(publish=publish_without_step_check), seed=198),
    Mutant("zombie lease holder accepted", make_store=leases(under_any_lease(cut), under_any_lease(publish)), seed=19),
    Mutant(
        "lease number given again", make_store=with_scripts({"lease": lease_that_counts_from_what_is_stored}), seed=12
    ),
    Mutant("half a step kept in memory", Parts(leader=KeepsHalfSteps), seed=7),
    Mutant("step in memory not compared", Parts(leader=TrustsItsMemory), seed=289),
    Mutant("users merged after the publish", Parts(ledger=UsersAfterPublish)),
    Mutant("outbox written apart from the step", Parts(ledger=PublishesInParts)),
    Mutant("trimmed before relayed", Parts(leader=TrimsFirst)),
)
