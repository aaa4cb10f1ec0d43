"""The word that decides is named."""

from collections.abc import Sequence

import numpy as np
import pytest

from models.classifier import Predictions
from models.explain import explain, surest
from models.stub import StubClassifier


class Spiteful(StubClassifier):
    """Negative exactly where a bad word stands."""

    def classify(self, texts: Sequence[str], languages: Sequence[str | None]) -> Predictions:
        bad = np.array([("awful" in text) or ("差" in text) for text in texts])
        sentiment = np.where(bad[:, None], [0.9, 0.05, 0.05], [0.1, 0.1, 0.8]).astype(np.float32)
        return Predictions(sentiment, super().classify(texts, languages).topic)


@pytest.mark.parametrize(
    ("text", "word", "count"),
    [("the app is awful, really", "awful,", 5), ("质量差", "差", 3), ("don't buy: awful", "awful", 3)],
)
def test_the_deciding_word_weighs_most(text: str, word: str, count: int) -> None:
    """Words between spaces, characters where there are none; the others weigh nothing."""
    label, words = explain(Spiteful(), text)
    assert ("negative", count) == (label, len(words))
    assert (word, pytest.approx(0.8)) == surest(words)[0]
    assert 1 == sum(abs(one.weight) > 0.01 for one in words)
