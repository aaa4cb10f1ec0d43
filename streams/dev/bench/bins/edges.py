"""Where bins of P(negative) end for a bench's answers, and how much they say."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streams.dev.bench.bins import information as measured
from streams.dev.bench.bins.answers import Answers
from streams.dev.bench.detectors.arrays import Array


def best_edges(found: Answers, bins: int) -> list[float]:
    """See `information.best_edges`."""
    return measured.best_edges(found.p, found.negative, found.language, bins)


def shares(p: Array, edges: Sequence[float]) -> Array:
    """The share of texts in every bin, from the lowest P(negative): (len(edges) + 1,), none of them 0."""
    counts = measured.counted(p, edges) + measured.PRIOR
    found: Array = counts / counts.sum()
    return found


def label_shares(answered: NDArray[np.bool_]) -> Array:
    """The same of hard labels: (answered otherwise, answered negative)."""
    return shares(answered.astype(np.float64), [0.5])


def information_of(found: Answers, edges: Sequence[float] | None) -> float:
    """Nats an event of some answers; None: of their hard labels."""
    values = found.answered.astype(np.float64) if edges is None else found.p
    counts = (measured.counted(values[label], edges or [0.5]) for label in (found.negative, ~found.negative))
    return float(measured.information(*counts))
