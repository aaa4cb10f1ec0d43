"""The report of fault runs: rows as JSON lines, rendered as a table for people."""

import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
ROWS = ROOT / "build" / "faults" / "report.jsonl"
PAGE = ROOT / "build" / "faults" / "report.md"
_UNITS = {
    "seconds": "seconds in all",
    "longest_stall_s": "longest stand-still in s",
    "capacity_per_s": "capacity a second",
    "memory_growth_mib": "growth in MiB",
    "most_memory_mib": "most memory in MiB",
    "worker_grew_mib": "worker grew by MiB",
    "redis_grew_mib": "Redis grew by MiB",
    "longest_watched_s": "longest watched in s",
}
_TOLD_ALREADY = ("scenario", "test", "assertion", "seed", "outcome", "file")


def render(rows: list[dict[str, Any]]) -> str:
    """A table with one row per test: what is asserted, outcomes, and each figure's range over seeds and variants."""
    newest = {(row["file"], row["test"]): row for row in rows}  # of a test that ran again, the last run
    by_test: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in newest.values():
        by_test[row["scenario"], row["test"].partition("[")[0]].append(row)
    lines = ["| # | what is done, and the assertion | runs | figures | where |", "|---|---|---|---|---|"]
    for (scenario, test), group in sorted(by_test.items(), key=lambda one: _order(one[0])):
        passed = sum(row["outcome"] == "passed" for row in group)
        result = f"{passed} passed" if passed == len(group) else f"**{len(group) - passed} failed**, {passed} passed"
        where = f"`{group[0].get('file', '')}::{test}`"
        lines.append(f"| {scenario} | {group[0]['assertion']} | {result} | {_figures(group)} | {where} |")
    return "\n".join(lines) + "\n"


def _order(key: tuple[str, str]) -> tuple[int, str, str]:
    number = "".join(letter for letter in key[0].partition(",")[0] if letter.isdigit())
    return int(number or 999), *key


def _figures(group: list[dict[str, Any]]) -> str:
    seen: dict[str, list[float]] = defaultdict(list)
    for row in group:
        for name, value in row.items():
            if name not in _TOLD_ALREADY:
                seen[name].append(value)
    shown = []
    for name, values in seen.items():
        low, high = min(values), max(values)
        if high:  # a figure that is 0 everywhere says nothing
            words = _UNITS.get(name, name.replace("_", " "))
            shown.append(f"{words} {low:,}" + (f" to {high:,}" if high != low else ""))
    return ", ".join(shown)


if __name__ == "__main__":
    rows = [json.loads(line) for line in ROWS.read_text("utf-8").splitlines()]
    PAGE.write_text(render(rows), "utf-8")
    sys.stdout.write(f"{PAGE.relative_to(ROOT)}: {len(rows)} runs\n")
