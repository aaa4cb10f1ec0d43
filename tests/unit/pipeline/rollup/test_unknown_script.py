"""A flood in a script that the model's tokenizer does not know: counted and published, and no surge."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import models
from marketpulse.contract.decode import Decoded
from marketpulse.contract.records import AlertRecord
from models.cache import CachedClassifier
from models.onnx import load_onnx_classifier
from streams.batches import DecodedBatch, Position, SourceMark
from streams.ledger.types import CutStep, PartitionCut
from streams.pipeline.classify.scored_batches import ScoredBatch
from streams.pipeline.count.aggregate import aggregate
from streams.pipeline.count.cells import CellLayout
from streams.pipeline.rollup.leader import measured_confusion
from streams.pipeline.rollup.step import RollUp
from streams.pipeline.rollup.step_record import Spending, StepContext
from streams.privacy.user_hashes import UserHashes

CONTEXT = StepContext(Spending({}, {}, 2000.0, (0.25, 0.25, 0.25, 0.25)), "m")
START = 29_880_000  # a minute, at a full hour
QUIET_MINUTES, FLOOD_MINUTES = 120, 20
BAD, GOOD = "Sehr schlecht, nie wieder", "Sehr gut, schnelle Lieferung!"
SENTENCES = json.loads((Path(__file__).parents[3] / "data" / "languages.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def classifier() -> CachedClassifier:
    folder = Path(models.__file__).parent / "artifacts" / "marketpulse-small"
    return CachedClassifier(load_onnx_classifier(folder, "cpu", 1), 1_000)


@pytest.fixture(scope="module")
def unknown_script(classifier: CachedClassifier) -> list[str]:
    """Sentences of other scripts that are answered negative though the model has no piece for most of their words."""
    texts = [text for lang in ("am", "he", "hy", "ka", "ko", "ta", "te", "th") for text in SENTENCES[lang]]
    answer = classifier.classify(texts, [None] * len(texts))
    negative = answer.sentiment.argmax(axis=1) == 0
    return [text for text, counts in zip(texts, answer.unmeasured & negative, strict=True) if counts]


def replayed(
    classifier: CachedClassifier, flood: Sequence[str], tells: bool = True
) -> tuple[RollUp, list[AlertRecord]]:
    """Two hours of a market with one complaint in five, then as much again of the flood; its surges.

    `tells`: the model says what of a text is unknown to it.
    """
    info = classifier.info
    layout = CellLayout(info.topics, info.sentiments, tuple(info.languages))
    rollup, found = RollUp(layout, idle_ms=30_000, confusion=measured_confusion(info)), []
    for at in range(QUIET_MINUTES + FLOOD_MINUTES):
        texts = [BAD] * 4 + [GOOD] * 16 + [flood[n % len(flood)] for n in range(20)] * (at >= QUIET_MINUTES)
        scored = _scored(classifier, texts, (START + at) * 60_000)
        counts = aggregate(scored if tells else replace(scored, unmeasured=None), layout, UserHashes(b"key")).counts
        now_ms = (START + at + 1) * 60_000
        cut = PartitionCut(at, now_ms - 1, rose_ms=now_ms, seen_ms=now_ms)
        step = CutStep(at + 1, now_ms, counts, {}, {0: cut})
        found += [one for one in rollup.decide(step, rollup.take(step), CONTEXT).alerts if one.kind == "surge"]
    return rollup, found


def _scored(classifier: CachedClassifier, texts: Sequence[str], occurred_ms: int) -> ScoredBatch:
    events = [Decoded(str(at), "DE", text, occurred_ms, None, None, None) for at, text in enumerate(texts)]
    records: list[Any] = [SimpleNamespace(partition=0, offset=at) for at in range(len(texts))]
    batch = DecodedBatch(Position(0, 1, "g", 0, len(texts)), events, records, [], 0, b"", 0, SourceMark(), 0, 0)
    answer = classifier.classify(texts, [None] * len(texts))
    return ScoredBatch(batch, answer.sentiment, answer.topic, languages=answer.languages, unmeasured=answer.unmeasured)


def test_a_flood_in_an_unknown_script_is_no_surge(classifier: CachedClassifier, unknown_script: list[str]) -> None:
    """Taken for measured it fires within minutes, for the market or its topics; it is counted all the same."""
    assert unknown_script
    assert "firing" in {one.state for one in replayed(classifier, unknown_script, tells=False)[1]}
    rollup, surges = replayed(classifier, unknown_script)
    assert [] == surges
    window = rollup.windows.window("DE", "1h", START + QUIET_MINUTES + FLOOD_MINUTES - 1)
    assert 20 * FLOOD_MINUTES == rollup.layout.read(window).unmeasured


def test_a_flood_of_complaints_still_is_one(classifier: CachedClassifier) -> None:
    """Of texts that the model can read."""
    assert "firing" in {one.state for one in replayed(classifier, [BAD])[1]}


def test_a_flood_does_not_hide_a_surge(classifier: CachedClassifier, unknown_script: list[str]) -> None:
    """What the detectors see of it is what they see without the flood."""
    mixed = [text for unknown in unknown_script for text in (unknown, BAD)]
    fired = [one for one in replayed(classifier, mixed)[1] if one.topic is None]
    assert ["firing"] == [one.state for one in fired]
