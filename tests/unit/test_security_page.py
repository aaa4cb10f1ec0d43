"""SECURITY.md: every test that its table names is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_claim_names_a_test_that_is_there() -> None:
    """A test that is renamed or removed takes its claim along."""
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "SECURITY.md").read_text("utf-8")))
    written = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(named) > 40
    assert set() == named - set(re.findall(r"def (test_\w+)\(", written))
