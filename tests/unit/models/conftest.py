"""The shipped model, loaded once, and a copy of its folder to spoil."""

import shutil
from pathlib import Path

import pytest

import models
from models.onnx import OnnxClassifier, load_onnx_classifier

SHIPPED = Path(models.__file__).parent / "artifacts" / "marketpulse-small"


@pytest.fixture(scope="session")
def shipped() -> OnnxClassifier:
    return load_onnx_classifier(SHIPPED, "cpu", 2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copied = tmp_path / "model"
    shutil.copytree(SHIPPED, copied)
    return copied
