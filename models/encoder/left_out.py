"""Calibration on families left out: on answers about sources that the model never saw, in place of its development set.

The development set is of the sources that a model was trained on, where its class shares are right by themselves. Kept
answers of `model families` show how far they are off on sources to come.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.calibrate import fit_calibration
from models.calibration import Calibration, apply_calibration
from models.encoder.answers import ANSWERS, read_answers
from models.encoder.families import FAMILIES
from models.encoder.judge import NEUTRAL
from models.encoder.protocol import Protocol
from models.language.tags import primary_language


@dataclass(frozen=True)
class LeftOut:
    """One family's rows, as a model answered them that was not trained on it.

    `probabilities`: (n, 3), rows sum to 1; `truth`: (n,) class numbers; `languages`: (n,) primary subtags.
    """

    probabilities: NDArray[np.float32]
    truth: NDArray[np.int64]
    languages: tuple[str, ...]


class NeutralShare(msgspec.Struct, frozen=True):
    """Share of a family's rows that are neutral, that are answered so, and that a calibration lets be answered so.

    `calibrated`: with a calibration fitted on all other families; None where there is no other. `error` and
    `calibrated_error`: distances from `true`.
    """

    true: float
    answered: float
    calibrated: float | None
    error: float
    calibrated_error: float | None


def left_out(protocol: Protocol, work: Path, name: str) -> dict[str, LeftOut]:
    """The kept answers of one method on each family that has some, in the order of FAMILIES.

    Args:
        protocol: how the folds were drawn.
        work: working directory of `model families`.
        name: under which the answers are kept.

    Raises:
        BadArtifact: answers came of other rows than the protocol's.
    """
    found = {}
    for family in FAMILIES:
        folder = work / family / name
        if (folder / ANSWERS).exists():
            fold = protocol.fold(family)
            languages = tuple(primary_language(row.lang) for row in fold.judged)
            found[family] = LeftOut(read_answers(folder, fold)[0], fold.truth, languages)
    return found


def fit_left_out(families: Mapping[str, LeftOut]) -> dict[str, Calibration]:
    """One calibration per language, and one for the others under "", as `fit_calibration` finds them on these rows.

    All families weigh alike, whatever their sizes; a language has its own calibration from 100 rows on.

    Raises:
        BadArtifact: no family is given.
    """
    parts = list(families.values())
    total = sum(len(part.truth) for part in parts)
    weights = [np.full(len(part.truth), total / len(parts) / len(part.truth)) for part in parts]
    return fit_calibration(
        np.concatenate([np.zeros((0, 3), np.float32), *(part.probabilities for part in parts)]),
        np.concatenate([np.zeros(0, np.int64), *(part.truth for part in parts)]),
        [language for part in parts for language in part.languages],
        np.concatenate([np.zeros(0), *weights]),
    )


def neutral_shares(families: Mapping[str, LeftOut]) -> dict[str, NeutralShare]:
    """How well each family's share of neutrals is met, before and after a calibration that did not see the family."""
    found = {}
    for name, part in families.items():
        others = {other: rows for other, rows in families.items() if other != name}
        true, answered = float((part.truth == NEUTRAL).mean()), _neutral(part.probabilities)
        calibrated = None
        if others:
            calibrated = _neutral(apply_calibration(part.probabilities, part.languages, fit_left_out(others)))
        found[name] = NeutralShare(
            round(true, 4),
            round(answered, 4),
            None if calibrated is None else round(calibrated, 4),
            round(abs(answered - true), 4),
            None if calibrated is None else round(abs(calibrated - true), 4),
        )
    return found


def _neutral(probabilities: NDArray[np.float32]) -> float:
    return float((probabilities.argmax(axis=1) == NEUTRAL).mean())
