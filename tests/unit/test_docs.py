"""Documents that must agree with the code."""

import re
from pathlib import Path

from docs.generate.pages import DEAD_LETTERS, EXITS, error_kinds
from marketpulse.contract.alert_kinds import ALERTS
from streams.settings import Settings

ROOT = Path(__file__).parents[2]


def test_every_setting_is_documented() -> None:
    """docs/configuration.md names each environment variable, and none that does not exist."""
    text = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    documented = {line.split("`")[1] for line in text.splitlines() if line.startswith("| `MARKETPULSE_")}
    assert {f"MARKETPULSE_{name.upper()}" for name in Settings.model_fields} == documented


def test_every_code_of_an_error_has_a_runbook_entry() -> None:
    """docs/operations.md has a row of Recovery for each code, and none that no error has."""
    kinds = error_kinds()
    text = (ROOT / "docs" / "operations.md").read_text("utf-8")
    rows = set(re.findall(r"^\| `(\w+)` \(\d+\)", text, re.MULTILINE))
    assert {one.code for one in kinds} == rows


def test_every_exit_code_dead_letter_and_kind_of_alert_has_a_runbook_entry() -> None:
    """docs/operations.md says what to do about each, and about none that does not exist."""
    text = (ROOT / "docs" / "operations.md").read_text("utf-8")
    exits, letters, alerts = (_section(text, title) for title in ("Exit codes", "Dead letters", "Alerts"))
    assert set(EXITS) == set(map(int, re.findall(r"^\| (\d+) \|", exits, re.MULTILINE)))
    rows = [row.split("|")[1] for row in letters.splitlines() if row.startswith("| `")]
    assert sorted(DEAD_LETTERS) == sorted(re.findall(r"`(\w+)`", "".join(rows)))
    assert set(ALERTS) == set(re.findall(r"^\| `(\w+)` \|", alerts, re.MULTILINE))


def _section(text: str, title: str) -> str:
    """What stands under a heading."""
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_every_document_is_found_from_the_index() -> None:
    """docs/README.md links each page below docs/ (decisions and contracts by their folder)."""
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    linked = {(ROOT / "docs" / target).resolve() for target in re.findall(r"\]\(([^)#:]+)\)", index)}
    pages = [path for path in (ROOT / "docs").rglob("*.md") if path.parent.name != "adr" and path.name != "README.md"]
    assert [] == [str(path) for path in pages if path not in linked]
    assert {ROOT / "docs" / "adr", ROOT / "docs" / "contracts", ROOT / "CONTRIBUTING.md"} <= linked


def test_links_of_the_documents_lead_somewhere() -> None:
    """No document points at a file that is not there."""
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "deploy" / "README.md"]:
        for target, mark in re.findall(r"\]\(([^)#:]*)(?:#([\w-]+))?\)", page.read_text("utf-8")):
            path = page.parent / target if target else page
            assert path.exists(), f"{page}: {target}"
            assert not mark or mark in _anchors(path), f"{page}: {target}#{mark}"


def _anchors(page: Path) -> set[str]:
    """Marks of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


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
