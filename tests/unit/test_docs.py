"""Documents that must agree with the code."""

import re
from pathlib import Path

from streams import errors
from streams.settings import Settings

ROOT = Path(__file__).parents[2]


def test_every_setting_is_documented() -> None:
    """docs/configuration.md names each environment variable, and none that does not exist."""
    text = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    documented = {line.split("`")[1] for line in text.splitlines() if line.startswith("| `MARKETPULSE_")}
    assert {f"MARKETPULSE_{name.upper()}" for name in Settings.model_fields} == documented


def test_every_code_of_an_error_has_a_runbook_entry() -> None:
    """docs/operations.md has a row of Recovery for each code, and none that no error has."""
    kinds = [one for one in vars(errors).values() if isinstance(one, type) and "code" in vars(one)]
    text = (ROOT / "docs" / "operations.md").read_text("utf-8")
    rows = set(re.findall(r"^\| `(\w+)` \(\d+\)", text, re.MULTILINE))
    assert {one.code for one in kinds} - {"error"} == rows


def test_links_of_the_documents_lead_somewhere() -> None:
    """No document points at a file that is not there."""
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), ROOT / "deploy" / "README.md"]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page}: {target}"


def test_every_test_that_reliability_names_is_there() -> None:
    """`file.py::test` and `::test` of docs/reliability.md, wherever below tests/ the file lies."""
    text = (ROOT / "docs" / "reliability.md").read_text("utf-8")
    sources = {path.name: path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py")}
    named = re.findall(r"`(?:[\w/]*?(test_\w+\.py))?::(test_\w+)`", text)
    assert len(named) > 30
    file = ""
    for given, test in named:
        file = given or file
        assert f"def {test}(" in sources[file], f"{file}::{test}"
