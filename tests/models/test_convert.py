"""The shipped int8 model in other precisions."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("onnx", reason="needs the extra `train`: make test-models")

import onnx

from models.convert import convert
from models.errors import BadArtifact
from models.manifest import load_manifest
from models.onnx import load_onnx_classifier
from streams.cli.main import app
from tests.unit.models.conftest import SHIPPED, TEXTS

pytestmark = pytest.mark.models


@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_the_converted_model_answers_alike_without_int8_arithmetic(precision: str, tmp_path: Path) -> None:
    """The same labels, probabilities within what rounding to int8 costs, calibration and scores kept."""
    out = str(tmp_path / "made")
    run = CliRunner().invoke(app, ["model", "convert", "--out", out, "--precision", precision, "--json"])
    assert (run.exit_code, f'"precision":"{precision}"' in run.stdout) == (0, True), run.output
    made = load_onnx_classifier(tmp_path / "made", "cpu")
    shipped = load_onnx_classifier(SHIPPED, "cpu")
    ours, theirs = (one.classify(TEXTS, ["en"] * len(TEXTS)).sentiment for one in (made, shipped))
    assert np.abs(ours - theirs).max() < 0.02
    assert np.array_equal(ours.argmax(axis=1), theirs.argmax(axis=1))
    kinds = {node.op_type for node in onnx.load(str(tmp_path / "made" / "model.onnx")).graph.node}
    assert not kinds & {"QuantizeLinear", "DequantizeLinear"}
    manifest = load_manifest(tmp_path / "made")
    assert (manifest.precision, manifest.evaluation) == (precision, load_manifest(SHIPPED).evaluation)


def test_a_folder_in_use_is_not_overwritten(tmp_path: Path) -> None:
    """What stands in the folder may be in service."""
    (tmp_path / "model.onnx").write_bytes(b"")
    with pytest.raises(BadArtifact, match="not empty"):
        convert(SHIPPED, tmp_path, "fp32")
