"""Scores of predictions against labels: accuracy, macro-F1, calibration error, Brier score, abstention."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]
Probabilities = NDArray[np.float32]

BINS = 15
COVERAGES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)


def macro_f1(truth: Labels, answer: Labels, classes: Iterable[int]) -> float:
    """Mean over classes of 2 TP/(2 TP + FP + FN); a class neither true nor answered counts 0."""
    scores = []
    for one in classes:
        hit = int(((truth == one) & (answer == one)).sum())
        wrong = int((truth == one).sum() + (answer == one).sum()) - 2 * hit
        scores.append(2 * hit / (2 * hit + wrong) if hit + wrong else 0.0)
    return float(np.mean(scores)) if scores else 0.0


def calibration_error(truth: Labels, probabilities: Probabilities) -> float:
    """Expected calibration error of the top label over 15 equal bins (Guo et al. 2017, arXiv:1706.04599)."""
    if not len(truth):
        return 0.0
    top = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    bins = np.minimum((top * BINS).astype(np.int64), BINS - 1)
    error = 0.0
    for one in range(BINS):
        chosen = bins == one
        if chosen.any():
            error += float(chosen.mean()) * abs(float(right[chosen].mean()) - float(top[chosen].mean()))
    return error


def brier_score(truth: Labels, probabilities: Probabilities) -> float:
    """Mean squared distance of the probabilities from the label, summed over classes; 0 is perfect, 2 the worst."""
    wanted = np.eye(probabilities.shape[1], dtype=np.float64)[truth]
    return float(((probabilities - wanted) ** 2).sum(axis=1).mean()) if len(truth) else 0.0


def abstention_curve(truth: Labels, probabilities: Probabilities) -> list[tuple[float, float]]:
    """(coverage, accuracy) when the model answers only on the share of rows it is surest of."""
    surest = np.argsort(-probabilities.max(axis=1), kind="stable")
    right = (probabilities.argmax(axis=1) == truth)[surest]
    return [(share, float(right[: max(1, int(share * len(right)))].mean())) for share in COVERAGES if len(right)]


def confusion(truth: Labels, answer: Labels, classes: int) -> list[list[int]]:
    """Counts by [true][answered]."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (truth, answer), 1)
    rows: list[list[int]] = counts.tolist()
    return rows
