"""Classifier bias taken out of label shares: EM under the model's measured confusion, with its interval."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

PRIOR_EVENTS = 20.0
ROUNDS = 200
SCORE = np.array([0.0, 0.5, 1.0])  # of negative, neutral, positive


def confusion_of(counts: Mapping[str, Sequence[Sequence[int]]]) -> Array:
    """Confusions (languages, 3, 3), rows P(answered | true) with one pseudo-count a cell.

    Args:
        counts: language -> rows of the development set by [true][answered].
    """
    stacked = np.array([*counts.values()], np.float64) + 1.0
    shares: Array = stacked / stacked.sum(axis=2, keepdims=True)
    return shares


def corrected_score(
    counts: Array, confusion: Array, baseline: Array, weight: Array | None = None
) -> tuple[Array, Array]:
    """Mean score u = P(positive) + P(neutral)/2 of the true labels, and its standard error, per row.

    The shares pi maximise counts ~ Multinomial(M' pi) with pi ~ Dirichlet(20 baseline), found by EM: never by M's
    plain inverse, which leaves the simplex. The standard error comes from the Fisher information of the two free
    shares plus the prior's; it covers sampling and the unmixing. The error of M itself is covered where `weight` says
    how well M is known: each of its rows is then Dirichlet, and the delta method takes its spread through the EM.

    Args:
        counts: (k, 3) answered labels.
        confusion: (k, 3, 3), rows P(answered | true).
        baseline: (k, 3) shares that the prior expects.
        weight: (k, 3) texts that each row of the confusion is worth; None = M is taken as exact.

    Returns:
        Scores (k,) in [0, 1] and standard errors (k,).
    """
    prior = PRIOR_EVENTS * baseline
    n = counts.sum(axis=1, keepdims=True)
    shares = np.full_like(prior, 1 / 3)
    for _ in range(ROUNDS):
        answered = np.einsum("kc,kca->ka", shares, confusion)
        expected = shares * np.einsum("ka,kca->kc", counts / answered, confusion)
        shares = (expected + prior) / (n + PRIOR_EVENTS)
    return shares @ SCORE, np.sqrt(_variance(counts, confusion, prior, shares, weight))


def _variance(counts: Array, confusion: Array, prior: Array, shares: Array, weight: Array | None) -> Array:
    """Delta method on the free shares (neutral, positive); negative is what remains."""
    answered = np.einsum("kc,kca->ka", shares, confusion)
    slope = confusion[:, 1:] - confusion[:, :1]  # d answered / d free share
    information = np.einsum("ka,kia,kja->kij", counts / answered**2, slope, slope)
    curvature = prior / shares**2
    information += curvature[:, :1, None]
    information[:, [0, 1], [0, 1]] += curvature[:, 1:]
    gradient = np.broadcast_to(SCORE[1:], (len(counts), 2))
    solved = np.linalg.solve(information, gradient[..., None])[..., 0]
    variance: Array = np.einsum("ki,ki->k", gradient, solved)
    if weight is None:
        return variance
    return variance + _variance_of_confusion(counts / answered, answered, confusion, shares, solved, weight)


def _variance_of_confusion(
    ratio: Array, answered: Array, confusion: Array, shares: Array, solved: Array, weight: Array
) -> Array:
    """What the Dirichlet rows of the confusion add: by d u / d M, from the mode's implicit function."""
    direction = np.column_stack([-solved.sum(axis=1), solved])
    along = np.einsum("kc,kca->ka", direction, confusion)
    slope = ratio[:, None, :] * (direction[:, :, None] - shares[:, :, None] * (along / answered)[:, None, :])
    mean = (confusion * slope).sum(axis=2)
    spread = (confusion * slope**2).sum(axis=2) - mean**2
    variance: Array = (spread / (weight + 1)).sum(axis=1)
    return variance
