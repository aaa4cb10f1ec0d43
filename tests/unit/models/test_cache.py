"""The cache answers as the classifier does, asks it once per text, and stays within its bound."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.cache import CachedClassifier
from models.classifier import Predictions
from models.stub import StubClassifier


class Counting(StubClassifier):
    """Remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.expected: list[str] = []

    def classify(self, texts: Sequence[str], languages: Sequence[str | None]) -> Predictions:
        self.asked += texts
        return super().classify(texts, languages)

    def prefetch(self, texts: Sequence[str], languages: Sequence[str | None]) -> None:
        self.expected += texts


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=12), max_size=8), st.integers(1, 20))
def test_answers_are_the_classifiers_own(batches: list[list[str]], most: int) -> None:
    """Whatever repeats within a batch or between batches, and however little is remembered."""
    cached = CachedClassifier(Counting(), most)
    for texts in batches:
        answer = cached.classify(texts, [None] * len(texts))
        expected = StubClassifier().classify(texts, [None] * len(texts))
        assert np.array_equal(answer.sentiment, expected.sentiment)
        assert np.array_equal(answer.topic, expected.topic)
        assert len(cached._known) <= most


def test_a_repeated_text_is_classified_once_per_language() -> None:
    """The language's calibration is part of the answer; `pt-BR` and `pt` share one."""
    counting = Counting()
    cached = CachedClassifier(counting, 100)
    cached.classify(["a", "a", "b"], ["pt", "pt-BR", None])
    cached.classify(["a", "b", "a"], ["pt", None, "en"])
    assert ["a", "b", "a"] == counting.asked
    assert (6, 3) == (cached.asked, cached.hits)


def test_the_least_recently_used_is_forgotten() -> None:
    """A text that keeps coming stays."""
    counting = Counting()
    cached = CachedClassifier(counting, 2)
    for text in "abacada":
        cached.classify([text], [None])
    assert list("abcd") == counting.asked


def test_only_texts_that_are_not_remembered_are_looked_ahead_for() -> None:
    """A remembered text needs no tokens."""
    counting = Counting()
    cached = CachedClassifier(counting, 100)
    cached.classify(["a"], [None])
    cached.prefetch(["a", "b", "a"], [None, None, "en"])
    assert ["b", "a"] == counting.expected


def test_what_texts_are_remembered_by_differs_from_process_to_process() -> None:
    """Texts that were made to share an answer in one share none in another."""
    one, other = (CachedClassifier(Counting(), 5) for _ in range(2))
    for cached in (one, other):
        cached.classify(["a text"], ["en"])
    assert not one._known.keys() & other._known.keys()
