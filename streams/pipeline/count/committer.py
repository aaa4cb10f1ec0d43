"""Scored batches into the ledger."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from marketpulse.contract.topics import topic_name
from marketpulse.errors import LedgerFull
from streams.batches import Delta
from streams.errors import LedgerRewound
from streams.pipeline.classify.classified import classified_records
from streams.pipeline.classify.scored_batches import ScoredBatch
from streams.pipeline.count.aggregate import QUICK_CHARACTERS, aggregate, characters
from streams.pipeline.ingest.source import Source
from streams.pipeline.off_loop import off_loop
from streams.pipeline.retry import NotWanted, Result, always, patiently
from streams.telemetry.logs import get_logger
from streams.worker.deps import Deps

log = get_logger("worker")


class Committer:
    """Commits scored batches: dead letters first, then counts and offset in one script."""

    def __init__(self, deps: Deps, source: Source) -> None:
        self._deps = deps
        self._source = source
        self._hints: dict[int, float] = {}
        self._feedback = topic_name(deps.settings.prefix, "feedback")

    async def commit(self, scored: ScoredBatch) -> None:
        """Commit one batch, waiting while Kafka or Redis is away; a fenced batch is dropped.

        Raises:
            LedgerRewound, LedgerLost, LedgerBroken: this process cannot go on.
        """
        traces, batch = self._deps.telemetry.traces, scored.batch
        with traces.inside(batch.span):
            try:
                await self._commit(scored)
            except NotWanted:
                # Taken from this worker while it waited: whoever has the partition now reads the batch again.
                self._deps.telemetry.answered("not_held")
        traces.end(batch.span, partition=batch.position.partition, start=batch.position.start, end=batch.position.end)
        self._deps.progress.finished()

    async def _commit(self, scored: ScoredBatch) -> None:
        position = scored.batch.position
        telemetry = self._deps.telemetry

        def held() -> bool:
            return self._source.holds(position)

        if not held():
            raise NotWanted("commit")
        await self._deps.failpoint("scored")
        if scored.batch.dead_letters:
            with telemetry.stage("dead_letters"):
                letters = scored.batch.dead_letters
                await self._patiently(lambda: self._deps.outbound.dead_letters(letters), "dead letters", held)
        if self._deps.settings.classified and scored.batch.events:
            with telemetry.stage("classified"):
                records = classified_records(scored, self._feedback, self._deps.classifier.info, self._deps.hashes)
                await self._patiently(lambda: self._deps.outbound.classified(records), "classified", held)
        deps = self._deps
        with telemetry.stage("aggregate"):
            large = deps.settings.excerpts and characters(scored) > QUICK_CHARACTERS
            delta = await off_loop(
                large, aggregate, scored, deps.layout, deps.hashes, deps.now_ms(), deps.settings.excerpts
            )
        answer, detail = await self._patiently(lambda: self._commit_once(scored, delta), "commit", held)
        if answer in ("OK", "ALREADY"):
            self._source.committed(position)
            deps.progress.counted(position)
            telemetry.counted(scored.batch, deps.now_ms())
            await self._deps.failpoint("committed")
            await self._hint(scored)
        elif answer == "REWOUND":
            await self._deps.ledger.count("rewinds")
            raise LedgerRewound(
                f"partition {position.partition}: the ledger stands at {detail}, before this batch's start "
                f"{position.start}: Redis was restored to an older state; restarting from the ledger's offset."
            )
        else:
            log.warning("commit_refused", answer=answer, partition=position.partition, start=position.start)
            await self._deps.ledger.count("fenced_commits")
            await self._source.claim_again(position)

    async def _patiently(
        self, work: Callable[[], Awaitable[Result]], what: str, wanted: Callable[[], bool] = always
    ) -> Result:
        return await patiently(work, what, self._deps.progress, wanted)

    async def _commit_once(self, scored: ScoredBatch, delta: Delta) -> tuple[str, str]:
        await self._deps.failpoint("committing")
        with self._deps.telemetry.stage("commit"):
            answer, detail = await self._deps.ledger.commit(scored.batch, delta)
        self._deps.telemetry.answered(answer)
        if answer == "FULL":
            raise LedgerFull(f"the ledger is at a bound: {detail}")
        return answer, detail

    async def _hint(self, scored: ScoredBatch) -> None:
        """Commit the group offset about once a second per partition; a failure only ages lag displays."""
        number, now = scored.batch.position.partition, asyncio.get_running_loop().time()
        if now - self._hints.get(number, 0.0) > 1.0:
            self._hints[number] = now
            with contextlib.suppress(Exception):
                await self._source.commit_hint(scored.batch.position)
