"""Per-language calibration of a model's answers, as its manifest holds it; `models/calibrate.py` finds it."""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.language.tags import ANY_LANGUAGE


class Calibration(msgspec.Struct, frozen=True):
    """p = softmax((log p + biases)/temperature): biases decide which label wins, the temperature how sure it is."""

    biases: tuple[float, ...]
    temperature: float = 1.0


def apply_calibration(
    probabilities: NDArray[np.float32], languages: Sequence[str], calibration: Mapping[str, Calibration]
) -> NDArray[np.float32]:
    """Calibrated probabilities (n, classes), rows summing to 1; unknown languages take the common calibration.

    Args:
        probabilities: (n, classes) as the model gives them.
        languages: (n,) primary languages, "" = not known.
        calibration: by primary language; empty = nothing is changed.
    """
    if not calibration or not len(probabilities):
        return probabilities
    chosen = [calibration.get(language, calibration[ANY_LANGUAGE]) for language in languages]
    biases = np.array([one.biases for one in chosen])
    temperatures = np.array([[one.temperature] for one in chosen])
    return softmax((log_probabilities(probabilities) + biases) / temperatures).astype(np.float32)


def log_probabilities(probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    """Natural logarithms, of 1e-9 at least."""
    logs: NDArray[np.float64] = np.log(np.maximum(probabilities.astype(np.float64), 1e-9))
    return logs


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities (n, classes) of logits, rows summing to 1."""
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    result: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return result


def combined(first: Mapping[str, Calibration], second: Mapping[str, Calibration]) -> dict[str, Calibration]:
    """The calibration that does what `first` does and then `second`; both by primary language, with a common one.

    softmax((log p + b)/t) of softmax((log p + a)/s) is softmax((log p + a + s b)/(s t)).
    """
    found = {}
    for language in sorted({*first, *second}):
        one, other = (given.get(language, given[ANY_LANGUAGE]) for given in (first, second))
        biases = (a + one.temperature * b for a, b in zip(one.biases, other.biases, strict=True))
        temperature = one.temperature * other.temperature
        found[language] = Calibration(tuple(round(bias, 4) for bias in biases), round(temperature, 4))
    return found
