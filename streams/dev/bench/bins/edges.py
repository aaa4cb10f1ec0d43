"""Where bins of P(negative) end, and how much an event in them says of an incident."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streams.dev.bench.bins.answers import Answers
from streams.dev.bench.detectors.arrays import Array
from streams.dev.bench.detectors.markets import INCIDENT_SHARE, USUAL_SHARE

CANDIDATES = 40
PRIOR = 0.5  # texts that each bin is believed to hold before any was seen


def shares(p: Array, edges: Sequence[float]) -> Array:
    """The share of texts in every bin, from the lowest P(negative): (len(edges) + 1,), none of them 0.

    A text whose P(negative) is an edge is in the bin above it.
    """
    counts = np.bincount(np.searchsorted(edges, p, side="right"), minlength=len(edges) + 1) + PRIOR
    found: Array = counts / counts.sum()
    return found


def label_shares(answered: NDArray[np.bool_]) -> Array:
    """The same of hard labels: (answered otherwise, answered negative)."""
    return shares(answered.astype(np.float64), [0.5])


def information(negative: Array, other: Array) -> Array:
    """Nats that an event brings when .2 truly negative become .4: KL of what is seen then from what usually is.

    Args:
        negative, other: shares of the bins among true negatives and among others, bins in the last axis.
    """
    found: Array = _terms(negative, other).sum(axis=-1)
    return found


def _terms(negative: Array, other: Array) -> Array:
    usual, surging = (share * negative + (1 - share) * other for share in (USUAL_SHARE, INCIDENT_SHARE))
    found: Array = surging * np.log(surging / usual)
    return found


def information_of(found: Answers, edges: Sequence[float] | None) -> float:
    """Nats an event of some answers; None: of their hard labels."""
    if edges is None:
        of_label = [label_shares(found.answered[one]) for one in (found.negative, ~found.negative)]
    else:
        of_label = [shares(found.p[one], edges) for one in (found.negative, ~found.negative)]
    return float(information(*of_label))


def best_edges(found: Answers, bins: int) -> list[float]:
    """The edges with the most information, as a mean over languages of its ratio to that of hard labels.

    Exact among 40 quantiles of P(negative): what an event says is a sum over bins, so that the best edges below
    another one do not depend on those above it (dynamic programming).

    Args:
        found: answers to choose by.
        bins: how many, 2 at least.
    """
    candidates = np.unique(np.round(np.quantile(found.p, np.linspace(0, 1, CANDIDATES + 1)[1:-1]), 3))
    fine = len(candidates) + 1
    value = np.zeros((fine + 1, fine + 1))  # of one bin from a candidate to another
    for _, one in found.languages():
        of_label = []
        for p in (one.p[one.negative], one.p[~one.negative]):
            counts = np.bincount(np.searchsorted(candidates, p, side="right"), minlength=fine)
            below = np.concatenate([[0], counts.cumsum()])
            of_label.append((np.maximum(below - below[:, None], 0) + PRIOR) / (len(p) + PRIOR * bins))
        value += _terms(*of_label) / information_of(one, None)
    best = np.concatenate([[-np.inf], value[0, 1:]])  # of the texts below each candidate, in so many bins
    ends: list[NDArray[np.intp]] = []
    for _ in range(bins - 1):
        paths = np.where(np.arange(fine + 1)[:, None] < np.arange(fine + 1), best[:, None] + value, -np.inf)
        ends.append(paths.argmax(axis=0))
        best = paths.max(axis=0)
    chosen, end = [], fine
    for before in reversed(ends):
        end = int(before[end])
        chosen.append(float(candidates[end - 1]))
    return chosen[::-1]
