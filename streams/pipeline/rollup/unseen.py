"""The confusion of what a model was not measured on: what its measured languages tell of another one.

Rows of the languages' confusions are taken as draws of one Dirichlet distribution a true label (empirical Bayes). How
unlike the languages are, beyond the chance in their counts, is how little is known of the next one.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from streams.judgement.confusion import Confusion
from streams.pipeline.rollup.correction import Array, confusion_of

TEXTS = np.arange(4.0, 401.0)
"""Weights that are tried, in texts. Whole numbers: found alike on every machine."""
MIN_LANGUAGES = 3
"""Fewer say nothing of how unlike languages are: the least weight is taken."""
ONE_ERROR = 0.5
"""Of the log-likelihood: by so much less likely is a weight one standard error from the most likely one."""
_log_gamma = np.vectorize(math.lgamma, otypes=[np.float64])  # workers do without SciPy


def model_confusion(counts: Mapping[str, Sequence[Sequence[int]]]) -> Confusion:
    """A model's confusion in the rows of its layout: its languages as measured, then twice what is known of others.

    The last two rows are those of `other` languages and of `unmeasured` texts.

    Args:
        counts: language -> rows of the development set by [true][answered]; not empty.
    """
    measured = confusion_of(counts)
    mean, weight = next_language(np.array([*counts.values()], np.float64))
    exact = np.full(measured.shape[:2], np.inf)
    return Confusion(np.concatenate([measured, [mean, mean]]), np.concatenate([exact, [weight, weight]]))


def next_language(tables: Array) -> tuple[Array, Array]:
    """What L languages tell of the confusion of one more: mean (3, 3) of its rows, and weight (3,) in texts.

    The mean is that of the languages, each counting alike. A row's counts are Dirichlet-multinomial around it (Minka
    2000, Estimating a Dirichlet distribution); w is the least weight within a standard error of the most likely one,
    since the languages are few. The mean is taken from the languages themselves, so they scatter less about it than
    about the true one, by (L - 1)/L; and it is off by 1/L of their variance: `weight = (w + 1)(L - 1)/(L + 1) - 1`.

    Args:
        tables: (L, 3, 3) rows of the development set by [true][answered].
    """
    smoothed = tables + 1.0
    mean: Array = (smoothed / smoothed.sum(axis=2, keepdims=True)).mean(axis=0)
    languages = len(tables)
    if languages < MIN_LANGUAGES:
        return mean, np.full(3, TEXTS[0])
    prior = TEXTS[:, None, None, None] * mean
    cells = (_log_gamma(prior + tables) - _log_gamma(prior)).sum(axis=(1, 3))
    rows = (_log_gamma(TEXTS)[:, None, None] - _log_gamma(TEXTS[:, None, None] + tables.sum(axis=2))).sum(axis=1)
    likelihood = cells + rows
    found = TEXTS[(likelihood >= likelihood.max(axis=0) - ONE_ERROR).argmax(axis=0)]
    return mean, (found + 1) * (languages - 1) / (languages + 1) - 1
