"""Checkpoints that give no three sentiments are refused in words that help, and an export that fails leaves nothing."""

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra `train`: make test-models")

import torch
from transformers import AutoTokenizer, BertConfig, BertForMaskedLM, BertForSequenceClassification, BertModel

import models.checkpoint
from models.checkpoint import export_checkpoint
from models.errors import BadArtifact
from models.manifest import load_manifest
from streams.cli.main import main
from tests.models.checkpoints import LABELS, NAMELESS, SIZES, STARS, TEXTS, checkpoint

pytestmark = [
    pytest.mark.models,
    # optimum, transformers and PyTorch's exporter warn of their own internals.
    pytest.mark.filterwarnings("ignore"),
]

Maker = Callable[[Path], object]


def labelled(labels: dict[int, str], problem_type: str | None = None) -> Maker:
    return lambda folder: checkpoint("bert", folder, labels, problem_type)


def without_head(folder: Path) -> None:
    """Weights of the body alone, as `bert-base-uncased` gives them."""
    checkpoint("bert", folder)
    BertModel.from_pretrained(folder).save_pretrained(folder)


def of_another_task(folder: Path) -> None:
    """A language model, with three labels in its configuration that no weights belong to."""
    checkpoint("bert", folder)
    BertForMaskedLM(BertConfig.from_pretrained(folder)).save_pretrained(folder)


def without_pad_token(folder: Path) -> None:
    checkpoint("bert", folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.pad_token = None
    tokenizer.save_pretrained(folder)


def with_a_pad_token_beyond_its_embeddings(folder: Path) -> None:
    """As where `add_special_tokens` was not followed by `resize_token_embeddings`."""
    checkpoint("bert", folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"pad_token": "[NEW PAD]"})
    tokenizer.save_pretrained(folder)


def with_another_number_of_labels(folder: Path) -> None:
    """A configuration of three labels beside weights of two."""
    checkpoint("bert", folder)
    config = BertConfig.from_pretrained(folder)
    BertForSequenceClassification(BertConfig(**SIZES, vocab_size=config.vocab_size, num_labels=2)).save_pretrained(
        folder
    )
    config.save_pretrained(folder)


def configured(**entries: object) -> Maker:
    """With further entries in its config.json, as a stranger may have written them."""

    def make(folder: Path) -> None:
        checkpoint("bert", folder)
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | entries), "utf-8")

    return make


def pickled(folder: Path) -> None:
    """Weights as PyTorch pickles them, which may hold code."""
    _, network, _ = checkpoint("bert", folder)
    (folder / "model.safetensors").unlink()
    torch.save(network.state_dict(), folder / "pytorch_model.bin")


REFUSED: dict[str, tuple[Maker, list[str], str, str]] = {
    "two labels": (labelled({0: "NEGATIVE", 1: "POSITIVE"}), [], "2 labels", "1 to 5 stars"),
    "two named labels": (labelled({0: "a", 1: "b"}), ["--labels", "negative,positive"], "2 labels", "1 to 5 stars"),
    "regression": (labelled({0: "LABEL_0"}), [], "one number", "classes"),
    "regression with three": (labelled(LABELS, "regression"), [], "regression", "classes"),
    "multi-label": (labelled(LABELS, "multi_label_classification"), [], "multi_label", "single_label_classification"),
    "nameless": (labelled(NAMELESS), [], "LABEL_0", "--labels '1 star,2 stars,3 stars,4 stars,5 stars'"),
    "nameless three": (
        labelled({number: f"LABEL_{number}" for number in range(3)}), [], "LABEL_0",
        "--labels 'negative,neutral,positive'"),
    "a fourth label": (labelled({0: "negative", 1: "neutral", 2: "positive", 3: "mixed"}), [], "'mixed'", "--labels"),
    "no neutral": (labelled({0: "1 star", 1: "2 stars", 2: "5 stars"}), [], "neutral", "three sentiments"),
    "too few names": (labelled(STARS), ["--labels", "negative,neutral,positive"], "3", "each of its 5 labels"),
    "no pad token": (without_pad_token, [], "no pad token", "pad_token"),
    "pad token without embedding": (
        with_a_pad_token_beyond_its_embeddings, [], "[NEW PAD]", "resize_token_embeddings"),
    "no head": (without_head, [], "classifier.weight", "fine-tune"),
    "another task": (of_another_task, [], "classifier.weight", "fine-tune"),
    "a kernel of the hub": (
        configured(_attn_implementation_internal="evil/kernel"), [], "evil/kernel", "without this entry"),
    "a kernel of a part": (
        configured(text_config={"attn_implementation": "evil/kernel:x"}), [], "evil/kernel", "without this entry"),
    "code of its own": (configured(auto_map={"AutoConfig": "evil.Config"}), [], "evil.Config", "without this entry"),
    "pickled weights": (pickled, [], "cannot be loaded", "Operator action"),
    "other weights": (with_another_number_of_labels, [], "cannot be loaded", "Operator action"),
}  # fmt: skip


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working folder, with temporary files in a folder of the test."""
    for name in ("here", "temporary"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    yield tmp_path / "here"
    assert [] == list((tmp_path / "temporary").iterdir())


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_and_leaves_nothing(
    name: str, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, what was found and what would do; neither output nor temporary files, whatever the precision."""
    maker, options, found, remedy = REFUSED[name]
    maker(tmp_path / "checkpoint")
    before = contents(tmp_path / "checkpoint")
    arguments = ["model", "export", str(tmp_path / "checkpoint"), "--out", "deep/er", "--precision", "int8", *options]
    monkeypatch.setattr(sys, "argv", ["marketpulse", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    written = capsys.readouterr().err
    assert (2, True, True) == (ended.value.code, found in written, remedy in written), written
    assert "Operator action: " in written
    assert "Traceback" not in written
    assert [] == list(here.iterdir())
    assert before == contents(tmp_path / "checkpoint")


def test_a_refused_export_does_not_stand_in_the_way_of_the_next(here: Path, tmp_path: Path) -> None:
    """With the option that the refusal names, into the same folder."""
    source, _, _ = checkpoint("bert", tmp_path / "checkpoint", NAMELESS)
    with pytest.raises(BadArtifact, match="--labels"):
        export_checkpoint(source, here / "model", TEXTS)
    stars = ("1 star", "2 stars", "3 stars", "4 stars", "5 stars")
    export_checkpoint(source, here / "model", TEXTS, labels=stars, report=lambda _: None)
    assert ["model"] == [path.name for path in here.iterdir()]
    assert {"model.onnx", "tokenizer.json", "manifest.json"} == {path.name for path in (here / "model").iterdir()}


@pytest.mark.parametrize("step", ["main_export", "quantise", "require_parity"])
def test_a_step_that_fails_leaves_nothing(
    step: str, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty target stays as empty as it was, a missing one stays missing."""

    def failing(*_: object, **__: object) -> None:
        raise BadArtifact("no")

    source, _, _ = checkpoint("bert", tmp_path / "checkpoint")
    monkeypatch.setattr(models.checkpoint, step, failing)
    (here / "empty").mkdir()
    for out in (here / "empty", here / "missing"):
        with pytest.raises(BadArtifact):
            export_checkpoint(source, out, TEXTS, "int8", report=lambda _: None)
    assert ["empty"] == [str(path.relative_to(here)) for path in here.rglob("*")]


def test_an_exporter_that_does_not_know_the_model_is_named(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """optimum raises bare exceptions of many kinds: one sentence instead of a trace."""

    def failing(*_: object, **__: object) -> None:
        raise ValueError("Trying to export a new_kind model")

    source, _, _ = checkpoint("bert", tmp_path / "checkpoint")
    monkeypatch.setattr(models.checkpoint, "main_export", failing)
    with pytest.raises(BadArtifact, match=r"new_kind.*Operator action"):
        export_checkpoint(source, here / "model", TEXTS, report=lambda _: None)


@pytest.mark.parametrize("rows", [None, "", "{}"], ids=["missing", "empty", "without text"])
def test_development_rows_that_cannot_be_used_leave_nothing(rows: str | None, here: Path, tmp_path: Path) -> None:
    """Calibration belongs to the export: no folder without it is left where it was asked for."""
    source, _, _ = checkpoint("bert", tmp_path / "checkpoint")
    development = tmp_path / "rows.jsonl"
    if rows is not None:
        development.write_text(rows)
    with pytest.raises(BadArtifact, match="Operator action"):
        export_checkpoint(source, here / "model", TEXTS, development=development, report=lambda _: None)
    assert [] == list(here.iterdir())


def test_development_rows_calibrate_what_is_exported(here: Path, tmp_path: Path) -> None:
    """Scores and card are in the folder, and the card says how five stars became three sentiments."""
    source, _, _ = checkpoint("bert", tmp_path / "checkpoint", STARS)
    development = tmp_path / "rows.jsonl"
    development.write_text("".join(f'{{"text": "{text}", "label": "neutral", "lang": "en"}}\n' for text in TEXTS))
    export_checkpoint(source, here / "model", TEXTS, development=development, report=lambda _: None)
    manifest = load_manifest(here / "model")
    assert manifest.evaluation is not None
    assert "" in manifest.calibration
    assert "`1 star`, `2 stars` to negative" in (here / "model" / "MODEL_CARD.md").read_text("utf-8")


def test_a_folder_in_use_stays_as_it_is(here: Path) -> None:
    """Refused before anything is read or loaded."""
    (here / "full").mkdir()
    (here / "full" / "model.onnx").write_bytes(b"x")
    (here / "file").write_bytes(b"y")
    for name, why in (("full", "not empty"), ("file", "not a folder")):
        with pytest.raises(BadArtifact, match=why):
            export_checkpoint("anything", here / name, TEXTS)
    assert {"full/model.onnx": b"x", "file": b"y"} == contents(here)
