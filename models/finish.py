"""Calibrate an exported model folder on held-out rows and write scores and card into it."""

from pathlib import Path

import msgspec

from models.calibrate import fit_calibration, primary_language
from models.card import CARD, card_of
from models.evaluate import Evaluation, evaluate, labelled, numbers
from models.manifest import entry_of, load_manifest, write_manifest
from models.onnx import load_onnx_classifier


def finish(folder: Path, development: Path, test: Path) -> Evaluation:
    """Fit the calibration on `development`, evaluate on it and on `test`, and keep all in manifest and card.

    Returns the evaluation on `development`, the one that the manifest holds.
    """
    manifest = msgspec.structs.replace(load_manifest(folder), calibration={}, evaluation=None)
    write_manifest(folder, manifest)
    rows = labelled(development)
    classifier = load_onnx_classifier(folder, "cpu")
    answered = classifier.classify([row.text for row in rows], [None] * len(rows))
    truth = numbers([row.label for row in rows], manifest.sentiments)
    calibration = fit_calibration(answered.sentiment, truth, [primary_language(row.lang) for row in rows])
    write_manifest(folder, msgspec.structs.replace(manifest, calibration=calibration))
    classifier = load_onnx_classifier(folder, "cpu")
    evaluation = evaluate(classifier, development)
    (folder / CARD).write_text(card_of(manifest, evaluation, evaluate(classifier, test)), encoding="utf-8")
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
