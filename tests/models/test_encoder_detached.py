"""A model folder without the encoder's word embeddings, and made again from both."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.models.training import MARKS, WORDS, encoder_folder

# isort: split

import onnx
import torch
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner

from models.encoder.detached import GRAPH, attach, detach
from models.encoder.student import TRAINING, OwnPlan, shipped_teacher, student_tokenizer
from models.encoder.teacher import EncoderPlan, new_teacher
from models.errors import BadArtifact
from models.export import export
from models.manifest import load_manifest
from models.onnx import load_onnx_classifier
from streams.cli.main import app

pytestmark = MARKS

TEXTS = [" ".join(words) for words in WORDS.values()]
FILES = {"manifest.json", "model.onnx", "tokenizer.json"}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = [word for words in WORDS.values() for word in words]
    return encoder_folder(tmp_path_factory.mktemp("encoder"), [*words, "never", "seen"])


@pytest.fixture(scope="module")
def folder(encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a whole teacher with some of the encoder's pieces, in fp16."""
    return exported(encoder, tmp_path_factory.mktemp("model"), 0.0)


def exported(encoder: Path, place: Path, moved: float) -> Path:
    teacher = new_teacher(encoder, EncoderPlan(layers=2, max_length=24, threads=1))
    plan = replace(TRAINING, vocabulary=34, max_length=24)
    tokenizer = student_tokenizer([], encoder, place / "work", plan, OwnPlan(others=4))
    student = shipped_teacher(teacher, tokenizer, plan)
    with torch.no_grad():
        student.network.encoder.embeddings.word_embeddings.weight += moved * torch.arange(32)
    export(student.network, place / "work" / "tokenizer.json", place / "whole", "base", TEXTS, "fp16", 24)
    return place / "whole"


def test_both_parts_make_the_folder_again(folder: Path, encoder: Path, tmp_path: Path) -> None:
    """The same bytes each time, and the answers of before."""
    detach(folder, encoder, tmp_path / "parts")
    assert {GRAPH, "manifest.json", "tokenizer.json"} == {path.name for path in (tmp_path / "parts").iterdir()}
    assert "base" == attach(tmp_path / "parts", encoder, tmp_path / "whole").id
    attach(tmp_path / "parts", encoder, tmp_path / "again")
    for name in FILES:
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    before, after = (
        load_onnx_classifier(one, "cpu", 1).classify(TEXTS, [None] * 3) for one in (folder, tmp_path / "whole")
    )
    assert before.sentiment.tolist() == after.sentiment.tolist()


def test_the_parts_hold_no_embedding_of_the_encoder(folder: Path, encoder: Path, tmp_path: Path) -> None:
    """Of all tables of the graph, that one has no numbers, and without them nothing loads."""
    detach(folder, encoder, tmp_path)
    pieces = len(json.loads((tmp_path / "tokenizer.json").read_text("utf-8"))["model"]["vocab"])
    tables = onnx.load(str(tmp_path / GRAPH), load_external_data=False).graph.initializer
    empty = [one for one in tables if not one.raw_data and not one.float_data and not one.int64_data]
    assert [[pieces, 32]] == [list(one.dims) for one in empty]
    with pytest.raises(BadArtifact):
        load_manifest(tmp_path)


def test_embeddings_that_were_trained_stay(encoder: Path, tmp_path: Path) -> None:
    """Such a folder is not the encoder's: nothing is left out, and nothing is made."""
    trained = exported(encoder, tmp_path / "trained", 0.01)
    with pytest.raises(BadArtifact, match="were trained along"):
        detach(trained, encoder, tmp_path / "parts")
    assert not (tmp_path / "parts").exists()


def test_another_encoder_is_found(folder: Path, encoder: Path, tmp_path: Path) -> None:
    """By the SHA-256 of the graph that comes out."""
    detach(folder, encoder, tmp_path / "parts")
    other = shutil.copytree(encoder, tmp_path / "other")
    tensors = load_file(other / "model.safetensors")
    tensors["embeddings.word_embeddings.weight"][3:5] += 0.1
    save_file(tensors, other / "model.safetensors")
    with pytest.raises(BadArtifact, match="not the file the manifest names"):
        attach(tmp_path / "parts", other, tmp_path / "whole")
    assert not (tmp_path / "whole").exists()


@pytest.mark.parametrize("missing", [GRAPH, "manifest.json", "tokenizer.json"])
def test_parts_that_are_none_are_refused(folder: Path, encoder: Path, tmp_path: Path, missing: str) -> None:
    detach(folder, encoder, tmp_path / "parts")
    (tmp_path / "parts" / missing).unlink()
    with pytest.raises(BadArtifact, match="Operator action"):
        attach(tmp_path / "parts", encoder, tmp_path / "whole")
    with pytest.raises(BadArtifact, match="make encoder"):
        detach(folder, tmp_path, tmp_path / "parts-of-none")


def test_the_commands(folder: Path, encoder: Path, tmp_path: Path) -> None:
    """From a folder to parts and back."""
    parts, whole, init = tmp_path / "parts", tmp_path / "whole", ["--init", str(encoder), "--json"]
    for arguments, out in (
        (["model", "detach", str(folder), "--out", str(parts)], parts),
        (["model", "attach", str(parts), "--out", str(whole)], whole),
    ):
        run = CliRunner().invoke(app, [*arguments, *init])
        assert 0 == run.exit_code, run.output
        assert str(out) == json.loads(run.stdout)["folder"]
    assert FILES == {path.name for path in (tmp_path / "whole").iterdir()}
