"""The report of fault runs: rows as JSON lines, rendered as a table for people."""

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
ROWS = ROOT / "build" / "faults" / "report.jsonl"
PAGE = ROOT / "docs" / "reliability-faults.md"
