"""Finding a calibration: class biases that give labels their true shares, and a temperature for confidence.

Apart from `models/calibration.py`, which applies it: SciPy is for training, and no serving process has to load it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from models.calibration import Calibration, log_probabilities, softmax
from models.errors import BadArtifact
from models.language.tags import ANY_LANGUAGE

ROUNDS = 200
LEAST_ROWS = 100
LARGEST_BIAS = 1.5
TEMPERATURES = (0.4, 4.0)


def fit_calibration(
    probabilities: NDArray[np.float32],
    truth: NDArray[np.int64],
    languages: Sequence[str],
    weights: NDArray[np.float64] | None = None,
) -> dict[str, Calibration]:
    """One calibration per language, and one for unknown languages under "".

    The biases are found by moving every class's bias against its surplus until the shares of the answers (argmax) are
    those of the labels: metrics count answers. The temperature then minimises the negative log-likelihood; it changes
    no answer. Languages with fewer than 100 rows take the common one.

    Args:
        probabilities: (n, classes), rows sum to 1.
        truth: (n,) class numbers.
        languages: (n,) BCP 47 primary subtags.
        weights: (n,) what each row counts; None = 1.

    Raises:
        BadArtifact: there are no rows to fit on.
    """
    if len(truth) == 0:
        raise BadArtifact("no labelled rows to calibrate on. Operator action: give a file with `text` and `label`.")
    names = np.array(languages)
    weights = np.ones(len(truth)) if weights is None else weights
    found = {ANY_LANGUAGE: _fit(probabilities, truth, weights)}
    for language in sorted(set(languages) - {ANY_LANGUAGE}):
        chosen = names == language
        if chosen.sum() >= LEAST_ROWS:
            found[language] = _fit(probabilities[chosen], truth[chosen], weights[chosen])
    return found


def _fit(probabilities: NDArray[np.float32], truth: NDArray[np.int64], weights: NDArray[np.float64]) -> Calibration:
    classes = probabilities.shape[1]
    logs = log_probabilities(probabilities)

    def shares(labels: NDArray[np.int64]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = (np.bincount(labels, weights, classes) + 1) / (weights.sum() + classes)
        return found

    wanted = shares(truth)
    bias = np.zeros(classes)
    for step in range(ROUNDS):
        answered = shares((logs + bias).argmax(axis=1))
        bias += (0.5 if step < ROUNDS // 2 else 0.1) * np.log(wanted / answered)
        bias = np.clip(bias - bias.mean(), -LARGEST_BIAS, LARGEST_BIAS)
    rows = np.arange(len(truth))

    def loss(temperature: float) -> float:
        likelihood = np.log(np.maximum(softmax((logs + bias) / temperature)[rows, truth], 1e-12))
        return -float(np.average(likelihood, weights=weights))

    best = minimize_scalar(loss, bounds=TEMPERATURES, method="bounded").x
    return Calibration(tuple(round(float(one), 4) for one in bias), round(float(best), 4))
