"""How the counts of one bucket lie in an array, and their sums."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketpulse.contract.units import MICRO

Cells = NDArray[np.int64]


GENERAL_TOPIC = "general"
OTHER_LANGUAGE = "other"
UNMEASURED = "unmeasured"
"""Counted in place of a language: texts with more unknown pieces than the model was measured on."""


class CellLayout:
    """What one bucket counts, as positions of an int64 vector; names are also the ledger's field names.

    `negative/quality` etc. count events by (sentiment, topic); `e/quality` sums the score e in micro-units;
    `e2` sums its square in micro-units; `with_user` counts events that name a user; `confidence` sums the largest
    probability and `unknown` the share of unknown pieces, in micro-units; `negative@pt` etc. count by (sentiment,
    language) for the languages whose confusion the model knows, `@other` for the rest, and `@unmeasured` for texts in
    whatever language that are unmeasured. `negative~quality` etc. count these once more, by (sentiment, topic): a step
    brings them for the detectors, no bucket keeps them.
    """

    def __init__(
        self,
        topics: tuple[str, ...],
        sentiments: tuple[str, ...] = ("negative", "neutral", "positive"),
        languages: tuple[str, ...] = (),
    ) -> None:
        self.topics = topics
        self.sentiments = sentiments
        self.languages = (*languages, OTHER_LANGUAGE, UNMEASURED) if languages else ()
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
        unmeasured = (f"{sentiment}~{topic}" for sentiment in sentiments for topic in topics)
        self.step_names: tuple[str, ...] = (*self.names, *unmeasured)
        self._index = {name: at for at, name in enumerate(self.step_names)}
        self.size = len(self.names)
        counted = len(sentiments) * len(topics)
        self.count_index = np.arange(counted).reshape(len(sentiments), len(topics))
        self.unmeasured_index = self.size + self.count_index
        self.score_index = counted + np.arange(len(topics))
        by_language = len(self.languages) * len(sentiments)
        self.language_index = (self.size - by_language + np.arange(by_language)).reshape(-1, len(sentiments))

    def index(self, name: str) -> int:
        """Position of a cell; KeyError for an unknown name."""
        return self._index[name]

    def place(self, name: str) -> int | None:
        """Where a step's cell that any model counted belongs here; None where this layout has no languages.

        A topic that this layout lacks belongs to `general`, a language that it lacks to `other`. KeyError for a name
        that is no cell of any model.
        """
        if name in self._index:
            return self._index[name]
        for sign in "/~":
            kind, found, topic = name.partition(sign)
            if found:
                return self._index[f"{kind}{sign}{self.home_of(topic)}"]
        kind, found, _ = name.partition("@")
        if found and kind in self.sentiments:
            return self._index.get(f"{kind}@{OTHER_LANGUAGE}")
        raise KeyError(name)

    def home_of(self, topic: str) -> str:
        """The topic itself where it is counted here, else `general`, or the first topic where there is none."""
        return topic if topic in self.topics else GENERAL_TOPIC if GENERAL_TOPIC in self.topics else self.topics[0]

    def relaid(self, before: "CellLayout", cells: Cells) -> Cells:
        """A bucket that another layout counted, in this one; the sums over topics and over languages stay."""
        found = self.zeros()
        for place, count in zip(map(self.place, before.names), cells.tolist(), strict=True):
            if place is not None:
                found[place] += count
        return self.complete(found)

    def complete(self, cells: Cells) -> Cells:
        """The same cells, with events whose language was not counted under `other`."""
        if self.languages:
            other = self.language_index[self.languages.index(OTHER_LANGUAGE)]
            cells[other] += cells[self.count_index].sum(axis=1) - self.by_language(cells).sum(axis=0)
        return cells

    def relaid_languages(self, before: "CellLayout", events: Sequence[float]) -> list[float]:
        """Events of each of another layout's languages, by this layout's; empty where one of both has none.

        Both are without what is unmeasured, the last of `languages`.
        """
        if not (self.languages and before.languages and events):
            return []
        found = [0.0] * (len(self.languages) - 1)
        for number, count in zip(self.language_numbers(before.languages[:-1]), events, strict=True):
            found[number] += count
        return found

    def language_numbers(self, languages: Sequence[str], unmeasured: NDArray[np.bool_] | None = None) -> Cells:
        """Number within `languages` of what each event counts under, by its primary language; both (n,)."""
        other = len(self.languages) - 2
        known = self._language_number
        found = np.fromiter((known.get(language, other) for language in languages), np.int64, len(languages))
        if unmeasured is not None:
            found[unmeasured] = other + 1
        return found

    def zeros(self) -> Cells:
        """An empty bucket."""
        return np.zeros(self.size, np.int64)

    def step_zeros(self) -> Cells:
        """What a step brings of a market and minute, before anything is counted; it begins as a bucket does."""
        return np.zeros(len(self.step_names), np.int64)

    def restored(self, content: bytes) -> Cells:
        """A bucket from its bytes; older ones end before `@unmeasured`, and count nothing there."""
        cells = np.frombuffer(content, np.int64)
        missing = len(self.sentiments) if self.languages and cells.size == self.size - len(self.sentiments) else 0
        return np.pad(cells, (0, missing))

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
            unmeasured=int(cells[self.language_index[-1]].sum()) if self.languages else 0,
        )

    def events(self, cells: Cells) -> int:
        """Number of events in one vector."""
        return int(cells[: self.count_index.size].sum())

    def by_language(self, cells: Cells) -> Cells:
        """Counts (languages, sentiments), the last row of what is unmeasured; no rows without languages."""
        counts: Cells = cells[self.language_index]
        return counts

    def by_topic(self, cells: Cells) -> "dict[str, TopicSums]":
        """Per topic with events: n, negatives and the sum of e."""
        counts = cells[self.count_index]
        n, negative, e = counts.sum(axis=0).tolist(), counts[0].tolist(), cells[self.score_index].tolist()
        return {topic: TopicSums(n[at], negative[at], e[at] / MICRO) for at, topic in enumerate(self.topics) if n[at]}

    def measured_topics(self, cells: Cells) -> dict[str, tuple[int, int]]:
        """Of what a step brings: topic -> (events, negatives) of texts that are not unmeasured; topics with any."""
        counts = cells[self.count_index] - cells[self.unmeasured_index]
        n, negative = counts.sum(axis=0).tolist(), counts[0].tolist()
        return {topic: (n[at], negative[at]) for at, topic in enumerate(self.topics) if n[at]}


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over one window: n events, per label, of e and its square, with a user, of confidence, of unknown pieces.

    `unmeasured`: events among them; 0 too where the layout has no languages.
    """

    n: int
    labels: dict[str, int]
    sum_e: float
    sum_e2: float
    with_user: int
    confidence: float = 0.0
    unknown: float = 0.0
    unmeasured: int = 0


@dataclass(frozen=True, slots=True)
class TopicSums:
    """Sums of one topic over one window."""

    n: int
    negative: int
    sum_e: float
