"""A model folder is used only if it is exactly what its manifest says."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from models.errors import BadArtifact
from models.labels import SENTIMENTS, TOPICS
from models.manifest import MANIFEST, load_manifest, write_manifest
from models.onnx import load_onnx_classifier


def change(folder: Path, **fields: object) -> None:
    manifest = json.loads((folder / MANIFEST).read_bytes())
    (folder / MANIFEST).write_text(json.dumps(manifest | fields))


def flip_a_byte(folder: Path) -> None:
    with (folder / "model.onnx").open("r+b") as content:
        content.seek(5_000)
        byte = content.read(1)
        content.seek(5_000)
        content.write(bytes([byte[0] ^ 1]))


def truncate(folder: Path) -> None:
    os.truncate(folder / "tokenizer.json", 100)


def link(folder: Path) -> None:
    target = folder.parent / "elsewhere.onnx"
    (folder / "model.onnx").rename(target)
    (folder / "model.onnx").symlink_to(target)


def leave_the_folder(folder: Path) -> None:
    manifest = json.loads((folder / MANIFEST).read_bytes())
    (folder.parent / "outside.bin").write_bytes(b"x")
    manifest["files"]["../outside.bin"] = manifest["files"]["model.onnx"]
    (folder / MANIFEST).write_text(json.dumps(manifest))


def forget_the_model(folder: Path) -> None:
    manifest = json.loads((folder / MANIFEST).read_bytes())
    del manifest["files"]["model.onnx"]
    (folder / MANIFEST).write_text(json.dumps(manifest))


SPOILED: dict[str, Callable[[Path], object]] = {
    "byte flipped": flip_a_byte,
    "file cut": truncate,
    "file missing": lambda folder: (folder / "tokenizer.json").unlink(),
    "symbolic link": link,
    "path outside": leave_the_folder,
    "file not listed": lambda folder: (folder / "extra.bin").write_bytes(b"x"),
    "model not listed": forget_the_model,
    "manifest missing": lambda folder: (folder / MANIFEST).unlink(),
    "manifest no JSON": lambda folder: (folder / MANIFEST).write_bytes(b"{"),
    "manifest not UTF-8": lambda folder: (folder / MANIFEST).write_bytes(b'{"id": "\xff"}'),
    "manifest of another shape": lambda folder: (folder / MANIFEST).write_bytes(b"[]"),
    "other cleaning": lambda folder: change(folder, clean_sha256="0" * 64),
    "other sentiments": lambda folder: change(folder, sentiments=["bad", "good"]),
    "sentiments in another order": lambda folder: change(folder, sentiments=SENTIMENTS[::-1]),
    "doubled topics": lambda folder: change(folder, topics=[TOPICS[0], *TOPICS[:-1]]),
    "calibration without a common one": lambda folder: change(folder, calibration={"en": {"biases": [0, 0, 0]}}),
    "calibration of another size": lambda folder: change(folder, calibration={"": {"biases": [0, 0]}}),
    "calibration with a wild temperature": lambda folder: change(
        folder, calibration={"": {"biases": [0, 0, 0], "temperature": 0}}
    ),
}


@pytest.mark.parametrize("how", SPOILED)
def test_spoiled_folder_is_refused(folder: Path, how: str) -> None:
    """Whatever differs from the manifest, the folder is refused and the operator told what to do."""
    SPOILED[how](folder)
    with pytest.raises(BadArtifact, match="Operator action"):
        load_manifest(folder)


def test_model_with_other_outputs_is_refused(folder: Path) -> None:
    """A manifest that names more topics than the model has is refused when the model is loaded."""
    change(folder, topics=[*TOPICS, "another"])
    with pytest.raises(BadArtifact, match="13"):
        load_onnx_classifier(folder, "cpu", 1)


def test_manifest_survives_writing(folder: Path) -> None:
    """What is written is what was read."""
    manifest = load_manifest(folder)
    write_manifest(folder, manifest)
    assert manifest == load_manifest(folder)


def test_shipped_model_carries_its_figures(folder: Path) -> None:
    """The shipped manifest holds scores and confusions that agree with each other and reach the goal."""
    evaluation = load_manifest(folder).evaluation
    assert evaluation is not None
    assert evaluation.mean_macro_f1 >= 0.60
    for scores in evaluation.languages.values():
        assert scores.n == sum(map(sum, scores.confusion))
        hits = sum(scores.confusion[label][label] for label in range(len(SENTIMENTS)))
        assert scores.accuracy == pytest.approx(hits / scores.n)


def test_shipped_folder_is_small(folder: Path) -> None:
    """A clone stays cheap: the folder has at most 30 MB."""
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 30_000_000
