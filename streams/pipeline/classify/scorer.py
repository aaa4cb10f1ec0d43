"""The model at work: decoded batches in, scored batches out."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.classifier import Predictions
from models.errors import BadOutput
from streams.batches import DeadLetter, DecodedBatch
from streams.pipeline.classify.scored_batches import ScoredBatch
from streams.pipeline.ingest.decoding import dead_letter
from streams.pipeline.ingest.source import Source
from streams.telemetry.logs import get_logger
from streams.worker.deps import Deps

log = get_logger("worker")


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
        """Classify one batch; texts on which the model fails go to the dead letters.

        A batch whose partition was taken from this worker is passed on without: the committer drops it.
        """
        if not batch.events or not self._source.holds(batch.position):
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
        return ScoredBatch(
            batch,
            predictions.sentiment,
            predictions.topic,
            shadow,
            predictions.unknown,
            predictions.languages,
            predictions.detected,
            predictions.unmeasured,
        )

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
        kept: list[int] = []
        answers: list[Predictions] = []
        letters: list[DeadLetter] = []
        for at, event in enumerate(batch.events):
            try:
                one = self._classifier.classify([event.text], [event.lang])
            except BadOutput as error:
                letters.append(dead_letter(batch.records[at], "model_failed", str(error)))
                continue
            kept.append(at)
            answers.append(one)
        reduced = replace(
            batch,
            events=[batch.events[at] for at in kept],
            records=[batch.records[at] for at in kept],
            dead_letters=[*batch.dead_letters, *letters],
        )
        width = len(self._classifier.info.topics)
        unknown = [answer.unknown for answer in answers if answer.unknown is not None]
        return reduced, Predictions(
            np.concatenate([np.zeros((0, 3), np.float32), *(answer.sentiment for answer in answers)]),
            np.concatenate([np.zeros((0, width), np.float32), *(answer.topic for answer in answers)]),
            np.concatenate(unknown) if len(unknown) == len(answers) > 0 else None,
            languages=[language for answer in answers for language in answer.languages],
            detected=[language for answer in answers for language in answer.detected],
        )

    def _pace(self, events: int, seconds: float) -> None:
        """Aim at batches that take the target time: small ones for a slow model, full ones for a fast one."""
        wanted = events / max(seconds, 1e-6) * self._target_s
        smoothed = 0.7 * self._source.records_per_batch + 0.3 * wanted
        self._source.records_per_batch = int(min(max(smoothed, 32), self._most))


def _asked(batch: DecodedBatch) -> tuple[list[str], list[str | None]]:
    return [event.text for event in batch.events], [event.lang for event in batch.events]
