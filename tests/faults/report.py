"""The report of fault runs: rows as JSON lines, rendered as a table for people."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
ROWS = ROOT / "build" / "faults" / "report.jsonl"
PAGE = ROOT / "docs" / "reliability-faults.md"
