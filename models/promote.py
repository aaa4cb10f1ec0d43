"""Put a better model in the place of the one in use, and take it back."""

import shutil
from pathlib import Path

from models.errors import BadArtifact
from models.manifest import load_manifest


def promote(candidate: Path, folder: Path) -> Path:
    """Copy `candidate` to `folder`; what stood there is kept beside it. Returns where it is kept.

    The copy is verified before anything is moved; two renames follow, so that a worker that starts in between finds one
    or the other, or is started again by its supervisor.

    Raises:
        BadArtifact: the candidate cannot be trusted.
    """
    load_manifest(candidate)
    coming, kept = _beside(folder, "coming"), _beside(folder, "previous")
    shutil.rmtree(coming, ignore_errors=True)
    shutil.copytree(candidate, coming)
    load_manifest(coming)
    if folder.exists():
        shutil.rmtree(kept, ignore_errors=True)
        folder.rename(kept)
    coming.rename(folder)
    return kept


def roll_back(folder: Path) -> None:
    """Exchange `folder` with what stood there before it. Raises BadArtifact if nothing is kept."""
    kept, leaving = _beside(folder, "previous"), _beside(folder, "leaving")
    if not kept.exists():
        raise BadArtifact(f"{kept} does not exist. Operator action: nothing was promoted over {folder}.")
    load_manifest(kept)
    shutil.rmtree(leaving, ignore_errors=True)
    folder.rename(leaving)
    kept.rename(folder)
    leaving.rename(kept)


def _beside(folder: Path, name: str) -> Path:
    return folder.with_name(f"{folder.name}.{name}")
