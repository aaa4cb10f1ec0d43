"""What guides the student beside the labels: out-of-fold linear votes, a teacher's soft labels and states."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Guidance:
    """Rows as in the training file.

    `votes` (n, 3) and `topic_votes` (n, topics): linear votes by machines that have not seen the row; they are added to
    the student's logits, in training as in serving. `soft` (n, 3) and `soft_topic` (n, topics): probabilities that a
    teacher and the votes give the row. `embeddings` (pieces, width): where the student's begin; None = at random.
    `states` (n, 2 width): what a teacher of the student's width makes of each row, for the student to make the same;
    None = it is taught by answers alone.
    """

    votes: Array
    topic_votes: Array
    soft: Array
    soft_topic: Array
    embeddings: Array | None = None
    states: NDArray[np.float16] | None = None


def softmax(logits: NDArray[np.floating]) -> Array:
    """Probabilities (n, classes)."""
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    result: Array = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return result


def mean_over_translations(probabilities: Array, groups: list[str]) -> Array:
    """Each row's probabilities replaced by the mean over the rows of its group ("" = a group of its own)."""
    found: dict[str, list[int]] = {}
    for row, group in enumerate(groups):
        if group:
            found.setdefault(group, []).append(row)
    averaged = probabilities.copy()
    for rows in found.values():
        averaged[rows] = probabilities[rows].mean(axis=0)
    return averaged


def narrowed(embeddings: Array, width: int) -> Array:
    """Embeddings (pieces, wider) on their first `width` principal axes, scaled to BERT's usual spread of .02."""
    centred = embeddings - embeddings.mean(axis=0)
    _, _, axes = np.linalg.svd(centred[:: max(1, len(centred) // 8_000)], full_matrices=False)
    projected = centred @ axes[:width].T
    scaled: Array = (projected * (0.02 / projected.std())).astype(np.float32)
    return scaled


def save(guidance: Guidance, file: Path) -> None:
    """Write to an .npz file."""
    content = {name: value for name, value in vars(guidance).items() if value is not None}
    np.savez(file, **content)


def load(file: Path) -> Guidance:
    """Read what `save` wrote."""
    with np.load(file, allow_pickle=False) as content:
        return Guidance(**{name: content[name] for name in content.files})
