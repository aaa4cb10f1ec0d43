"""The manifest of a model folder: what it holds, checked before anything of it is parsed."""

import hashlib
import os
from pathlib import Path, PurePosixPath

import msgspec

from models.clean import clean_sha256
from models.errors import BadArtifact

MANIFEST = "manifest.json"


class Manifest(msgspec.Struct, frozen=True, omit_defaults=True):
    """`files`: SHA-256 of every file by its name within the folder. `max_length` in tokens."""

    id: str
    files: dict[str, str]
    sentiments: tuple[str, ...]
    topics: tuple[str, ...]
    max_length: int
    pad_id: int
    opset: int
    precision: str
    clean_sha256: str
    evaluation: dict[str, object] = {}
    v: int = 1

    @property
    def model_sha256(self) -> str:
        """SHA-256 of the model file: what metrics name."""
        return self.files["model.onnx"]


def load_manifest(folder: Path) -> Manifest:
    """Read a folder's manifest and verify every file against it.

    Raises:
        BadArtifact: missing or unreadable manifest, a file that is missing, changed, a link or outside the folder,
            a file beside those that are listed, or another cleaning of texts than this version's.
    """
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError) as error:
        raise BadArtifact(
            f"{folder} holds no usable manifest: {error}. Operator action: mend MARKETPULSE_MODEL_FOLDER."
        ) from error
    for name in ("model.onnx", "tokenizer.json"):
        if name not in manifest.files:
            raise BadArtifact(
                f"the manifest in {folder} does not list {name}. Operator action: export the model again."
            )
    for name, expected in manifest.files.items():
        _verify(folder, name, expected)
    if manifest.clean_sha256 != clean_sha256():
        raise BadArtifact(
            f"{folder} was trained with another cleaning of texts than this version's. "
            "Operator action: train or export the model again with this version."
        )
    return manifest


def _verify(folder: Path, name: str, expected: str) -> None:
    path = folder / name
    inside = PurePosixPath(name).parts == (name,) and name not in (".", "..")
    if not inside or path.is_symlink() or not path.is_file():
        raise BadArtifact(f"{path} is missing, a link or outside the folder. Operator action: restore the folder.")
    if sha256_of(path) != expected:
        raise BadArtifact(
            f"{path} is not the file the manifest names (SHA-256 differs). Operator action: restore the folder."
        )


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write a manifest with fields in a stable order, replacing it at once."""
    temporary = folder / f"{MANIFEST}.new"
    temporary.write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
    os.replace(temporary, folder / MANIFEST)
