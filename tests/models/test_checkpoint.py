"""Hugging Face checkpoints through optimum: BERT, DistilBERT and XLM-RoBERTa answer as PyTorch does, or are refused."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra `train`: make test-models")

import msgspec
import onnx
import torch

from models.checkpoint import export_checkpoint
from models.errors import BadArtifact
from models.labels import SENTIMENTS
from models.manifest import MANIFEST, Manifest, entry_of, load_manifest, write_manifest
from models.onnx import load_onnx_classifier
from tests.models.checkpoints import NAMELESS, STARS, TEXTS, checkpoint

pytestmark = [
    pytest.mark.models,
    # optimum, transformers and PyTorch's exporter warn of their own internals.
    pytest.mark.filterwarnings("ignore"),
]


@pytest.mark.parametrize("kind", ["bert", "distilbert", "xlm-roberta"])
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_a_checkpoint_answers_as_pytorch_does(tmp_path: Path, kind: str, precision: str) -> None:
    """Labels in the project's order, whatever the checkpoint's; one topic; the folder loads on its own."""
    source, network, tokenizer = checkpoint(kind, tmp_path / "checkpoint")
    out = tmp_path / "model"
    export_checkpoint(source, out, TEXTS, precision, report=lambda _: None)  # type: ignore[arg-type]
    answer = load_onnx_classifier(out, "cpu").classify(TEXTS[:12], [None] * 12)
    for row, text in enumerate(TEXTS[:12]):
        ids = torch.tensor([tokenizer.encode(text).ids])
        with torch.no_grad():
            logits = network(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0, [1, 2, 0]]
        assert answer.sentiment[row] == pytest.approx(
            logits.softmax(-1).numpy(), abs=0.1 if precision == "int8" else 0.01
        )
    assert np.ptp(answer.sentiment[:, 0]) > 0.01
    assert (precision, ("general",)) == ((manifest := load_manifest(out)).precision, manifest.topics)


STAR_NAMES = ("1 star", "2 stars", "3 stars", "4 stars", "5 stars")
FOLDED = ("negative", "negative", "neutral", "positive", "positive")


@pytest.mark.parametrize(
    ("labels", "given"), [(STARS, None), (NAMELESS, STAR_NAMES), (NAMELESS, FOLDED)], ids=["stars", "given", "folded"]
)
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_five_stars_fold_to_three_sentiments(
    tmp_path: Path, labels: dict[int, str], given: tuple[str, ...] | None, precision: str
) -> None:
    """Probabilities of 1 and 2 stars are summed to negative, of 4 and 5 to positive; the manifest says so."""
    source, network, tokenizer = checkpoint("bert", tmp_path / "checkpoint", labels, spread=6)
    out = tmp_path / "model"
    export_checkpoint(source, out, TEXTS, precision, given, report=lambda _: None)  # type: ignore[arg-type]
    answer = load_onnx_classifier(out, "cpu").classify(TEXTS, [None] * len(TEXTS)).sentiment
    for row, text in enumerate(TEXTS):
        ids = torch.tensor([tokenizer.encode(text).ids])
        with torch.no_grad():
            stars = network(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0].softmax(-1).numpy()
        expected = (stars[0] + stars[1], stars[2], stars[3] + stars[4])
        assert answer[row] == pytest.approx(expected, abs=0.1 if precision == "int8" else 0.01)
    assert answer.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert np.ptp(answer[:, 2]) > 0.01
    assert dict(zip(labels.values(), FOLDED, strict=True)) == load_manifest(out).labels


@pytest.mark.parametrize(
    ("labels", "given", "sentiment"),
    [
        ({0: "5 stars", 1: "3 stars", 2: "1 star"}, None, ("positive", "neutral", "negative")),
        (NAMELESS, ("neutral", "positive", "negative", "positive", "neutral"), None),
    ],
)
def test_labels_in_any_order_are_folded(
    tmp_path: Path, labels: dict[int, str], given: tuple[str, ...] | None, sentiment: tuple[str, ...] | None
) -> None:
    """Names decide, not places."""
    source, network, tokenizer = checkpoint("bert", tmp_path / "checkpoint", labels)
    made = export_checkpoint(source, tmp_path / "model", TEXTS, labels=given, report=lambda _: None)
    ids = torch.tensor([tokenizer.encode(TEXTS[0]).ids])
    with torch.no_grad():
        answers = network(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0].softmax(-1).tolist()
    pairs = list(zip(given or sentiment or (), answers, strict=True))
    expected = [sum(share for name, share in pairs if name == wanted) for wanted in SENTIMENTS]
    assert made.classify(TEXTS[:1], [None]).sentiment[0] == pytest.approx(expected, abs=0.001)


def test_named_labels_stand_in_for_nameless_ones(tmp_path: Path) -> None:
    """`--labels` says what LABEL_0 and so on mean."""
    source, _, _ = checkpoint("bert", tmp_path / "checkpoint", {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"})
    named = ("negative", "neutral", "positive")
    assert (
        export_checkpoint(source, tmp_path / "model", TEXTS, labels=named, report=lambda _: None).info.id
        == "checkpoint"
    )


def test_a_folder_in_use_and_a_missing_checkpoint_are_refused(tmp_path: Path) -> None:
    """Nothing is overwritten; nothing is guessed."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "model.onnx").write_bytes(b"x")
    with pytest.raises(BadArtifact, match="not empty"):
        export_checkpoint("anything", tmp_path / "full", TEXTS)
    with pytest.raises(BadArtifact, match="no checkpoint"):
        export_checkpoint(str(tmp_path / "nowhere"), tmp_path / "model", TEXTS)


def test_weights_outside_the_model_file_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph that points to a file elsewhere is not loaded, wherever the process runs: only what was hashed counts."""
    source, _, _ = checkpoint("bert", tmp_path / "checkpoint")
    out = tmp_path / "model"
    export_checkpoint(source, out, TEXTS, report=lambda _: None)
    model = onnx.load(str(out / "model.onnx"))
    onnx.save_model(
        model, str(tmp_path / "model.onnx"), save_as_external_data=True, location="elsewhere.bin", size_threshold=0
    )
    (out / "model.onnx").write_bytes((tmp_path / "model.onnx").read_bytes())
    manifest = load_manifest_unchecked(out)
    files = manifest.files | {"model.onnx": entry_of(out / "model.onnx")}
    write_manifest(out, msgspec.structs.replace(manifest, files=files))
    monkeypatch.chdir(tmp_path)  # where elsewhere.bin lies
    with pytest.raises(BadArtifact, match="Operator action"):
        load_onnx_classifier(out, "cpu")


def load_manifest_unchecked(folder: Path) -> Manifest:
    """The manifest as it stands, without verifying the folder against it."""
    return msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
