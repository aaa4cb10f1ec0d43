"""Linear votes on hashed word-piece 1- and 2-grams: what a linear SVM says, out of fold for training, as a table."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import LinearSVC

from models.ngrams import buckets_of

SENTIMENT_BUCKETS = 1 << 21
TOPIC_BUCKETS = 1 << 18
REGULARISATION = 0.5
FOLDS = 5

Array = NDArray[np.float64]


@dataclass(frozen=True)
class VoteTable:
    """A linear model as a table: votes = sum over n-grams of weights[bucket] / sqrt(sum of idf[bucket]^2) + bias.

    `weights` float64 (buckets, classes) already hold the inverse document frequency; `idf` (buckets,).
    """

    weights: Array
    idf: Array
    bias: Array

    @property
    def buckets(self) -> int:
        """How many buckets there are."""
        return len(self.idf)

    def votes(self, ids: Sequence[Sequence[int]]) -> Array:
        """Votes (n, classes) of texts given as piece numbers."""
        counts = counted(ids, self.buckets)
        norm = np.sqrt(np.maximum(counts @ (self.idf**2), 1e-9))
        result: Array = (counts @ self.weights) / norm[:, None] + self.bias
        return result


def counted(ids: Sequence[Sequence[int]], buckets: int) -> csr_matrix:
    """How often each text has an n-gram of each bucket (n, buckets)."""
    rows = [buckets_of(one, buckets) for one in ids]
    ends = np.cumsum([0, *map(len, rows)])
    flat = np.concatenate(rows)
    matrix = csr_matrix((np.ones(len(flat)), flat, ends), shape=(len(rows), buckets))
    matrix.sum_duplicates()
    return matrix


def fit_votes(
    ids: Sequence[Sequence[int]], truth: NDArray[np.int64], weight: NDArray[np.float32], classes: int, buckets: int
) -> VoteTable:
    """Fit one linear SVM against the rest per class on length-normalised tf-idf, and write it as a table.

    Args:
        ids: piece numbers of each text.
        truth: (n,) class numbers.
        weight: (n,) of each row in the loss.
        classes: how many there are; one that no row has gets a vote of -1 everywhere.
        buckets: of the hash.
    """
    counts = counted(ids, buckets)
    seen = np.asarray((counts > 0).sum(axis=0)).ravel()
    idf = np.log((1 + len(truth)) / (1 + seen)) + 1
    norm = np.sqrt(np.maximum(counts @ (idf**2), 1e-9))
    features = counts.multiply(idf[None, :]).multiply(1 / norm[:, None]).tocsr()
    machine = LinearSVC(C=REGULARISATION, random_state=0)
    machine.fit(features, truth, sample_weight=weight)
    weights, bias = np.zeros((buckets, classes)), np.full(classes, -1.0)
    slopes, shifts = machine.coef_, machine.intercept_
    if len(machine.classes_) == 2:  # one machine decides between two
        slopes, shifts = np.vstack([-slopes, slopes]), np.concatenate([-shifts, shifts])
    weights[:, machine.classes_] = slopes.T * idf[:, None]
    bias[machine.classes_] = shifts
    return VoteTable(weights, idf, bias)


def out_of_fold(
    ids: Sequence[Sequence[int]], truth: NDArray[np.int64], weight: NDArray[np.float32], classes: int, buckets: int
) -> Array:
    """Votes (n, classes) on each row of machines that have not seen it: what a table will say of new texts."""
    votes = np.zeros((len(truth), classes))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    for known, held in folds.split(np.zeros(len(truth)), truth):
        table = fit_votes([ids[row] for row in known], truth[known], weight[known], classes, buckets)
        votes[held] = table.votes([ids[row] for row in held])
    return votes
