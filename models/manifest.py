"""The manifest of a model folder: what it holds, checked before anything of it is parsed."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import msgspec

from models.calibration import Calibration
from models.clean import clean_sha256
from models.errors import BadArtifact
from models.evaluate import Evaluation
from models.labels import SENTIMENTS

MANIFEST = "manifest.json"
REQUIRED = ("model.onnx", "tokenizer.json")
MOST_BYTES, MOST_CHARACTERS = 8_388_608, 200
"""Of the manifest, and of its model's id or a topic in it."""
MOST_TOKENS, MOST_BIAS, MOST_PIECES = 8_192, 100.0, 10_000_000
"""Of a text, of a class, of a tokenizer: no model needs more."""
_RESTORE = "Operator action: restore the folder."


class FileEntry(msgspec.Struct, frozen=True):
    """What a file of the folder must be: SHA-256 in hexadecimal and size in bytes."""

    sha256: str
    bytes: int


class TopicsLineage(msgspec.Struct, frozen=True):
    """What own topics were made of: model before (id, SHA-256 of its model.onnx), file of topics, numbers of texts.

    `examples`: of each topic; `general`: texts about none, `general_given` by the operator. `confusion[true][answered]`
    counts examples that were left out of the fit, in the order of the topics.
    """

    base: str
    base_sha256: str
    file_sha256: str
    examples: dict[str, int]
    general: int
    general_given: bool
    confusion: list[list[int]]


class Manifest(msgspec.Struct, frozen=True):
    """`files` by their name within the folder; `max_length` in tokens.

    `calibration`: of the sentiments per language, "" for any other (see `models/calibration.py`); empty = raw softmax.
    `evaluation`: on the development set, with one confusion matrix a language.
    `labels`: sentiment of each label of the checkpoint that was exported; within the graph, the probabilities of labels
    with the same sentiment are summed. Empty = the network was trained on the sentiments themselves.
    `own_topics`: what the topics were made of; None = they are those that the model was trained on.
    `untrained`: bits of the pieces that no training text had (see `models/unknown.py`); empty = not known.
    """

    id: str
    files: dict[str, FileEntry]
    sentiments: tuple[str, ...]
    topics: tuple[str, ...]
    max_length: int
    pad_id: int
    opset: int
    precision: str
    clean_sha256: str
    calibration: dict[str, Calibration] = {}
    evaluation: Evaluation | None = None
    labels: dict[str, str] = {}
    own_topics: TopicsLineage | None = None
    untrained: bytes = b""
    v: int = 1

    @property
    def model_sha256(self) -> str:
        """SHA-256 of the model file: what metrics name."""
        return self.files["model.onnx"].sha256


def load_manifest(folder: Path, sha256: str | None = None) -> Manifest:
    """Read a folder's manifest and verify the folder against it, before anything else in it is parsed.

    Args:
        folder: with manifest.json and the files that it lists.
        sha256: what manifest.json must have, in hexadecimal; None = any.

    Raises:
        BadArtifact: another, missing or unreadable manifest, a file that is missing, changed, a link or outside the
            folder, a file that the manifest does not list, doubled labels, or another cleaning of texts than this
            version's.
    """
    try:
        content = _content(folder / MANIFEST)
        if sha256 is not None and (own := hashlib.sha256(content).hexdigest()) != sha256.lower():
            raise BadArtifact(
                f"{folder / MANIFEST} has SHA-256 {own}, not {sha256} as MARKETPULSE_MODEL_SHA256 says. "
                "Operator action: restore the folder, or set the variable to that of the model that you mean."
            )
        manifest = msgspec.json.decode(content, type=Manifest)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadArtifact(
            f"{folder} holds no usable manifest: {error}. Operator action: mend MARKETPULSE_MODEL_FOLDER."
        ) from error
    if missing := [name for name in REQUIRED if name not in manifest.files]:
        raise BadArtifact(f"the manifest in {folder} does not list {missing}. Operator action: export the model again.")
    for labels in (manifest.sentiments, manifest.topics):
        if len(set(labels)) != len(labels) or not labels:
            raise BadArtifact(f"{folder} names labels {labels}. Operator action: export the model again.")
    if manifest.sentiments != SENTIMENTS:
        raise BadArtifact(
            f"{folder} answers with sentiments {manifest.sentiments}, not {SENTIMENTS}. "
            "Operator action: export the model again with its labels mapped."
        )
    if manifest.v != 1 or not 0 <= manifest.pad_id < MOST_PIECES:
        raise BadArtifact(
            f"{folder} has format {manifest.v}, and piece {manifest.pad_id} fills up: this version reads format 1 and "
            f"pieces below {MOST_PIECES:,}. Operator action: update marketpulse, or restore the folder."
        )
    if any(not (0 < len(name) <= MOST_CHARACTERS and name.isprintable()) for name in (manifest.id, *manifest.topics)):
        raise BadArtifact(
            f"{folder} has an id or a topic that is empty, longer than {MOST_CHARACTERS} characters or not printable. "
            "Operator action: export the model again."
        )
    if not 3 <= manifest.max_length <= MOST_TOKENS:
        raise BadArtifact(
            f"{folder} cuts texts to {manifest.max_length} tokens, and 3 to {MOST_TOKENS:,} can be. {_RESTORE}"
        )
    if manifest.calibration and (
        "" not in manifest.calibration
        or any(len(one.biases) != len(SENTIMENTS) for one in manifest.calibration.values())
        or any(not 0.01 < one.temperature < 100 for one in manifest.calibration.values())
        or any(abs(bias) > MOST_BIAS for given in manifest.calibration.values() for bias in given.biases)
    ):
        raise BadArtifact(
            f"the calibration in {folder} lacks the common one, or has wild biases or temperatures or too few. "
            "Operator action: calibrate the model again."
        )
    for name, expected in manifest.files.items():
        _verify(folder, name, expected)
    if unlisted := {path.name for path in folder.iterdir()} - {MANIFEST, *manifest.files}:
        raise BadArtifact(f"{folder} holds {sorted(unlisted)}, which the manifest does not list. {_RESTORE}")
    if manifest.clean_sha256 != clean_sha256():
        raise BadArtifact(
            f"{folder} was trained with another cleaning of texts than this version's. "
            "Operator action: train or export the model again with this version."
        )
    return manifest


def _content(path: Path) -> bytes:
    """Of a manifest; a link could lead anywhere, and what is no file never end."""
    if path.is_symlink() or not path.is_file() or path.stat().st_size > MOST_BYTES:
        raise BadArtifact(f"{path} is missing, a link, no file or longer than {MOST_BYTES:,} bytes. {_RESTORE}")
    return path.read_bytes()


def _verify(folder: Path, name: str, expected: FileEntry) -> None:
    path = folder / name
    if PurePosixPath(name).parts != (name,) or name in (".", "..") or "\\" in name:
        raise BadArtifact(f"the manifest in {folder} names {name!r}, which is outside the folder. {_RESTORE}")
    if path.is_symlink() or not path.is_file():
        raise BadArtifact(f"{path} is missing or a link. {_RESTORE}")
    if path.stat().st_size != expected.bytes or sha256_of(path) != expected.sha256:
        raise BadArtifact(f"{path} is not the file the manifest names (size or SHA-256 differs). {_RESTORE}")


def verified_bytes(folder: Path, manifest: Manifest, name: str) -> bytes:
    """What a file of the folder holds, to be parsed from memory: it may have been changed since it was verified.

    Raises:
        BadArtifact: it is not what the manifest names.
        OSError: it cannot be read.
    """
    content = (folder / name).read_bytes()
    if hashlib.sha256(content).hexdigest() != manifest.files[name].sha256:
        raise BadArtifact(f"{folder / name} was changed while it was loaded. {_RESTORE}")
    return content


def entry_of(path: Path) -> FileEntry:
    """The entry of a file as it is now."""
    return FileEntry(sha256_of(path), path.stat().st_size)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write a manifest with fields in a stable order, replacing it at once."""
    temporary = folder / f"{MANIFEST}.new"
    temporary.write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
    temporary.replace(folder / MANIFEST)


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A temporary folder to fill; where the block ends without an error, its files are copied to `out`.

    After an error nothing is left: `out` and folders above it are there only if they were before.

    Raises:
        BadArtifact: `out` is a file, or a folder that holds something.
    """
    if out.exists() and not out.is_dir():
        raise BadArtifact(f"{out} is not a folder. Operator action: name a new folder.")
    if out.is_dir() and (left := sorted(path.name for path in out.iterdir())):
        raise BadArtifact(f"{out} is not empty: {left}. Operator action: name a new folder.")
    with tempfile.TemporaryDirectory(prefix="marketpulse-model-") as temporary:
        yield Path(temporary)
        _copy(Path(temporary), out)


def _copy(filled: Path, out: Path) -> None:
    """The manifest comes last: without it, a folder is refused by whatever would load it."""
    missing = [folder for folder in (out, *out.parents) if not folder.exists()]
    names = sorted((path.name for path in filled.iterdir()), key=lambda name: (name == MANIFEST, name))
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in names:
            shutil.copyfile(filled / name, out / name)
    except BaseException:
        for name in names:
            (out / name).unlink(missing_ok=True)
        for folder in missing:
            if folder.exists():
                folder.rmdir()
        raise
