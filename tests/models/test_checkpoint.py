"""Hugging Face checkpoints through optimum: BERT, DistilBERT and XLM-RoBERTa answer as PyTorch does, or are refused."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra `train`: make test-models")

import msgspec
import onnx
import torch
from tokenizers import Tokenizer
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
)

from models.checkpoint import export_checkpoint
from models.errors import BadArtifact
from models.manifest import MANIFEST, Manifest, entry_of, load_manifest, write_manifest
from models.onnx import load_onnx_classifier
from models.train import TrainingPlan, train_tokenizer

pytestmark = [
    pytest.mark.models,
    # optimum, transformers and PyTorch's exporter warn of their own internals.
    pytest.mark.filterwarnings("ignore"),
]

ENDS = ("service", "screen", "delivery", "nothing else that I could say about it")
TEXTS = [
    f"{first} {second} and {third}"
    for first in ("good", "awful", "plain", "late")
    for second in ("app", "box", "price")
    for third in ENDS
]
LABELS = {0: "Positive", 1: "NEGATIVE", 2: "neutral"}
SIZES = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}


def checkpoint(kind: str, folder: Path, labels: dict[int, str] = LABELS) -> tuple[str, PreTrainedModel, Tokenizer]:
    """A tiny random checkpoint with its tokenizer, as the hub's are."""
    torch.manual_seed(5)
    tokenizer = train_tokenizer(iter(TEXTS * 3), TrainingPlan(vocabulary=200, max_length=64))
    pad = tokenizer.token_to_id("[PAD]")
    marks = {
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "mask_token": "[MASK]",
    }
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **marks).save_pretrained(folder)
    common = {"vocab_size": tokenizer.get_vocab_size(), "pad_token_id": pad, "id2label": labels,
              "label2id": {name: number for number, name in labels.items()}}  # fmt: skip
    network: PreTrainedModel
    if kind == "bert":
        network = BertForSequenceClassification(BertConfig(**SIZES, **common, max_position_embeddings=70))
    elif kind == "distilbert":
        sizes = {"dim": 32, "n_layers": 1, "n_heads": 2, "hidden_dim": 64, "max_position_embeddings": 70}
        network = DistilBertForSequenceClassification(DistilBertConfig(**sizes, **common))
    else:
        network = XLMRobertaForSequenceClassification(XLMRobertaConfig(**SIZES, **common, max_position_embeddings=70))
    for parameter in network.parameters():  # random weights of the usual spread answer all texts alike
        parameter.data.mul_(8 if parameter.dim() > 1 else 1)
    network.eval().save_pretrained(folder)
    return str(folder), network, tokenizer


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


@pytest.mark.parametrize(
    ("labels", "given", "why"),
    [
        ({0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}, None, "which one is negative"),
        ({0: "negative", 1: "positive"}, None, "which one is neutral"),
        ({0: "negative", 1: "neutral", 2: "positive", 3: "mixed"}, None, "three are needed"),
        ({0: "a", 1: "b"}, ("negative", "neutral", "positive"), "three are needed"),
    ],
)
def test_other_labels_are_refused(
    tmp_path: Path, labels: dict[int, str], given: tuple[str, ...] | None, why: str
) -> None:
    """With what to do."""
    source, _, _ = checkpoint("bert", tmp_path / "checkpoint", labels)
    with pytest.raises(BadArtifact, match=why):
        export_checkpoint(source, tmp_path / "model", TEXTS, labels=given, report=lambda _: None)


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
