"""Calibrate an exported model folder on held-out rows and write scores and card into it."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec

from models.calibrate import fit_calibration
from models.calibration import Calibration, combined
from models.card import CARD, SMALL, card_of
from models.evaluate import Evaluation, evaluate, labelled, numbers
from models.labels import SENTIMENTS
from models.language.tags import primary_language
from models.manifest import entry_of, load_manifest, write_manifest
from models.onnx import load_onnx_classifier


def finish(
    folder: Path,
    development: Path,
    test: Path,
    description: str = SMALL,
    left_out: Mapping[str, Calibration] = MappingProxyType({}),
) -> Evaluation:
    """Fit the calibration on `development`, evaluate on it and on `test`, and keep all in manifest and card.

    `left_out`: what answers of models made alike lack on sources that they never saw (see `fit_left_out`); it comes on
    top. Returns the evaluation on `development`, the one that the manifest holds.
    """
    if left_out:
        description += "\n\nIts calibration was then corrected by answers on sources left out of the training."
    return _finish(folder, development, test, description, left_out)


def describe(folder: Path, development: Path, source: str) -> Evaluation:
    """The same for a model that came from elsewhere, without a test set."""
    description = f"Exported from `{source}`; for what it was trained on and its licence see there."
    if folds := _folds(load_manifest(folder).labels):
        description += f"\n\nIts labels mean three sentiments, the probabilities of each are summed: {folds}."
    return _finish(folder, development, None, description, {})


def _folds(labels: dict[str, str]) -> str:
    """`1 star`, `2 stars` to negative and so on; empty where every sentiment has one label only."""
    if len(labels) == len(set(labels.values())):
        return ""
    named = {meant: ", ".join(f"`{label}`" for label in labels if labels[label] == meant) for meant in SENTIMENTS}
    return "; ".join(f"{names} to {meant}" for meant, names in named.items())


def _finish(
    folder: Path, development: Path, test: Path | None, description: str, left_out: Mapping[str, Calibration]
) -> Evaluation:
    manifest = msgspec.structs.replace(load_manifest(folder), calibration={}, evaluation=None)
    write_manifest(folder, manifest)
    rows = labelled(development)
    classifier = load_onnx_classifier(folder, "cpu")
    answered = classifier.classify([row.text for row in rows], [None] * len(rows))
    truth = numbers([row.label for row in rows], manifest.sentiments)
    calibration = fit_calibration(answered.sentiment, truth, [primary_language(row.lang) for row in rows])
    if left_out:
        calibration = combined(calibration, left_out)
    write_manifest(folder, msgspec.structs.replace(manifest, calibration=calibration))
    classifier = load_onnx_classifier(folder, "cpu")
    evaluation = msgspec.structs.replace(evaluate(classifier, development), texts_per_second=None)
    tested = None if test is None else evaluate(classifier, test)
    (folder / CARD).write_text(card_of(manifest, description, evaluation, tested), encoding="utf-8")
    write_manifest(
        folder,
        msgspec.structs.replace(
            manifest,
            calibration=calibration,
            evaluation=evaluation,
            files=manifest.files | {CARD: entry_of(folder / CARD)},
        ),
    )
    return evaluation
