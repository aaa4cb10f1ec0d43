"""Fitting a head for own topics on encoder states: multinomial logistic regression, `general` held back by a margin."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

Floats = NDArray[np.float32]
Numbers = NDArray[np.int64]

SMALLEST_NORM = 1e-6
STRENGTH = 1.0
"""Of the fit (scikit-learn's C): how far weights may go to tell the examples apart."""
FOLDS = 10
TIE = 1e-4
HELD_BACK = 0.3
"""Share of examples left out that is given up for `general` where its texts are not the operator's own."""


@dataclass(frozen=True)
class Head:
    """Logits of classes: the unit vector of (state - centre), times weight, plus bias.

    `centre` float32 (width,); `weight` float32 (width, classes); `bias` float32 (classes,). Class 0 is `general`.
    """

    centre: Floats
    weight: Floats
    bias: Floats

    def logits(self, states: Floats) -> Floats:
        """Logits (n, classes) of states (n, width)."""
        found: Floats = unit(states - self.centre) @ self.weight + self.bias
        return found

    def answers(self, states: Floats) -> Numbers:
        """The most probable class of each state, 0 = `general`."""
        found: Numbers = self.logits(states).argmax(axis=1)
        return found


@dataclass(frozen=True)
class Fit:
    """A head, and what it answered to texts while they were left out of the fit.

    `left_out`: (n,) true classes and answers of those texts, `general` first.
    """

    head: Head
    truth: Numbers
    left_out: Numbers

    def recall(self, number: int) -> float:
        """Share of a class's texts that were answered with it while left out; 0 without any."""
        of_class = self.truth == number
        return float((self.left_out[of_class] == number).mean()) if of_class.any() else 0.0

    def confusion(self) -> list[list[int]]:
        """Counts by [true][answered]."""
        classes = len(self.head.bias)
        counts = np.zeros((classes, classes), np.int64)
        np.add.at(counts, (self.truth, self.left_out), 1)
        rows: list[list[int]] = counts.tolist()
        return rows


def fit_head(
    states: Floats, classes: Numbers, sentence: NDArray[np.bool_], general_recall: float, held_back: float = 0.0
) -> Fit:
    """A head for classes 0 (`general`) to the largest, each of which has a text.

    Texts are left out a tenth at a time to learn how far above `general` a topic's logit must be: the smallest margin
    that keeps `general_recall` of the general texts, and no smaller than what holds back a share of the examples.
    Sentences are never left out: a topic may have nothing else.

    Args:
        states: (n, width), of the encoder.
        classes: (n,) class numbers.
        sentence: (n,) whether a text is a topic's sentence.
        general_recall: wanted share, 0 to 1, of general texts that are answered with `general`.
        held_back: share, 0 to 1, of examples that are answered with `general` at least: where the general texts are not
            the operator's own, they say little of how near to the topics those come.
    """
    folds = _folds(classes, sentence)
    logits = np.empty((len(states), int(classes.max()) + 1), np.float32)
    for fold in range(FOLDS):
        asked = folds == fold
        if asked.any():
            logits[asked] = _fitted(states[~asked], classes[~asked]).logits(states[asked])
    judged = folds >= 0
    logits, truth = logits[judged], classes[judged]
    lead = logits[:, 1:].max(axis=1) - logits[:, 0]
    margin = max(0.0, _quantile(lead[truth == 0], general_recall), _quantile(lead[truth > 0], held_back))
    logits[:, 0] += margin
    head = _fitted(states, classes)
    bias = head.bias.copy()
    bias[0] += margin
    return Fit(replace(head, bias=bias), truth, logits.argmax(axis=1))


def unit(states: Floats) -> Floats:
    """Each state divided by its length."""
    norms = np.sqrt((states * states).sum(axis=1, keepdims=True))
    found: Floats = states / np.maximum(norms, np.float32(SMALLEST_NORM))
    return found


def _fitted(states: Floats, classes: Numbers) -> Head:
    """Every class weighs the same, however many texts it has."""
    means = [states[classes == number].mean(axis=0) for number in range(int(classes.max()) + 1)]
    centre: Floats = np.stack(means).mean(axis=0)
    regression = LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=1_000)
    regression.fit(unit(states - centre), classes)
    weight, bias = regression.coef_.T.astype(np.float32), regression.intercept_.astype(np.float32)
    if weight.shape[1] == 1:  # scikit-learn gives two classes one logit, that of the second
        weight, bias = np.hstack([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return Head(centre, weight, bias)


def _folds(classes: Numbers, sentence: NDArray[np.bool_]) -> Numbers:
    """The fold in which each text is left out: in turn within its class, -1 = in none."""
    folds = np.full(len(classes), -1, np.int64)
    for number in range(int(classes.max()) + 1):
        of_class = np.flatnonzero((classes == number) & ~sentence)
        folds[of_class] = np.arange(len(of_class)) % FOLDS
    return folds


def _quantile(lead: Floats, share: float) -> float:
    """The margin that this share of the leads does not reach; 0 for no share."""
    place = int(np.ceil(share * len(lead))) - 1
    return float(np.sort(lead)[place]) + TIE if place >= 0 else 0.0
