"""Promotion exchanges folders, keeps the one before, and is reversible."""

import shutil
from pathlib import Path

import pytest

from models.errors import BadArtifact
from models.manifest import load_manifest, write_manifest
from models.promote import promote, roll_back


@pytest.fixture
def candidate(folder: Path, tmp_path: Path) -> Path:
    """The same model under another name."""
    other = tmp_path / "candidate"
    shutil.copytree(folder, other)
    manifest = load_manifest(other)
    write_manifest(other, type(manifest)(**{**_fields(manifest), "id": "candidate"}))
    return other


def _fields(manifest: object) -> dict[str, object]:
    return {name: getattr(manifest, name) for name in manifest.__struct_fields__}  # type: ignore[attr-defined]


def test_a_promotion_is_taken_back_and_made_again(folder: Path, candidate: Path) -> None:
    """Rolling back twice is where it began."""
    before = load_manifest(folder).id
    kept = promote(candidate, folder)
    assert ("candidate", before) == (load_manifest(folder).id, load_manifest(kept).id)
    roll_back(folder)
    assert (before, "candidate") == (load_manifest(folder).id, load_manifest(kept).id)
    roll_back(folder)
    assert "candidate" == load_manifest(folder).id
    assert "candidate" == load_manifest(candidate).id


def test_a_spoiled_candidate_changes_nothing(folder: Path, candidate: Path) -> None:
    """It is verified first."""
    (candidate / "tokenizer.json").write_bytes(b"{}")
    before = load_manifest(folder).id
    with pytest.raises(BadArtifact):
        promote(candidate, folder)
    assert before == load_manifest(folder).id


def test_nothing_to_roll_back_is_said(folder: Path) -> None:
    """With what to do."""
    with pytest.raises(BadArtifact, match="Operator action"):
        roll_back(folder)
