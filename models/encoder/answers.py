"""Answers on a family left out, kept with what they came of."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.encoder.families import Fold
from models.errors import BadArtifact

ANSWERS = "answers.npz"
Probabilities = NDArray[np.float32]


def write_answers(folder: Path, fold: Fold, probabilities: Probabilities, plan: str) -> None:
    """Keep probabilities (n, 3) of a fold's judged rows, at once, with the marks of plan and rows."""
    temporary = folder / f"partial-{ANSWERS}"
    np.savez(temporary, probabilities=probabilities, plan=plan, rows=fold.mark)
    temporary.replace(folder / ANSWERS)


def read_answers(folder: Path, fold: Fold) -> tuple[Probabilities, str]:
    """Kept probabilities (n, 3) of a fold, and the mark of their plan.

    Raises:
        BadArtifact: they cannot be read, or came of other rows.
    """
    try:
        with np.load(folder / ANSWERS, allow_pickle=False) as content:
            answered, plan, rows = (content[name] for name in ("probabilities", "plan", "rows"))
    except Exception as error:  # NumPy and zipfile raise of many kinds
        raise BadArtifact(f"{folder / ANSWERS} cannot be read: {error}. Operator action: delete it.") from error
    if str(rows) != fold.mark:
        raise BadArtifact(
            f"{folder} holds answers on other rows. Operator action: name another working directory, or delete it."
        )
    return answered, str(plan)
