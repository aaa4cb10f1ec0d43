"""What the program says of itself."""

import re
from importlib.metadata import version

from typer.testing import CliRunner

from streams.cli.main import app


def test_the_help_shows_the_way_from_start_to_repair() -> None:
    """Every command stands in one of six groups, and the groups are in the order of their use."""
    shown = CliRunner().invoke(app, ["--help"]).stdout
    groups = ["Options", "Start", "Feed", "Watch", "Decide", "Repair", "Develop"]
    assert groups == re.findall(r"^╭─ (\w+)", shown, re.MULTILINE)


def test_the_version_is_the_distribution_s() -> None:
    """`--version` alone."""
    assert f"marketpulse {version('marketpulse')}\n" == CliRunner().invoke(app, ["--version"]).stdout
