"""Thin Faust agents: classify, commit, roll_up, reallocate. Each returns the loop that Faust runs."""

from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Protocol

import msgspec

from marketpulse.contract.records import ShiftRecord
from marketpulse.contract.wire import UNREADABLE
from marketpulse.errors import Unavailable
from streams.batches import DecodedBatch
from streams.pipeline.classify.scored_batches import ScoredBatch
from streams.pipeline.classify.scorer import Scorer
from streams.pipeline.count.committer import Committer
from streams.pipeline.reallocate.reallocator import Reallocator
from streams.pipeline.rollup.leader import Leader
from streams.telemetry.logs import get_logger

log = get_logger("agents")


class Channel(Protocol):
    """The sending side of a bounded Faust channel; `put` waits while it is full."""

    def put(self, value: object) -> Awaitable[None]:
        """Append one value."""


def make_classify(scorer: Scorer, scored: Channel) -> Callable[[AsyncIterable[DecodedBatch]], Awaitable[None]]:
    """Decoded batches in, scored batches out; the next is classified while the last is committed."""

    async def classify(batches: AsyncIterable[DecodedBatch]) -> None:
        async for batch in batches:
            await scored.put(await scorer.score(batch))

    return classify


def make_commit(committer: Committer) -> Callable[[AsyncIterable[ScoredBatch]], Awaitable[None]]:
    """Scored batches into the ledger, one after the other."""

    async def commit(batches: AsyncIterable[ScoredBatch]) -> None:
        async for batch in batches:
            await committer.commit(batch)

    return commit


def make_roll_up(leader: Leader) -> Callable[[AsyncIterable[object]], Awaitable[None]]:
    """One roll-up step a tick, on whichever worker holds the lease."""

    async def roll_up(ticks: AsyncIterable[object]) -> None:
        async for _ in ticks:
            try:
                await leader.tick()
            except Unavailable as error:
                log.warning("step_waits", error=str(error))

    return roll_up


def make_reallocate(reallocator: Reallocator) -> Callable[[AsyncIterable[bytes]], Awaitable[None]]:
    """Shifts in, allocations out; a shift that was answered before changes nothing."""

    async def reallocate(shifts: AsyncIterable[bytes]) -> None:
        async for value in shifts:
            try:
                shift = msgspec.json.decode(value or b"", type=ShiftRecord)  # None: a tombstone, or unreadable
            except UNREADABLE as error:
                log.error("shift_unreadable", error=str(error))
                continue
            await reallocator.reallocate(shift)

    return reallocate
