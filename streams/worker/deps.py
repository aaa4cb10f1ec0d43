"""The work behind the agents: classify a batch, commit it, roll up, reallocate. No Faust in here."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TypeVar

import msgspec
import numpy as np
import tenacity
from numpy.typing import NDArray

from marketpulse.contract.keys import TableKeys
from marketpulse.contract.portfolio import Portfolio
from marketpulse.contract.records import AllocationRecord, ShiftRecord
from marketpulse.contract.topics import topic_name
from models.classifier import Classifier, Predictions
from models.errors import BadOutput
from streams.batches import DeadLetter, DecodedBatch, Delta
from streams.contract.rules import Rules
from streams.errors import LedgerFull, LedgerRewound, Unavailable
from streams.kafka.outbound import Outbound
from streams.ledger.commit import Ledger
from streams.pipeline.classify.classified import classified_records
from streams.pipeline.classify.scored_batches import ScoredBatch
from streams.pipeline.count.aggregate import aggregate
from streams.pipeline.count.cells import CellLayout
from streams.pipeline.failpoints import Failpoint, no_failpoint
from streams.pipeline.ingest.batching import dead_letter
from streams.pipeline.ingest.source import Source
from streams.pipeline.operators.mutes import Mutes
from streams.pipeline.operators.profiles import Profiles
from streams.pipeline.reallocate.answer import answer_of
from streams.pipeline.rollup.rewind import FindUndone, find_undone
from streams.pipeline.rollup.step_writes import allocation_writes
from streams.privacy.user_hashes import UserHashes
from streams.settings import Settings
from streams.telemetry.logs import get_logger
from streams.telemetry.progress import Progress
from streams.telemetry.tracing import exported_traces
from streams.telemetry.worker import Telemetry
from streams.worker.collector import WorkerCollector

log = get_logger("worker")
Result = TypeVar("Result")
PROFILES_WAIT_S = 30.0


def epoch_ms() -> int:
    """The clock of this machine."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True)
class Deps:
    """What the agents work with; tests pass fakes of the same shape."""

    settings: Settings
    ledger: Ledger
    outbound: Outbound
    classifier: Classifier
    profiles: Profiles
    mutes: Mutes
    layout: CellLayout
    hashes: UserHashes
    candidate: Classifier | None = None
    failpoint: Failpoint = no_failpoint
    now_ms: Callable[[], int] = epoch_ms
    progress: Progress = field(default_factory=Progress)
    find_undone: FindUndone = find_undone
    telemetry: Telemetry = field(default_factory=Telemetry)
    rules: Rules = field(default_factory=Rules)


def make_deps(
    settings: Settings,
    classifier: Classifier,
    portfolio: Portfolio,
    candidate: Classifier | None = None,
    failpoint: Failpoint = no_failpoint,
    rules: Rules = Rules(),
) -> Deps:
    """The real dependencies of a worker; nothing is connected yet. Raises OperatorNeeded: traces without the extra."""
    traces = exported_traces(settings.prefix) if settings.traces else None
    deps = Deps(
        settings=settings,
        ledger=Ledger(settings.redis, settings.prefix),
        outbound=Outbound(settings.kafka_servers, settings.prefix),
        classifier=classifier,
        profiles=Profiles(portfolio),
        mutes=Mutes(),
        layout=CellLayout(classifier.info.topics, classifier.info.sentiments, tuple(classifier.info.languages)),
        hashes=settings.user_hashes,
        candidate=candidate,
        failpoint=failpoint,
        telemetry=Telemetry(traces),
        rules=rules,
    )
    deps.telemetry.registry.register(
        WorkerCollector(deps.telemetry, deps.progress, classifier, settings.stall_seconds, deps.now_ms)
    )
    return deps


async def patiently(work: Callable[[], Awaitable[Result]], what: str, progress: Progress) -> Result:
    """Try retriable work until it is done, with growing pauses; whoever cancels the task ends the trying."""

    def say(state: tenacity.RetryCallState) -> None:
        progress.waits(what)
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, Unavailable):
            progress.failed(error.server)
        if state.attempt_number in (1, 5) or state.attempt_number % 30 == 0:
            log.warning("waiting", what=what, attempt=state.attempt_number, error=str(error))

    retrying = tenacity.AsyncRetrying(
        wait=tenacity.wait_exponential_jitter(multiplier=0.05, max=2.0),
        retry=tenacity.retry_if_exception_type(Unavailable),
        before_sleep=say,
    )
    try:
        async for attempt in retrying:
            with attempt:
                return await work()
    finally:
        progress.goes_on(what)
    raise AssertionError("retries never end")


class Scorer:
    """Runs the model in its own thread: decoding and committing go on beside it."""

    def __init__(self, deps: Deps, source: Source) -> None:
        self._classifier = deps.classifier
        self._candidate = deps.candidate
        self._source = source
        self._telemetry = deps.telemetry
        self._most = deps.settings.batch_records
        self._target_s = deps.settings.batch_target_seconds
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._ahead = ThreadPoolExecutor(1, thread_name_prefix="tokenizer")

    def look_ahead(self, batch: DecodedBatch) -> None:
        """Tokenise a batch while the model is busy with the one before."""
        if batch.events:
            self._ahead.submit(self._classifier.prefetch, *_asked(batch))

    async def score(self, batch: DecodedBatch) -> ScoredBatch:
        """Classify one batch; texts on which the model fails go to the dead letters."""
        if not batch.events:
            empty = np.zeros((0, 1), np.float32)
            return ScoredBatch(batch, empty, empty)
        loop = asyncio.get_running_loop()
        started = loop.time()
        with self._telemetry.traces.inside(batch.span), self._telemetry.stage("classify"):
            try:
                predictions = await loop.run_in_executor(self._thread, self._classify, batch)
            except BadOutput:
                batch, predictions = await loop.run_in_executor(self._thread, self._one_by_one, batch)
        shadow = await loop.run_in_executor(self._thread, self._shadow, batch)
        self._pace(len(batch.events), loop.time() - started)
        return ScoredBatch(batch, predictions.sentiment, predictions.topic, shadow, predictions.unknown)

    def _shadow(self, batch: DecodedBatch) -> NDArray[np.int64] | None:
        """Labels of the candidate; None without one, or where it fails: that costs the batch nothing."""
        if self._candidate is None or not batch.events:
            return None
        try:
            with self._telemetry.stage("shadow"):
                answered = self._candidate.classify(*_asked(batch))
        except BadOutput as error:
            log.error("candidate_failed", error=str(error))
            return None
        labels: NDArray[np.int64] = answered.sentiment.argmax(axis=1)
        return labels

    def _classify(self, batch: DecodedBatch) -> Predictions:
        return self._classifier.classify(*_asked(batch))

    def _one_by_one(self, batch: DecodedBatch) -> tuple[DecodedBatch, Predictions]:
        kept, sentiment, topic = [], [], []
        letters: list[DeadLetter] = []
        for at, event in enumerate(batch.events):
            try:
                one = self._classifier.classify([event.text], [event.lang])
            except BadOutput as error:
                letters.append(dead_letter(batch.records[at], "model_failed", str(error)))
                continue
            kept.append(at)
            sentiment.append(one.sentiment)
            topic.append(one.topic)
        reduced = replace(
            batch,
            events=[batch.events[at] for at in kept],
            records=[batch.records[at] for at in kept],
            dead_letters=[*batch.dead_letters, *letters],
        )
        width = len(self._classifier.info.topics)
        return reduced, Predictions(
            np.concatenate(sentiment) if kept else np.zeros((0, 3), np.float32),
            np.concatenate(topic) if kept else np.zeros((0, width), np.float32),
        )

    def _pace(self, events: int, seconds: float) -> None:
        """Aim at batches that take the target time: small ones for a slow model, full ones for a fast one."""
        wanted = events / max(seconds, 1e-6) * self._target_s
        smoothed = 0.7 * self._source.records_per_batch + 0.3 * wanted
        self._source.records_per_batch = int(min(max(smoothed, 32), self._most))


def _asked(batch: DecodedBatch) -> tuple[list[str], list[str | None]]:
    return [event.text for event in batch.events], [event.lang for event in batch.events]


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
            await self._commit(scored)
        traces.end(batch.span, partition=batch.position.partition, start=batch.position.start, end=batch.position.end)
        self._deps.progress.finished()

    async def _commit(self, scored: ScoredBatch) -> None:
        position = scored.batch.position
        telemetry = self._deps.telemetry
        if not self._source.holds(position):
            telemetry.answered("not_held")
            return
        await self._deps.failpoint("scored")
        if scored.batch.dead_letters:
            with telemetry.stage("dead_letters"):
                letters = scored.batch.dead_letters
                await self._patiently(lambda: self._deps.outbound.dead_letters(letters), "dead letters")
        if self._deps.settings.classified and scored.batch.events:
            with telemetry.stage("classified"):
                records = classified_records(scored, self._feedback, self._deps.classifier.info, self._deps.hashes)
                await self._patiently(lambda: self._deps.outbound.classified(records), "classified")
        deps = self._deps
        with telemetry.stage("aggregate"):
            delta = aggregate(scored, deps.layout, deps.hashes, deps.now_ms(), deps.settings.excerpts)
        answer, detail = await self._patiently(lambda: self._commit_once(scored, delta), "commit")
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
                f"{position.start}: Redis went back in time. The process starts anew from there."
            )
        else:
            log.warning("commit_refused", answer=answer, partition=position.partition, start=position.start)
            await self._deps.ledger.count("fenced_commits")
            await self._source.claim_again(position)

    async def _patiently(self, work: Callable[[], Awaitable[Result]], what: str) -> Result:
        return await patiently(work, what, self._deps.progress)

    async def _commit_once(self, scored: ScoredBatch, delta: Delta) -> tuple[str, str]:
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


class Reallocator:
    """Answers one shift with one allocation, in its own thread; a failure keeps the previous one."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._tables = TableKeys(deps.settings.prefix)

    async def reallocate(self, shift: ShiftRecord) -> AllocationRecord | None:
        """Solve for a shift and store the answer; None if this shift or a newer one was answered already."""
        previous = await patiently(self._previous, "previous allocation", self._deps.progress)
        portfolio = await self._portfolio(shift)
        with self._deps.telemetry.stage("allocate"):
            record = await asyncio.to_thread(answer_of, shift, portfolio, previous)
        if record.status == "failed":
            log.error("allocation_failed", shift=shift.id, error=record.why)
        writes = allocation_writes(self._deps.ledger, self._deps.settings.prefix, record)
        stored = await patiently(
            lambda: self._deps.ledger.store_allocation(shift.seq, writes), "allocation", self._deps.progress
        )
        log.info(
            "allocated", id=record.id, cause=record.cause, market=record.market, status=record.status, stored=stored
        )
        if stored:
            self._deps.telemetry.allocated(record.status)
        return record if stored else None

    async def _previous(self) -> AllocationRecord | None:
        content = await self._deps.ledger.get(self._tables.allocation)
        return None if content is None else msgspec.json.decode(content, type=AllocationRecord)

    async def _portfolio(self, shift: ShiftRecord) -> Portfolio:
        """The profiles that were in force at the shift's step, once this worker has read so far."""
        profiles = self._deps.profiles
        deadline = time.monotonic() + PROFILES_WAIT_S
        while profiles.next_offset < shift.profiles and time.monotonic() < deadline:  # noqa: ASYNC110 - a pure class
            await asyncio.sleep(0.05)
        if profiles.next_offset < shift.profiles:
            log.error("profiles_behind", shift=shift.id, wanted=shift.profiles, read=profiles.next_offset)
        return profiles.at(shift.profiles)
