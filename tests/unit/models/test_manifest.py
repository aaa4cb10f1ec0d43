"""A model folder is used only if it is exactly what its manifest says."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from models.errors import BadArtifact
from models.labels import SENTIMENTS, TOPICS
from models.load import load_classifier
from models.manifest import MANIFEST, Manifest, entry_of, load_manifest, sha256_of, write_manifest
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


def link_the_manifest(folder: Path) -> None:
    (folder / MANIFEST).rename(folder.parent / "elsewhere.json")
    (folder / MANIFEST).symlink_to(folder.parent / "elsewhere.json")


def never_end(folder: Path) -> None:
    (folder / MANIFEST).unlink()
    os.mkfifo(folder / MANIFEST)


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
    "calibration with wild biases": lambda folder: change(folder, calibration={"": {"biases": [0, 1e308, 0]}}),
    "manifest is a link": link_the_manifest,
    "manifest that never ends": never_end,
    "manifest without bounds": lambda folder: os.truncate(folder / MANIFEST, 1_000_000_000),
    "manifest of a later version": lambda folder: change(folder, v=2),
    "piece that fills up below 0": lambda folder: change(folder, pad_id=-1),
    "piece that no tokenizer has": lambda folder: change(folder, pad_id=2**62),
    "no id": lambda folder: change(folder, id=""),
    "id that commands a terminal": lambda folder: change(folder, id="\x1b]0;x\x07"),
    "topic without bounds": lambda folder: change(folder, topics=[*TOPICS[:-1], "x" * 1_000_000]),
    "texts of no token": lambda folder: change(folder, max_length=0),
    "texts without an end": lambda folder: change(folder, max_length=1_000_000_000),
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


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_what_was_verified_is_what_is_parsed(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is exchanged after the check, for one that would load, is refused."""

    def verified_then_changed(*given: Any) -> Manifest:
        manifest = load_manifest(*given)
        with (folder / name).open("ab") as content:
            content.write(b"\n" if name == "tokenizer.json" else field(2, b"another producer"))
        return manifest

    monkeypatch.setattr("models.onnx.load_manifest", verified_then_changed)
    with pytest.raises(BadArtifact, match=f"{name} was changed while it was loaded. Operator action"):
        load_onnx_classifier(folder, "cpu", 1)


def test_another_manifest_than_the_pinned_one_is_refused(folder: Path) -> None:
    """Before anything of it is parsed; whoever changes a model changes its manifest too."""
    pinned = sha256_of(folder / MANIFEST)
    assert load_manifest(folder, pinned.upper()) == load_manifest(folder)
    change(folder, id="another")
    with pytest.raises(BadArtifact, match=f"not {pinned} as MARKETPULSE_MODEL_SHA256 says. Operator action"):
        load_classifier("onnx", folder, "cpu", 1, pinned)
    (folder / MANIFEST).write_bytes(b"{")
    with pytest.raises(BadArtifact, match="MARKETPULSE_MODEL_SHA256"):
        load_manifest(folder, pinned)


def field(number: int, content: bytes | int) -> bytes:
    """One field of a protobuf message: a number below 16, at most 127 bytes."""
    if isinstance(content, int):
        return bytes([number << 3, content])
    return (
        bytes([*([number << 3 | 2] if number < 16 else [number << 3 & 127 | 130, number >> 4]), len(content)]) + content
    )


def graph_with_weights_at(location: bytes) -> bytes:
    """An ONNX graph whose 8 bytes of weights are in another file."""
    where = b"".join(
        field(13, field(1, key) + field(2, value))
        for key, value in {b"location": location, b"offset": b"0", b"length": b"8"}.items()
    )
    weights = field(1, 8) + field(2, 2) + field(8, b"w") + where + field(14, 1)
    shape = field(1, field(1, 2) + field(2, field(1, field(1, 8))))
    node = field(1, b"w") + field(2, b"y") + field(4, b"Identity")
    graph = field(1, node) + field(2, b"g") + field(5, weights) + field(12, field(1, b"y") + field(2, shape))
    return field(1, 8) + bytes([7 << 3 | 2, len(graph)]) + graph + field(8, field(2, 17))


@pytest.mark.parametrize("location", [b"weights.bin", b"model/weights.bin", b"../weights.bin"])
def test_weights_in_another_file_are_refused(folder: Path, location: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it is, in the working directory too, and even where the manifest lists it."""
    for place in (folder, folder.parent):
        (place / "weights.bin").write_bytes(b"12345678")
    (folder / "model.onnx").write_bytes(graph_with_weights_at(location))
    names = ("model.onnx", "tokenizer.json", "weights.bin")
    change(folder, files={name: msgspec.to_builtins(entry_of(folder / name)) for name in names})
    (folder / "MODEL_CARD.md").unlink()
    for working in (folder, folder.parent):
        monkeypatch.chdir(working)
        with pytest.raises(BadArtifact, match=r"keeps weights outside of model\.onnx .* Operator action"):
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
