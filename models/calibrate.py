"""Per-language class biases, so that the share of each answered label is the share of the true one."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.errors import BadArtifact

ROUNDS = 200
LEAST_ROWS = 100
LARGEST_BIAS = 1.5
ANY_LANGUAGE = ""


def fit_biases(
    probabilities: NDArray[np.float32], truth: NDArray[np.int64], languages: Sequence[str]
) -> dict[str, tuple[float, ...]]:
    """Log-biases per language, and one for unknown languages under "".

    Each is added to the log-probabilities; found by moving every class's bias against its surplus until the shares of
    the answers (argmax) are those of the labels. Languages with fewer than 100 rows take the common one.

    Args:
        probabilities: (n, classes), rows sum to 1.
        truth: (n,) class numbers.
        languages: (n,) BCP 47 primary subtags.

    Raises:
        BadArtifact: there are no rows to fit on.
    """
    if len(truth) == 0:
        raise BadArtifact("no labelled rows to calibrate on. Operator action: give a file with `text` and `label`.")
    names = np.array(languages)
    biases = {ANY_LANGUAGE: _fit(probabilities, truth)}
    for language in sorted(set(languages) - {ANY_LANGUAGE}):
        chosen = names == language
        if chosen.sum() >= LEAST_ROWS:
            biases[language] = _fit(probabilities[chosen], truth[chosen])
    return biases


def _fit(probabilities: NDArray[np.float32], truth: NDArray[np.int64]) -> tuple[float, ...]:
    classes = probabilities.shape[1]
    logs = np.log(np.maximum(probabilities.astype(np.float64), 1e-9))
    wanted = (np.bincount(truth, minlength=classes) + 1) / (len(truth) + classes)
    bias = np.zeros(classes)
    for step in range(ROUNDS):
        answered = (np.bincount((logs + bias).argmax(axis=1), minlength=classes) + 1) / (len(truth) + classes)
        bias += (0.5 if step < ROUNDS // 2 else 0.1) * np.log(wanted / answered)
        bias = np.clip(bias - bias.mean(), -LARGEST_BIAS, LARGEST_BIAS)
    return tuple(round(float(one), 4) for one in bias)


def apply_biases(probabilities: NDArray[np.float32], biases: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities (n, classes) with log-biases (n, classes) added, rows summing to 1 again."""
    weighted = probabilities * np.exp(biases)
    result: NDArray[np.float32] = weighted / np.maximum(weighted.sum(axis=1, keepdims=True), 1e-12)
    return result.astype(np.float32)
