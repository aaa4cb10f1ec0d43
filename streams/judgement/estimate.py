"""True shares of the population that labelled texts were drawn from: stratified PPI++, its interval for few texts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

Array = NDArray[np.float64]
Numbers = NDArray[np.int64]

WORTH = {
    "u": np.array([0.0, 0.5, 1.0]),
    "negative": np.array([1.0, 0.0, 0.0]),
    "neutral": np.array([0.0, 1.0, 0.0]),
    "positive": np.array([0.0, 0.0, 1.0]),
}
"""What a text labelled negative, neutral, positive counts in each mean that is estimated."""
PSEUDO_TEXTS = 1.0
"""Weight, in texts of each cell, of a variance known beforehand: that of a label drawn evenly."""
KNOWN = 1e9
"""Degrees of freedom of a variance that is not estimated."""
MAX_TUNING = 1.0
"""Bound of lambda, either way. Only where one is there, the three shares do not add up to 1 exactly."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Labelled texts of b populations, each of k cells: (week, predicted label), of one week or of several.

    Attributes:
        labels: (b, n) what people answered: 0 negative, 1 neutral, 2 positive.
        cells: (b, n) cell that the text was drawn from, at random within it; -1 = no text, its other values are void.
        scores: (b, n) the classifier's score e in [0, 1] of the text.
        counts: (b, k) events of each cell.
        mean_score: (b,) mean of e over all events of the population.
        users: (b, n) a number for each text's user, another one for each text without; None = the population is meant
            as it is. With users, what its market would say is meant, had other users of it spoken.
    """

    labels: Numbers
    cells: Numbers
    scores: Array
    counts: Numbers
    mean_score: Array
    users: Numbers | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """Means of b populations, each (b,): NaN where a cell with events has too few texts.

    `low` and `high` are the bounds of 95 %, within [0, 1]; `error` is a standard error with `freedom` degrees of
    freedom; `tuning` is lambda, how far the classifier's score was relied on.
    """

    value: Array
    low: Array
    high: Array
    error: Array
    freedom: Array
    tuning: Array


def judged(value: Array, error: Array, freedom: Array, tuning: Array) -> Judged:
    """With the bounds that Student's t gives."""
    half = stdtrit(freedom, 0.975) * error
    return Judged(value, np.maximum(value - half, 0.0), np.minimum(value + half, 1.0), error, freedom, tuning)


def estimate(sample: Sample, worth: Array, pseudo_texts: float = PSEUDO_TEXTS, tuned: bool = True) -> Judged:
    """Mean worth of what people would answer over all events of the population, if they were asked about each.

    With W = N_cell/N and w = W/n_cell: `value = sum w r`, `r = y - lambda (e - mean e)`. lambda minimises the
    variance (PPI++) and is found for each text from the others (cross-fitting with folds of one), so that r is as
    spread as it would be on new texts. The variance of a cell is that of its r and `pseudo_texts` more of the variance
    of an even label, less what the cell's own share of the population leaves nothing to guess of; degrees of freedom
    are Satterthwaite's. With users, the chance in who spoke is added: see `_of_speakers`.

    Args:
        sample: at least two texts of each cell that has as many events.
        worth: (3,) what a label counts; see WORTH.
        pseudo_texts: weight of the variance known beforehand; 0 = none.
        tuned: False = lambda 0, the labels alone.
    """
    there = sample.cells >= 0
    of_cell = np.eye(sample.counts.shape[1])[np.where(there, sample.cells, 0)] * there[..., None]  # (b, n, k)
    drawn = of_cell.sum(axis=1)
    total = sample.counts.sum(axis=1, keepdims=True)
    share = sample.counts / np.maximum(total, 1)
    left = 1.0 - drawn / np.maximum(sample.counts, 1)  # of a cell: what was not looked at
    weight = _at(share / np.maximum(drawn, 1.0), of_cell)
    y = np.where(there, worth[np.where(there, sample.labels, 0)], 0.0)
    e = np.where(there, sample.scores - sample.mean_score[:, None], 0.0)
    tuning = _tuning(y, e, of_cell, drawn, left * share**2 / np.maximum(drawn, 1.0)) if tuned else np.zeros_like(y)
    r = y - tuning * e
    value = (weight * r).sum(axis=1)
    away = _away(r, of_cell, drawn)
    freedom = np.maximum(drawn - 1.0, 0.0) + pseudo_texts
    squares = np.einsum("bn,bnk->bk", away**2, of_cell)
    spread = (pseudo_texts * worth.var() + squares) / np.maximum(freedom, 1e-9)
    of_cells = left * share**2 / np.maximum(drawn, 1.0) * spread
    variance = of_cells.sum(axis=1)
    parts = (of_cells**2 / np.maximum(freedom, 1e-9)).sum(axis=1)
    degrees = np.where(parts > 0, variance**2 / np.maximum(parts, 1e-300), KNOWN)
    if sample.users is not None:
        variance = variance + _of_speakers(weight, (y - value[:, None]) * there, sample.users, total[:, 0])
    enough = (drawn >= np.minimum(sample.counts, 2)).all(axis=1) & (total[:, 0] > 0)
    return judged(
        np.where(enough, value, np.nan),
        np.where(enough, np.sqrt(variance), np.nan),
        degrees,
        (weight * tuning).sum(axis=1),
    )


def _at(values: Array, of_cell: Array) -> Array:
    """Values (b, k) of each text's cell, (b, n); 0 for no text."""
    found: Array = np.einsum("bk,bnk->bn", values, of_cell)
    return found


def _away(values: Array, of_cell: Array, drawn: Array) -> Array:
    """Values (b, n) less their cell's mean."""
    mean = np.einsum("bn,bnk->bk", values, of_cell) / np.maximum(drawn, 1.0)
    found: Array = values - _at(mean, of_cell)
    return found


def _tuning(y: Array, e: Array, of_cell: Array, drawn: Array, importance: Array) -> Array:
    """lambda (b, n) for each text from all others: the cells' covariances of y and e over the variances of e.

    Without a text, a cell's sum of products is less by n/(n - 1) times the text's own product.
    """
    dy, de = _away(y, of_cell, drawn), _away(e, of_cell, drawn)
    back = np.where(drawn > 1, drawn / np.maximum(drawn - 1.0, 1.0), 0.0)

    def without(product: Array) -> Array:
        sums = np.einsum("bn,bnk->bk", product, of_cell)
        all_cells = (importance * sums / np.maximum(drawn - 1.0, 1.0)).sum(axis=1, keepdims=True)
        own = _at(importance * sums / np.maximum(drawn - 1.0, 1.0), of_cell)
        less = (_at(sums, of_cell) - _at(back, of_cell) * product) * _at(
            importance / np.maximum(drawn - 2.0, 1.0), of_cell
        )
        rest: Array = all_cells - own + less
        return rest

    covariance, variance = without(dy * de), without(de * de)
    found: Array = np.clip(covariance / np.maximum(variance, 1e-12), -MAX_TUNING, MAX_TUNING)
    return found


def _of_speakers(weight: Array, away: Array, users: Numbers, events: Array) -> Array:
    """Variance (b,) of the population's own mean about what is expected of its market.

    That of as many independent events, and what users who spoke more than once add: the products of pairs of one user
    in the sample are on average those of all such pairs in the population. It is noisy, and taken where it is above 0.
    """
    parts = weight * away
    same = (users[:, :, None] == users[:, None, :]).astype(np.float64)
    of_pairs = (parts * (same @ parts[:, :, None])[:, :, 0]).sum(axis=1) - (parts**2).sum(axis=1)
    alone = (weight * away**2).sum(axis=1) / np.maximum(events, 1)
    variance: Array = alone + np.maximum(of_pairs, 0.0)
    return variance
