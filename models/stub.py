"""A classifier for engine benchmarks and fault tests: a pure function of the text that anyone can do again."""

import zlib
from collections.abc import Sequence

import numpy as np

from models.classifier import ModelInfo, Predictions
from models.labels import SENTIMENTS, TOPICS
from models.language.tags import primary_language


class StubClassifier:
    """With h = CRC-32 of the UTF-8 text: sentiment number h % 3, topic number (h // 3) % 12, both with certainty 1."""

    info = ModelInfo("stub", "0" * 64, "cpu", "none", SENTIMENTS, TOPICS)

    def classify(self, texts: Sequence[str], languages: Sequence[str | None]) -> Predictions:
        """One-hot probabilities of each text."""
        hashes = np.fromiter(
            (zlib.crc32(text.encode("utf-8", "surrogatepass")) for text in texts), np.int64, len(texts)
        )
        rows = np.arange(len(texts))
        sentiment = np.zeros((len(texts), len(SENTIMENTS)), np.float32)
        sentiment[rows, hashes % len(SENTIMENTS)] = 1.0
        topic = np.zeros((len(texts), len(TOPICS)), np.float32)
        topic[rows, hashes // len(SENTIMENTS) % len(TOPICS)] = 1.0
        spoken = [primary_language(tag) for tag in languages]
        return Predictions(sentiment, topic, languages=spoken, detected=[""] * len(texts))

    def prefetch(self, texts: Sequence[str], languages: Sequence[str | None]) -> None:
        """There is nothing to do ahead."""
