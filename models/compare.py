"""Is one classifier better than another on the same rows? Paired bootstrap of the difference of macro-F1."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.scores import Labels

ROUNDS = 4_000


class Difference(msgspec.Struct, frozen=True):
    """macro-F1 of the first minus the second, with its 95 % interval over resampled rows."""

    n: int
    first: float
    second: float
    difference: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """`better`, `worse` or `no difference seen`, as the interval lies."""
        return "better" if self.low > 0 else "worse" if self.high < 0 else "no difference seen"


class Comparison(msgspec.Struct, frozen=True):
    """Per language, and for the mean over languages."""

    languages: dict[str, Difference]
    mean: Difference


def compare(
    truth: Labels, first: Labels, second: Labels, languages: Sequence[str], classes: int = 3, seed: int = 0
) -> Comparison:
    """Compare two classifiers' answers row by row (Efron's percentile interval, 4,000 resamples).

    Rows fall into classes^3 kinds (truth, first answer, second answer); resampling rows is a multinomial draw of kinds,
    within each language by itself.

    Args:
        truth, first, second: (n,) class numbers.
        languages: (n,).
        classes: how many there are.
        seed: of the resampling.
    """
    random = np.random.default_rng(seed)
    names = np.array(languages)
    kinds = (truth * classes + first) * classes + second
    found: dict[str, Difference] = {}
    points, samples = [], []
    for language in sorted(set(languages)):
        counts = np.bincount(kinds[names == language], minlength=classes**3)
        n = int(counts.sum())
        drawn = np.concatenate([counts[None], random.multinomial(n, counts / n, size=ROUNDS)])
        scores = np.stack([_macro_f1(_tables(drawn, classes, side)) for side in (1, 2)])
        found[language] = _difference(n, scores)
        points.append(scores)
    samples = np.mean(points, axis=0)
    return Comparison(found, _difference(len(truth), samples))


def _difference(n: int, scores: NDArray[np.float64]) -> Difference:
    """From macro-F1 (2, 1 + rounds) of both sides; the first column is the sample itself."""
    gaps = scores[0] - scores[1]
    low, high = np.quantile(gaps[1:], [0.025, 0.975])
    return Difference(n, float(scores[0, 0]), float(scores[1, 0]), float(gaps[0]), float(low), float(high))


def _tables(drawn: NDArray[np.int64], classes: int, side: int) -> NDArray[np.int64]:
    """Confusion tables (draws, truth, answer) of one side from counts of kinds (draws, classes^3)."""
    cube = drawn.reshape(-1, classes, classes, classes)
    tables: NDArray[np.int64] = cube.sum(axis=3 if side == 1 else 2)
    return tables


def _macro_f1(tables: NDArray[np.int64]) -> NDArray[np.float64]:
    hits = np.diagonal(tables, axis1=1, axis2=2)
    involved = tables.sum(axis=1) + tables.sum(axis=2)
    scores: NDArray[np.float64] = (2 * hits / np.maximum(involved, 1)).mean(axis=1)
    return scores
