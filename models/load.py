"""One place that makes a classifier from a choice and a folder."""

from pathlib import Path
from typing import Literal

from models.classifier import Classifier
from models.stub import StubClassifier

Device = Literal["auto", "cpu", "cuda", "tensorrt"]


def load_classifier(
    kind: Literal["onnx", "stub"],
    folder: Path,
    device: Device = "auto",
    threads: int = 0,
    manifest_sha256: str | None = None,
) -> Classifier:
    """The stub, or the ONNX model of a folder, whose manifest has that SHA-256. Raises BadArtifact or DeviceMissing."""
    if kind == "stub":
        return StubClassifier()
    from models.onnx import load_onnx_classifier

    return load_onnx_classifier(folder, device, threads, manifest_sha256)
