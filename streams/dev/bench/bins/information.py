"""Bins of P(negative): where they end, and how much an answer in them says of a rise of true negatives."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streams.dev.bench.detectors.arrays import Array
from streams.dev.bench.detectors.markets import INCIDENT_SHARE, USUAL_SHARE

CANDIDATES = 40
PRIOR = 0.5  # texts that each bin is believed to hold before any was seen
LEAST_TEXTS = 10  # of a language, truly negative and others: with fewer, its answers say nothing


def counted(p: Array, edges: Sequence[float]) -> NDArray[np.int64]:
    """Texts in every bin, from the lowest P(negative) on: (len(edges) + 1,); one at an edge is in the bin above it."""
    return np.bincount(np.searchsorted(edges, p, side="right"), minlength=len(edges) + 1)


def information(negative: Array | NDArray[np.int64], other: Array | NDArray[np.int64]) -> Array:
    """Nats that an event brings when .2 truly negative become .4: KL of what is seen then from what usually is.

    Args:
        negative, other: texts in the bins among true negatives and among others, bins in the last axis.
    """
    found: Array = _terms(*((of + PRIOR) / (of + PRIOR).sum(axis=-1, keepdims=True) for of in (negative, other))).sum(
        -1
    )
    return found


def _terms(negative: Array, other: Array) -> Array:
    usual, risen = (share * negative + (1 - share) * other for share in (USUAL_SHARE, INCIDENT_SHARE))
    found: Array = risen * np.log(risen / usual)
    return found


def best_edges(p: Array, negative: NDArray[np.bool_], language: NDArray[np.str_], bins: int) -> list[float]:
    """The edges with the most information, as a mean over languages of its share of what 40 bins say.

    Exact among 39 quantiles of P(negative): what an event says is a sum over bins, so that the best edges below
    another one do not depend on those above it (dynamic programming).

    Args:
        p: P(negative) of texts (n,).
        negative: whether they are (n,).
        language: of each (n,); those with too few texts of either kind do not count.
        bins: how many, 2 at least.

    Returns:
        bins - 1 rising numbers; none where no language has texts enough, or answers differ too little.
    """
    candidates = np.unique(np.round(np.quantile(p, np.linspace(0, 1, CANDIDATES + 1)[1:-1]), 3)) if len(p) else p
    fine = len(candidates) + 1
    value, known = np.zeros((fine + 1, fine + 1)), 0  # of one bin from a candidate to another
    for name in sorted(set(language.tolist())):
        of_label = [p[(language == name) & label] for label in (negative, ~negative)]
        if min(map(len, of_label)) < LEAST_TEXTS:
            continue
        shares, fully = [], [counted(texts, candidates.tolist()) for texts in of_label]
        for texts, counts in zip(of_label, fully, strict=True):
            below = np.concatenate([[0], counts.cumsum()])
            shares.append((np.maximum(below - below[:, None], 0) + PRIOR) / (len(texts) + PRIOR * bins))
        value, known = value + _terms(*shares) / information(*fully), known + 1
    if not known or fine < bins:
        return []
    best = np.concatenate(
        [[-np.inf], value[0, 1:]]
    )  # of the texts below each candidate, in as many bins as were placed
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
