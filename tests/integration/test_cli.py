"""Commands on a running stack, good and bad input; every error says what to do."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from streams.embedded import EmbeddedStack
from streams.topics import topic_offsets

Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def cli(stack: EmbeddedStack, prefix: str) -> Cli:
    """Runs `marketpulse` against the stack under the test's own prefix."""
    environment = os.environ | {
        "MARKETPULSE_KAFKA": stack.endpoints.kafka,
        "MARKETPULSE_REDIS_URL": stack.endpoints.redis,
        "MARKETPULSE_PREFIX": prefix,
    }

    def call(*arguments: str, given: str | None = None, **changes: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "streams.cli", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=False, input=given, env=environment | changes
        )

    return call


def test_a_ledger_is_created_once(cli: Cli) -> None:
    """`ledger init` makes topics and ledger, and leaves an existing one alone."""
    assert {"created": True} == json.loads(cli("ledger", "init", "--json").stdout)
    assert {"created": False} == json.loads(cli("ledger", "init", "--json").stdout)
    assert {"created": []} == json.loads(cli("topics", "create", "--json").stdout)


def test_publish_takes_standard_input_and_counts_what_it_skips(cli: Cli, stack: EmbeddedStack, prefix: str) -> None:
    """A broken line is named and costs only itself."""
    cli("ledger", "init", "--partitions", "2")
    done = cli("publish", "-", "--json", given='{"id": "1", "user": "a"}\nnonsense\n{"id": "2"}\n')
    assert (0, 2, 1) == (done.returncode, (answer := json.loads(done.stdout))["published"], answer["skipped"])
    assert "line 2 skipped" in done.stderr
    offsets = asyncio.run(topic_offsets(stack.endpoints.kafka, f"{prefix}.feedback"))
    assert 2 == sum(end for _, end in offsets.values())


def test_status_of_an_empty_ledger_is_empty(cli: Cli) -> None:
    """No market, no error."""
    cli("ledger", "init")
    assert {} == json.loads(cli("status", "--json").stdout)["metrics"]
    assert "waiting for events" in cli("status").stdout


def test_plan_solves_without_servers(cli: Cli, tmp_path: Path) -> None:
    """From a metrics file alone, with another budget."""
    metrics = tmp_path / "m.json"
    metrics.write_text('{"u": {"BR": 0.4}, "r": {"US": 0.1, "BR": null}}')
    nowhere = {"MARKETPULSE_KAFKA": "127.0.0.1:1", "MARKETPULSE_REDIS_URL": "redis://127.0.0.1:1/0"}
    done = cli("plan", "--metrics", str(metrics), "--budget", "500", "--json", **nowhere)
    answer = json.loads(done.stdout)
    assert ("optimal", 500.0) == (answer["status"], pytest.approx(answer["spent"]))
    assert "marginal value of budget" in cli("plan", "--metrics", str(metrics), **nowhere).stdout


def test_classify_says_label_and_topic(cli: Cli) -> None:
    """The shipped model on one text."""
    answer = json.loads(cli("classify", "this is terrible, I want my money back", "--lang", "en", "--json").stdout)
    assert "negative" == answer["label"]
    assert pytest.approx(1.0, abs=1e-4) == sum(answer["sentiment"].values())


@pytest.mark.parametrize(
    ("arguments", "changes", "code"),
    [
        (("status",), {"MARKETPULSE_REDIS_URL": "redis://127.0.0.1:1/0"}, 1),
        (("topics", "create"), {"MARKETPULSE_KAFKA": "127.0.0.1:1"}, 1),
        (("status",), {"MARKETPULSE_PREFIX": "No Spaces", "MARKETPULSE_DEVICE": "abacus"}, 2),
        (("publish", "no-such-file.jsonl"), {}, 2),
        (("plan", "--metrics", "no-such-file.json"), {}, 2),
        (("classify", "x"), {"MARKETPULSE_DEVICE": "cuda"}, 2),
        (("classify", "x"), {"MARKETPULSE_MODEL_FOLDER": "no-such-folder"}, 2),
        (("worker",), {"MARKETPULSE_MODEL": "stub"}, 78),
    ],
)
def test_every_error_says_what_to_do(cli: Cli, arguments: tuple[str, ...], changes: dict[str, str], code: int) -> None:
    """One message, no traceback, the documented exit code. (A worker without a ledger needs an operator.)"""
    if arguments == ("worker",):
        cli("topics", "create")
    done = cli(*arguments, **changes)
    assert code == done.returncode, done.stderr
    assert "Operator action" in done.stderr
    assert "Traceback" not in done.stderr


def test_settings_report_every_problem_at_once(cli: Cli) -> None:
    """Two wrong settings, two lines, no secret."""
    done = cli("status", MARKETPULSE_PREFIX="No", MARKETPULSE_DEVICE="abacus", MARKETPULSE_REDIS_URL="redis://:pw@x/0")
    assert ("MARKETPULSE_PREFIX" in done.stderr, "MARKETPULSE_DEVICE" in done.stderr) == (True, True)
    assert "pw" not in done.stderr


def test_every_command_has_help_with_an_example(cli: Cli) -> None:
    """`--help` of what a person types."""
    for command in ("demo", "up", "run", "publish", "simulate", "status", "plan", "classify"):
        done = cli(command, "--help")
        assert (0, True) == (done.returncode, "marketpulse" in done.stdout)
