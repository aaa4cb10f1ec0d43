"""How the counts of one bucket lie in an array, and their sums."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketpulse.contract.units import MICRO

Cells = NDArray[np.int64]


OTHER_LANGUAGE = "other"


class CellLayout:
    """What one bucket counts, as positions of an int64 vector; names are also the ledger's field names.

    `negative/quality` etc. count events by (sentiment, topic); `e/quality` sums the score e in micro-units;
    `e2` sums its square in micro-units; `with_user` counts events that name a user; `confidence` sums the largest
    probability and `unknown` the share of unknown pieces, in micro-units; `negative@pt` etc. count by (sentiment,
    language) for the languages whose confusion the model knows, and `@other` for the rest.
    """

    def __init__(
        self,
        topics: tuple[str, ...],
        sentiments: tuple[str, ...] = ("negative", "neutral", "positive"),
        languages: tuple[str, ...] = (),
    ) -> None:
        self.topics = topics
        self.sentiments = sentiments
        self.languages = (*languages, OTHER_LANGUAGE) if languages else ()
        self._language_number = {name: at for at, name in enumerate(self.languages)}
        self.names: tuple[str, ...] = (
            *(f"{sentiment}/{topic}" for sentiment in sentiments for topic in topics),
            *(f"e/{topic}" for topic in topics),
            "e2",
            "with_user",
            "confidence",
            "unknown",
            *(f"{sentiment}@{language}" for language in self.languages for sentiment in sentiments),
        )
        self._index = {name: at for at, name in enumerate(self.names)}
        self.size = len(self.names)
        counted = len(sentiments) * len(topics)
        self.count_index = np.arange(counted).reshape(len(sentiments), len(topics))
        self.score_index = counted + np.arange(len(topics))
        by_language = len(self.languages) * len(sentiments)
        self.language_index = (self.size - by_language + np.arange(by_language)).reshape(-1, len(sentiments))

    def index(self, name: str) -> int:
        """Position of a cell; KeyError for an unknown name."""
        return self._index[name]

    def language_numbers(self, languages: Sequence[str]) -> Cells:
        """Number of each primary language within `languages`; the last one for any other."""
        other = len(self.languages) - 1
        known = self._language_number
        return np.fromiter((known.get(language, other) for language in languages), np.int64, len(languages))

    def zeros(self) -> Cells:
        """An empty bucket."""
        return np.zeros(self.size, np.int64)

    def read(self, cells: Cells) -> "Sums":
        """The sums a metric needs, from one vector."""
        counts = cells[self.count_index]
        labels = counts.sum(axis=1).tolist()
        return Sums(
            n=sum(labels),
            labels=dict(zip(self.sentiments, labels, strict=True)),
            sum_e=int(cells[self.score_index].sum()) / MICRO,
            sum_e2=int(cells[self._index["e2"]]) / MICRO,
            with_user=int(cells[self._index["with_user"]]),
            confidence=int(cells[self._index["confidence"]]) / MICRO,
            unknown=int(cells[self._index["unknown"]]) / MICRO,
        )

    def events(self, cells: Cells) -> int:
        """Number of events in one vector."""
        return int(cells[: self.count_index.size].sum())

    def by_language(self, cells: Cells) -> Cells:
        """Counts (languages, sentiments); no rows without languages."""
        counts: Cells = cells[self.language_index]
        return counts

    def by_topic(self, cells: Cells) -> "dict[str, TopicSums]":
        """Per topic with events: n, negatives and the sum of e."""
        counts = cells[self.count_index]
        n, negative, e = counts.sum(axis=0).tolist(), counts[0].tolist(), cells[self.score_index].tolist()
        return {topic: TopicSums(n[at], negative[at], e[at] / MICRO) for at, topic in enumerate(self.topics) if n[at]}


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over one window: n events, per label, of e and its square, with a user, of confidence, of unknown pieces."""

    n: int
    labels: dict[str, int]
    sum_e: float
    sum_e2: float
    with_user: int
    confidence: float = 0.0
    unknown: float = 0.0


@dataclass(frozen=True, slots=True)
class TopicSums:
    """Sums of one topic over one window."""

    n: int
    negative: int
    sum_e: float
