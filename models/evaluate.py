"""Accuracy and macro-F1 of a classifier per language, on labelled texts."""

from collections.abc import Iterable
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.classifier import Classifier
from models.rows import read_rows


class LanguageScores(msgspec.Struct, frozen=True):
    """Scores of one language's n rows; `confusion[true][answered]` counts rows, in the order of the sentiments."""

    n: int
    accuracy: float
    macro_f1: float
    confusion: list[list[int]]


class Evaluation(msgspec.Struct, frozen=True):
    """`mean_macro_f1` over languages; `topic_macro_f1` over topics with at least 100 rows."""

    languages: dict[str, LanguageScores]
    mean_macro_f1: float
    topic_macro_f1: float


def evaluate(classifier: Classifier, file: Path) -> Evaluation:
    """Classify a JSONL(.gz) file with `text`, `lang`, `label`, `topic?` and compare."""
    rows = list(read_rows(file))
    predicted = classifier.classify([row.text for row in rows], [row.lang for row in rows])
    info = classifier.info
    truth = np.array([info.sentiments.index(row.label) for row in rows])
    answer = predicted.sentiment.argmax(axis=1)
    languages = np.array([row.lang for row in rows])
    scores = {}
    for language in sorted(set(languages.tolist())):
        chosen = languages == language
        scores[language] = LanguageScores(
            n=int(chosen.sum()),
            accuracy=float((truth[chosen] == answer[chosen]).mean()),
            macro_f1=macro_f1(truth[chosen], answer[chosen], range(len(info.sentiments))),
            confusion=_confusion(truth[chosen], answer[chosen], len(info.sentiments)),
        )
    topics = np.array([info.topics.index(row.topic) if row.topic in info.topics else -1 for row in rows])
    known = topics >= 0
    frequent = [topic for topic in range(len(info.topics)) if (topics == topic).sum() >= 100]
    return Evaluation(
        languages=scores,
        mean_macro_f1=float(np.mean([score.macro_f1 for score in scores.values()])),
        topic_macro_f1=macro_f1(topics[known], predicted.topic.argmax(axis=1)[known], frequent),
    )


def _confusion(truth: NDArray[np.int64], answer: NDArray[np.int64], classes: int) -> list[list[int]]:
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (truth, answer), 1)
    rows: list[list[int]] = counts.tolist()
    return rows


def macro_f1(truth: NDArray[np.int64], answer: NDArray[np.int64], classes: Iterable[int]) -> float:
    """Mean over classes of 2 TP/(2 TP + FP + FN); a class neither true nor answered counts 0."""
    scores = []
    for one in classes:
        hit = int(((truth == one) & (answer == one)).sum())
        wrong = int((truth == one).sum() + (answer == one).sum()) - 2 * hit
        scores.append(2 * hit / (2 * hit + wrong) if hit + wrong else 0.0)
    return float(np.mean(scores)) if scores else 0.0
