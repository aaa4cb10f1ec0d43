"""The language given and the one found travel apart; what calibrated an event is what it counts under."""

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from marketpulse.contract.decode import Decoded
from marketpulse.contract.records import ClassifiedRecord
from models.classifier import Classifier, Predictions
from models.errors import BadOutput
from models.stub import StubClassifier
from streams.batches import DecodedBatch, Position, SourceMark
from streams.pipeline.classify.classified import classified_records
from streams.pipeline.classify.scored_batches import ScoredBatch
from streams.pipeline.classify.scorer import Scorer
from streams.pipeline.count.aggregate import aggregate
from streams.pipeline.count.cells import CellLayout
from streams.privacy.user_hashes import UserHashes
from streams.settings import Settings
from streams.worker.deps import Deps

HASHES = UserHashes(b"key")
INFO = StubClassifier.info
TAGS = ["pt_BR", "EN-us", None, "whatever somebody wrote"]


class Linguist(StubClassifier):
    """Calibrates by the first two letters of each text and finds them in it; `fails`: only on several at once."""

    def __init__(self, fails: bool = False) -> None:
        self._fails = fails

    def classify(self, texts: Sequence[str], languages: Sequence[str | None]) -> Predictions:
        if self._fails and len(texts) > 1:
            raise BadOutput("NaN")
        found = [text[:2] for text in texts]
        return replace(super().classify(texts, languages), languages=found, detected=found)


def batch(texts: Sequence[str]) -> DecodedBatch:
    events = [Decoded(str(at), "BR", text, 60_000, None, TAGS[at], None) for at, text in enumerate(texts)]
    records: list[Any] = [SimpleNamespace(partition=0, offset=at) for at in range(len(texts))]
    return DecodedBatch(Position(0, 1, "g", 0, len(texts)), events, records, [], 0, b"", 0, SourceMark(), 0, 0)


async def scored(classifier: Classifier, *texts: str) -> ScoredBatch:
    deps = Deps(Settings(), None, None, classifier, None, None, None, None)  # type: ignore[arg-type]
    source: Any = SimpleNamespace(records_per_batch=100, holds=lambda _: True)
    return await Scorer(deps, source).score(batch(texts))


async def test_given_and_found_are_published_apart() -> None:
    """The given one in the form of BCP 47, and none where it is no tag; the one that was found beside it."""
    records = classified_records(await scored(Linguist(), "pt", "de", "fr", "  "), "t", INFO, HASHES)
    found = [msgspec.json.decode(value, type=ClassifiedRecord) for _, value in records]
    assert [("pt-BR", "pt"), ("en-US", "de"), (None, "fr"), (None, "  ")] == [
        (one.lang, one.lang_found) for one in found
    ]


async def test_a_model_that_finds_no_language_goes_by_the_given_one() -> None:
    """Nothing is found; what was given is read however it is written."""
    answer = await scored(StubClassifier(), "a", "b", "c", "d")
    assert ["pt", "en", "", ""] == list(answer.languages)
    records = classified_records(answer, "t", INFO, HASHES)
    assert [None] * 4 == [msgspec.json.decode(value, type=ClassifiedRecord).lang_found for _, value in records]


@pytest.mark.parametrize("fails", [False, True])
async def test_events_count_under_the_language_that_calibrated_them(fails: bool) -> None:
    """Not under the given one; also where a batch is classified text by text."""
    layout = CellLayout(INFO.topics, INFO.sentiments, ("de", "en", "pt"))
    counts = aggregate(await scored(Linguist(fails), "pt", "de", "fr"), layout, HASHES).counts
    languages = sorted(name.partition("@")[2] for name in counts if "@" in name)
    assert ["de", "other", "pt"] == languages


class Illiterate(Linguist):
    """Knows the pieces of texts that begin with a letter of ASCII alone."""

    def classify(self, texts: Sequence[str], languages: Sequence[str | None]) -> Predictions:
        unknown = np.array([float(not text.isascii()) for text in texts], np.float32)
        return replace(super().classify(texts, languages), unknown=unknown)


@pytest.mark.parametrize("fails", [False, True])
async def test_texts_of_unknown_pieces_are_published_and_counted_as_unmeasured(fails: bool) -> None:
    """Not under their language; also where a batch is classified text by text."""
    answer = await scored(Illiterate(fails), "pt", "แย่", "de")
    records = classified_records(answer, "t", INFO, HASHES)
    assert [False, True, False] == [
        msgspec.json.decode(value, type=ClassifiedRecord).unmeasured for _, value in records
    ]
    counts = aggregate(answer, CellLayout(INFO.topics, INFO.sentiments, ("de", "en", "pt")), HASHES).counts
    assert ["de", "pt", "unmeasured"] == sorted(name.partition("@")[2] for name in counts if "@" in name)
