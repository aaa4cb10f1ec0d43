"""The shipped model, loaded once, and a copy of its folder to spoil; texts of many kinds."""

import shutil
from pathlib import Path

import pytest

import models
from models.onnx import OnnxClassifier, load_onnx_classifier

SHIPPED = Path(models.__file__).parent / "artifacts" / "marketpulse-small"
LONG = "The update broke the login, support never answers and the price went up again. " * 20
TEXTS = [
    "ok",
    "The app crashes every time I open it, terrible.",
    "Sehr gut, schnelle Lieferung!",
    "质量很好，物流也快。",
    "Péssimo atendimento, nunca mais compro aqui.",
    "配達が遅い",
    "",
    "👍👍👍",
    LONG,
    "Норм, ничего особенного",
]


@pytest.fixture(scope="session")
def shipped() -> OnnxClassifier:
    return load_onnx_classifier(SHIPPED, "cpu", 2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copied = tmp_path / "model"
    shutil.copytree(SHIPPED, copied)
    return copied
