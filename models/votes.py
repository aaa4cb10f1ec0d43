"""Linear votes on hashed word-piece 1- and 2-grams: what a linear SVM says, out of fold for training, as a table."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags_array, hstack
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import LinearSVC

from models.characters import characters_of, frequent
from models.ngrams import buckets_of

SENTIMENT_BUCKETS = 1 << 21
TOPIC_BUCKETS = 1 << 18
REGULARISATION = 0.5
SPELLED_REGULARISATION = 0.2
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
    idf = _inverse_document_frequency(counts)
    slopes, bias = _machine(counts, idf, truth, weight, classes, REGULARISATION)
    return VoteTable(slopes * idf[:, None], idf, bias)


def fit_spelled_votes(
    ids: Sequence[Sequence[int]],
    truth: NDArray[np.int64],
    weight: NDArray[np.float32],
    classes: int,
    buckets: int,
    spelled: Sequence[str],
) -> VoteTable:
    """The same, averaged with a machine that also sees the character n-grams of `models/characters.py`.

    A bucket gets the sum of the weights of the character n-grams it is spelled with, so the table stays as large and as
    fast as without; pieces and pairs of no training text get what their spelling says. Both machines' votes share one
    norm, the mean of theirs, after the first one's weights are scaled to the second one's norm.
    """
    counts = counted(ids, buckets)
    characters, rarity = frequent(characters_of(ids, spelled, buckets), counts)
    idf = np.concatenate([_inverse_document_frequency(counts), rarity])
    features = csr_matrix(hstack([counts, counts @ characters]).tocsr())
    slopes, bias = _machine(features, idf, truth, weight, classes, SPELLED_REGULARISATION)
    slopes *= idf[:, None]
    weights, squares = slopes[:buckets] + characters @ slopes[buckets:], idf[:buckets] ** 2 + characters @ rarity**2
    plain = fit_votes(ids, truth, weight, classes, buckets)
    ratio = (counts @ squares).mean() / (counts @ plain.idf**2).mean()
    return VoteTable(
        (weights + np.sqrt(ratio) * plain.weights) / 2,
        np.sqrt((squares + ratio * plain.idf**2) / 2),
        (bias + plain.bias) / 2,
    )


def _inverse_document_frequency(counts: csr_matrix) -> Array:
    seen = np.asarray((counts > 0).sum(axis=0)).ravel()
    result: Array = np.log((1 + counts.shape[0]) / (1 + seen)) + 1
    return result


def _machine(
    counts: csr_matrix,
    idf: Array,
    truth: NDArray[np.int64],
    weight: NDArray[np.float32],
    classes: int,
    regularisation: float,
) -> tuple[Array, Array]:
    """Slopes (features, classes) and bias (classes,) of SVMs on counts * idf / sqrt(counts @ idf^2)."""
    norm = np.sqrt(np.maximum(counts @ (idf**2), 1e-9))
    features = diags_array(1 / norm) @ counts @ diags_array(idf)
    machine = LinearSVC(C=regularisation, random_state=0)
    machine.fit(features, truth, sample_weight=weight)
    slopes, bias = np.zeros((counts.shape[1], classes)), np.full(classes, -1.0)
    found, shifts = machine.coef_, machine.intercept_
    if len(machine.classes_) == 2:  # one machine decides between two
        found, shifts = np.vstack([-found, found]), np.concatenate([-shifts, shifts])
    slopes[:, machine.classes_] = found.T
    bias[machine.classes_] = shifts
    return slopes, bias


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
