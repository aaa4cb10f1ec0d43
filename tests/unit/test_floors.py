"""Lowest versions that pyproject.toml allows: none has a known hole, and the lock files have none below them."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from deploy.audit import LOCKS, pins

ROOT = Path(__file__).parents[2]
PROJECT, CLIENT = (
    tomllib.loads((ROOT / folder / "pyproject.toml").read_text("utf-8"))["project"] for folder in (".", "marketpulse")
)
DIRECT = [
    Requirement(one)
    for group in (PROJECT["dependencies"], CLIENT["dependencies"], *PROJECT["optional-dependencies"].values())
    for one in group
]
FIXED = {
    "aiohttp": "3.14.4",  # CVE-2026-69244, PYSEC-2026-4369 to 4371
    "h11": "0.16",  # CVE-2025-43859
    "jinja2": "3.1.6",  # CVE-2025-27516
    "msgspec": "0.21",  # before it a number beyond all bounds ends a worker
    "msgpack": "1.2.1",  # GHSA-6v7p-g79w-8964
    "pydantic-settings": "2.14.2",  # GHSA-4xgf-cpjx-pc3j
    "requests": "2.33",  # CVE-2024-47081 and its like
    "starlette": "1.3.1",  # CVE-2026-48710, CVE-2026-54282, CVE-2026-54283
    "urllib3": "2.7",  # GHSA-qccp-gfcp-xxvc, GHSA-38jv-5279-wg99
}
"""The first version of each package without the holes that are known of it."""


@pytest.mark.parametrize("name", FIXED)
def test_no_version_with_a_known_hole_is_allowed(name: str) -> None:
    """Wherever the package is named: no extra, nor the client alone, is more lenient than another."""
    asked = [one for one in DIRECT if one.name == name]
    assert asked
    for one in asked:
        floors = [Version(part.version) for part in one.specifier if part.operator == ">="]
        assert floors, one
        assert max(floors) >= Version(FIXED[name]), one


def test_what_is_locked_is_allowed() -> None:
    """The lock files were made with these bounds, or fit them."""
    for file in LOCKS:
        locked = {canonicalize_name(name): version for name, version in pins(file)}
        for one in DIRECT:
            version = locked.get(canonicalize_name(one.name))
            assert version is None or one.specifier.contains(version), (file.name, one)


def test_servers_bring_their_parser_s_bound() -> None:
    """Every extra with uvicorn bounds h11, with which it reads requests."""
    for name, group in PROJECT["optional-dependencies"].items():
        text = " ".join(group)
        assert not re.search(r"\buvicorn\b", text) or "h11>=" in text, name
