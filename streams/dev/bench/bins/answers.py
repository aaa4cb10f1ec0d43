"""A model's answers to labelled texts, by language, family of sources and true label."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.classifier import Classifier
from models.encoder.answers import ANSWERS, read_answers
from models.encoder.families import FAMILIES, family_of, fold_of
from models.labels import SENTIMENTS
from models.rows import LabelledText

NEGATIVE = SENTIMENTS.index("negative")


@dataclass(frozen=True)
class Answers:
    """Of n texts: `p` = P(negative) in [0, 1]; `answered`, `negative`: answered and truly negative (n,).

    `language`, `family`: names (n,).
    """

    p: NDArray[np.float64]
    answered: NDArray[np.bool_]
    negative: NDArray[np.bool_]
    language: NDArray[np.str_]
    family: NDArray[np.str_]

    def of(self, chosen: NDArray[np.bool_]) -> "Answers":
        """Those of some texts."""
        return Answers(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))

    def languages(self) -> Iterator[tuple[str, "Answers"]]:
        """Each language's, in the order of their names."""
        for name in sorted(set(self.language.tolist())):
            yield name, self.of(self.language == name)

    def halves(self, seed: int) -> tuple["Answers", "Answers"]:
        """Two random halves, of every language and true label alike."""
        rng = np.random.default_rng(seed)
        first = np.zeros(len(self.p), bool)
        for language in sorted(set(self.language.tolist())):
            for negative in (False, True):
                rows = rng.permutation(np.flatnonzero((self.language == language) & (self.negative == negative)))
                first[rows[: len(rows) // 2]] = True
        return self.of(first), self.of(~first)


def answers_of(rows: Sequence[LabelledText], probabilities: NDArray[np.float32]) -> Answers:
    """Answers as probabilities (n, 3) of sentiments, beside the labels of the rows."""
    return Answers(
        probabilities[:, NEGATIVE].astype(np.float64),
        probabilities.argmax(axis=1) == NEGATIVE,
        np.array([row.label == SENTIMENTS[NEGATIVE] for row in rows]),
        np.array([row.lang for row in rows]),
        np.array([family_of(row) for row in rows]),
    )


def classified(classifier: Classifier, rows: Sequence[LabelledText]) -> Answers:
    """What a classifier answers to labelled rows."""
    predicted = classifier.classify([row.text for row in rows], [row.lang for row in rows])
    return answers_of(rows, predicted.sentiment)


def kept_answers(
    work: Path, train: Sequence[LabelledText], development: Sequence[LabelledText]
) -> Iterator[tuple[str, Answers]]:
    """Answers that `marketpulse model families` kept: `family/method`, of models that never saw the family.

    Raises:
        BadArtifact: they came of other rows.
    """
    for family in FAMILIES:
        for file in sorted(work.glob(f"{family}/*/{ANSWERS}")):
            fold = fold_of(family, train, development)
            yield f"{family}/{file.parent.name}", answers_of(fold.judged, read_answers(file.parent, fold)[0])
