"""Scores of events: what the model said, and a rating where there is one."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from marketpulse.contract.decode import Decoded
from marketpulse.contract.units import MICRO

RATING_WEIGHT = 0.5  # k in e = (1-k)e + k(rating-1)/4


def ratings_of(events: Sequence[Decoded]) -> NDArray[np.float64]:
    """Ratings (n,), NaN where an event has none."""
    return np.array([np.nan if event.rating is None else event.rating for event in events], np.float64)


def scores(sentiment: NDArray[np.float32], ratings: NDArray[np.float64]) -> NDArray[np.float64]:
    """Score e (n,) in [0, 1]: P(positive) + P(neutral)/2; with a rating (1-k)e + k(rating-1)/4, k = 0.5."""
    e = sentiment[:, 2].astype(np.float64) + 0.5 * sentiment[:, 1]
    e = np.where(np.isnan(ratings), e, (1 - RATING_WEIGHT) * e + RATING_WEIGHT * (ratings - 1) / 4)
    clipped: NDArray[np.float64] = np.clip(e, 0.0, 1.0)
    return clipped


def scores_micro(
    sentiment: NDArray[np.float32], ratings: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Score e and its square in micro-units.

    Args:
        sentiment: (n, 3) probabilities in the order negative, neutral, positive.
        ratings: (n,) 1..5, NaN where there is none.
    """
    e = scores(sentiment, ratings)
    return np.rint(e * MICRO).astype(np.int64), np.rint(e * e * MICRO).astype(np.int64)
