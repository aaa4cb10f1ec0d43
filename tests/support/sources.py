"""The project's own Python files, and what they import."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("marketpulse", "streams", "models", "strategy")


def modules() -> list[Path]:
    """Every Python file of the project's packages."""
    return sorted(path for package in (*PACKAGES, "docs/generate") for path in (ROOT / package).rglob("*.py"))


def imports(source: str) -> set[str]:
    """Top-level names of the packages that a source imports anywhere in it; `.` for a relative import."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add("." if node.level else str(node.module).partition(".")[0])
    return names
