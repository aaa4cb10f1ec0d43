"""Plain English: words that a second reader stumbles over become fewer in every folder, never more."""

import re
import subprocess
import tomllib
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BASELINE = Path(__file__).with_name("prose.toml")
WORDS = re.compile(
    r"\b(anew|told|mend(?:s|ed|ing)?|so many|stands|said|for one in|will not do|made-up|of its own)\b", re.I
)


def folder_of(path: Path) -> str:
    """The stage or area: two levels below `streams/pipeline`, one below the other packages, the top folder else."""
    depth = 3 if path.parts[:2] == ("streams", "pipeline") else 2 if path.parts[0] in ("streams", "marketpulse") else 1
    return "/".join(path.parent.parts[:depth]) or "."


def counted() -> dict[str, int]:
    """Folder -> how often one of the words is in its files that are kept in git."""
    listed = subprocess.run(
        ["git", "ls-files", "*.py", "*.md", "*.html", "Makefile"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found: Counter[str] = Counter()
    for name in listed.stdout.split():
        path = Path(name)
        if path.parts[0] not in ("tests", "tools") and name != "CHANGELOG.md" and (ROOT / path).exists():
            found[folder_of(path)] += len(WORDS.findall((ROOT / path).read_text("utf-8")))
    return {folder: count for folder, count in sorted(found.items()) if count}


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no checkout: nobody could say which files are kept")
def test_no_folder_has_more_of_these_words_than_before() -> None:
    """Where one has fewer, its number in prose.toml is lowered too, so that it stays so."""
    assert tomllib.loads(BASELINE.read_text("utf-8"))["words"] == counted(), (
        "fewer: lower prose.toml; more: plain words"
    )
