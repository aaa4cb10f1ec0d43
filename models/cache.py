"""Answers to texts that repeat: an exact-match cache, bounded, in front of any classifier."""

import secrets
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xxhash
from numpy.typing import NDArray

from models.classifier import Classifier, ModelInfo, Predictions
from models.language.tags import primary_language

Row = NDArray[np.float32]


class Answer(NamedTuple):
    """What was answered to one text: a row of `Predictions`."""

    sentiment: Row
    topic: Row
    unknown: float
    language: str
    detected: str


class CachedClassifier:
    """Classifies each (text, language) once while it is remembered; the least recently used is forgotten.

    A cached answer is the classifier's own: it depends on nothing but text and language. Called from one thread.
    """

    def __init__(self, classifier: Classifier, most: int) -> None:
        self._classifier = classifier
        self._most = most
        self._seed = secrets.randbits(64)  # nobody can make two texts that share an answer
        self._known: OrderedDict[bytes, Answer] = OrderedDict()
        self.asked = 0
        self.hits = 0

    @property
    def info(self) -> ModelInfo:
        """What the model behind is."""
        return self._classifier.info

    def classify(self, texts: Sequence[str], languages: Sequence[str | None]) -> Predictions:
        """Probabilities of each text, in the order given. Raises BadOutput."""
        keys = [self._key(text, language) for text, language in zip(texts, languages, strict=True)]
        fresh: dict[bytes, int] = {}
        for at, key in enumerate(keys):
            if key not in self._known:
                fresh.setdefault(key, at)
        rows = list(fresh.values())
        answered = self._classifier.classify([texts[row] for row in rows], [languages[row] for row in rows])
        strange = np.zeros(len(rows), np.float32) if answered.unknown is None else answered.unknown
        answers = zip(
            answered.sentiment, answered.topic, strange.tolist(), answered.languages, answered.detected, strict=True
        )
        self._known.update(zip(fresh, map(Answer._make, answers), strict=True))
        self.asked += len(keys)
        self.hits += len(keys) - len(rows)
        info = self._classifier.info
        sentiment = np.empty((len(keys), len(info.sentiments)), np.float32)
        topic = np.empty((len(keys), len(info.topics)), np.float32)
        unknown = np.empty(len(keys), np.float32)
        used, detected = [""] * len(keys), [""] * len(keys)
        for row, key in enumerate(keys):
            self._known.move_to_end(key)
            sentiment[row], topic[row], unknown[row], used[row], detected[row] = self._known[key]
        while len(self._known) > self._most:
            self._known.popitem(last=False)
        return Predictions(sentiment, topic, unknown, used, detected)

    def prefetch(self, texts: Sequence[str], languages: Sequence[str | None]) -> None:
        """Hand the hint on for texts that are not remembered."""
        pairs = list(zip(texts, languages, strict=True))
        fresh = [one for one in pairs if self._key(*one) not in self._known]
        self._classifier.prefetch([text for text, _ in fresh], [language for _, language in fresh])

    def _key(self, text: str, language: str | None) -> bytes:
        content = f"{primary_language(language)}\n{text}".encode("utf-8", "surrogatepass")
        return xxhash.xxh3_128_digest(content, self._seed)
