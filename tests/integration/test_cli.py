"""Commands on a running stack, good and bad input; every error says what to do."""

import asyncio
import json
import re
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streams.cli.main import app
from streams.contract.rules import SurgeRule
from streams.dev.embedded.servers import EmbeddedStack
from streams.dev.processes import ending, start_marketpulse
from streams.kafka.admin import cluster_of, topic_offsets
from streams.sources.events import Form
from streams.sources.feed import Feed
from streams.sources.resume import Position
from streams.sources.shift import Times
from tests.support.processes import marketpulse, marketpulse_process
from tests.support.waiting import until

Cli = Callable[..., subprocess.CompletedProcess[str]]
PROCESSES = {"bench", "demo", "page", "run", "up", "worker"}
"""What takes signals, or is measured: in this process it would not be what users run."""


@pytest.fixture
def own(stack: EmbeddedStack, prefix: str) -> dict[str, str]:
    """Settings of the stack under the test's own prefix."""
    return {
        "MARKETPULSE_KAFKA": stack.endpoints.kafka,
        "MARKETPULSE_REDIS_URL": stack.endpoints.redis,
        "MARKETPULSE_PREFIX": prefix,
    }


@pytest.fixture
def cli(own: dict[str, str]) -> Cli:
    """Runs `marketpulse` against the stack under the test's own prefix; what serves or measures, as a process."""

    def call(*arguments: str, given: str = "", timeout: float = 60, **changes: str) -> subprocess.CompletedProcess[str]:
        if arguments[0] in PROCESSES:
            return marketpulse_process(*arguments, environment=own | changes, given=given, timeout=timeout)
        return marketpulse(*arguments, environment=own | changes, given=given)

    return call


def test_a_ledger_is_created_once(cli: Cli) -> None:
    """`ledger init` makes topics and ledger, and leaves an existing one alone."""
    assert {"created": True} == json.loads(cli("ledger", "init", "--yes", "--json").stdout)
    assert {"created": False} == json.loads(cli("ledger", "init", "--yes", "--json").stdout)
    assert {"created": []} == json.loads(cli("topics", "create", "--json").stdout)


def test_waiting_for_a_ledger_ends_when_there_is_one(cli: Cli, own: dict[str, str]) -> None:
    """`ledger wait` begun before `ledger init` ends by itself, and at once after it."""
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(marketpulse_process, "ledger", "wait", "--seconds", "50", "--json", environment=own)
        cli("ledger", "init", "--yes")
        assert {"there": True} == json.loads(waiting.result().stdout)
    assert 0 == cli("ledger", "wait", "--seconds", "0").returncode


def test_waiting_for_the_count_ends_when_all_is_counted_or_time_is_over(cli: Cli, own: dict[str, str]) -> None:
    """Exit code 1 where no worker runs; 0 once one has counted what is there."""
    cli("ledger", "init", "--yes", "--partitions", "2")
    now = time.time_ns() // 1_000_000
    cli("publish", "-", given=f'{{"id": "1", "market": "BR", "text": "bom", "occurred_at": {now}}}')
    done = cli("ledger", "wait", "--counted", "--seconds", "0")
    assert (1, True) == (done.returncode, "0 of 1 records are counted after 0 s" in done.stderr)
    with ending(
        start_marketpulse("worker", environment=own | {"MARKETPULSE_MODEL": "stub"}, stderr=subprocess.DEVNULL)
    ):
        assert {"there": True, "records": 1} == json.loads(cli("ledger", "wait", "--counted", "--json").stdout)
    assert ["BR"] == list(json.loads(cli("status", "--json").stdout)["metrics"])


def test_publish_takes_standard_input_and_counts_what_it_skips(cli: Cli, stack: EmbeddedStack, prefix: str) -> None:
    """A broken line is named and costs only itself."""
    cli("ledger", "init", "--yes", "--partitions", "2")
    given = '{"id": "1", "user": "a"}\nnonsense\n{"id": "2"}\n'
    held = cli("publish", "-", "--json", given=given)
    assert (1, 0, True) == (held.returncode, json.loads(held.stdout)["published"], "Nothing was sent" in held.stderr)
    done = cli("publish", "-", "--json", "--yes", given=given)
    assert (0, 2, 1) == (done.returncode, (answer := json.loads(done.stdout))["published"], answer["skipped"])
    assert "line 2 skipped" in done.stderr
    assert (2, True) == (answer["refused"], "2 of 2 will be dead letters, missing_field" in done.stderr)
    offsets = asyncio.run(topic_offsets(stack.endpoints.kafka, f"{prefix}.feedback"))
    assert 2 == sum(end for _, end in offsets.values())


def test_an_interrupted_publication_continues(cli: Cli, stack: EmbeddedStack, prefix: str, tmp_path: Path) -> None:
    """What was acknowledged is not sent again, with the times of before; afterwards the position is gone."""
    cli("ledger", "init", "--yes", "--partitions", "2")
    feed, position = tmp_path / "feed.csv", tmp_path / "position"
    feed.write_text("id,market,text,occurred_at\n" + "".join(f"{n},BR,bom,2026-01-01T00:00:0{n}Z\n" for n in range(5)))
    cluster = asyncio.run(cluster_of(stack.endpoints.kafka))
    assert cluster != str(stack.endpoints.kafka)
    with Feed(str(feed), False) as read:
        begun = Position.of(position, f"{read.fingerprint()} {Form()} False True {prefix}.feedback {cluster}")
        begun.begin(Times(read.records()).shift_to(time.time_ns() // 1_000_000))
        begun.keep(3)
    done = cli("publish", str(feed), "--shift-to-now", "--resume", str(position), "--json")
    answer = json.loads(done.stdout)
    assert (0, 2, 3) == (done.returncode, answer["published"], answer["published_before"])
    assert (begun.shift.by_ms, False) == (answer["shifted_by_ms"], position.exists())
    offsets = asyncio.run(topic_offsets(stack.endpoints.kafka, f"{prefix}.feedback"))
    assert 2 == sum(end for _, end in offsets.values())


def test_a_killed_publication_loses_nothing(
    cli: Cli, own: dict[str, str], stack: EmbeddedStack, prefix: str, tmp_path: Path
) -> None:
    """Begun again it goes on behind what was acknowledged; at most what was under way is there twice."""
    cli("ledger", "init", "--yes", "--partitions", "2")
    feed, position = tmp_path / "feed.csv", tmp_path / "position"
    feed.write_text("id,market,text,occurred_at\n" + "".join(f"{n},BR,bom,2026-01-01T00:00:00Z\n" for n in range(200)))
    command = ("publish", str(feed), "--shift-to-now", "--resume", str(position))
    quiet = subprocess.DEVNULL
    killed = start_marketpulse(*command, "--rate", "40", environment=own, stdout=quiet, stderr=quiet)
    until(lambda: position.exists() and json.loads(position.read_bytes())["acknowledged"] >= 8, 40)
    killed.kill()
    killed.wait()
    answer = json.loads(cli(*command, "--json").stdout)
    assert (True, 200) == (answer["published_before"] >= 8, answer["published_before"] + answer["published"])
    offsets = asyncio.run(topic_offsets(stack.endpoints.kafka, f"{prefix}.feedback"))
    assert 0 <= sum(end for _, end in offsets.values()) - 200 <= 4


def test_status_of_an_empty_ledger_is_empty(cli: Cli) -> None:
    """No market, no error."""
    cli("ledger", "init", "--yes")
    assert {} == json.loads(cli("status", "--json").stdout)["metrics"]
    assert "waiting for events" in cli("status").stdout
    done = cli("allocation")
    assert (2, True) == (done.returncode, "no allocation is in force yet" in done.stderr)


def test_without_dead_letters_none_are_listed(cli: Cli) -> None:
    """An empty topic is no error, for the list and for a replay."""
    cli("topics", "create")
    for arguments in (("ls",), ("replay", "--dry-run")):
        done = cli("dead-letters", *arguments, "--json")
        assert (0, "") == (done.returncode, done.stderr)


def test_plan_solves_without_servers(cli: Cli, tmp_path: Path) -> None:
    """From a metrics file alone, with another budget."""
    metrics = tmp_path / "m.json"
    metrics.write_text('{"u": {"BR": 0.4}, "r": {"US": 0.1, "BR": null}}')
    nowhere = {"MARKETPULSE_KAFKA": "127.0.0.1:1", "MARKETPULSE_REDIS_URL": "redis://127.0.0.1:1/0"}
    done = cli("plan", "--metrics", str(metrics), "--budget", "500", "--json", **nowhere)
    answer = json.loads(done.stdout)
    assert ("optimal", 500.0) == (answer["status"], pytest.approx(answer["spent"]))
    printed = cli("plan", "--metrics", str(metrics), **nowhere).stdout
    assert "marginal value of budget" in " ".join(printed.split())


def test_what_is_infeasible_says_why_and_ends_with_1(cli: Cli, tmp_path: Path) -> None:
    """Alone, as JSON and beside others; no plan of before is shown as a new one."""
    metrics, scenario = tmp_path / "m.json", tmp_path / "pinned.toml"
    metrics.write_text('{"u": {"br": 0.4}}')
    scenario.write_text("[markets.BR]\npinned = 700.0\n")
    asked = ("plan", "--metrics", str(metrics), "--budget", "600", "--scenario", str(scenario))
    done = cli(*asked)
    assert 1 == done.returncode
    assert "pinned: infeasible: pinned of BR (700.0) need 700.0 of a budget of 600.0" in done.stdout
    assert 1 == cli(*asked, "--json").returncode


def test_a_metrics_file_with_a_market_that_the_table_lacks_is_refused(cli: Cli, tmp_path: Path) -> None:
    """As in a scenario: a misspelled market is no answer about another one."""
    metrics = tmp_path / "m.json"
    metrics.write_text('{"u": {"BR": 0.4, "NG": 0.5}, "n": {"KE": 3}}')
    done = cli("plan", "--metrics", str(metrics))
    assert 2 == done.returncode
    assert "KE, NG not in the shipped example of a table; with --metrics no server is asked" in done.stderr


def test_plan_compares_scenarios_and_draws_curves(cli: Cli, tmp_path: Path) -> None:
    """A previous plan, a scenario file, a curve, each as JSON, table and picture."""
    metrics, scenario, before = tmp_path / "m.json", tmp_path / "lean.toml", tmp_path / "a.json"
    picture = tmp_path / "curve.html"
    metrics.write_text('{"u": {"BR": 0.7}, "n": {"BR": 900}, "u_se": {"BR": 0.01}}')
    scenario.write_text("[u]\nBR = 0.48\n")
    before.write_text(cli("plan", "--metrics", str(metrics), "--json").stdout)
    asked = ("plan", "--metrics", str(metrics), "--previous", str(before))
    answer = json.loads(cli(*asked, "--scenario", str(scenario), "--json").stdout)
    assert ["now", "lean"] == list(answer["scenarios"])
    assert "users unhappier (u .70 to .48, 900 events)" in answer["scenarios"]["lean"]["markets"]["BR"]["reason"]
    assert "lean" in cli(*asked, "--scenario", str(scenario)).stdout
    curve = json.loads(cli(*asked, "--budget", "1500..2500", "--picture", str(picture), "--json").stdout)
    assert (1_500.0, 2_500.0) == (curve["curve"][0]["value"], curve["curve"][-1]["value"])
    assert "Spend per market along budget" in picture.read_text("utf-8")


def test_learn_reads_the_topic_or_a_file(cli: Cli, tmp_path: Path) -> None:
    """No allocation yet: no proposal; two answers five days apart: one proposal per market that was measured."""
    cli("topics", "create")
    done = cli("learn", "--json")
    assert "[]" == done.stdout.strip(), done.stderr
    assert "Nothing to learn from 0 plans" in cli("learn").stderr
    lines = []
    for day, u in enumerate((0.5, 0.52)):
        metrics = tmp_path / "m.json"
        metrics.write_text(json.dumps({"u": {"BR": u}, "n": {"BR": 900}}))
        plan = json.loads(cli("plan", "--metrics", str(metrics), "--json").stdout)
        record = {"id": str(day), "seq": day, "cause": "shift", "market": "BR", "stream_time": day * 5 * 86_400_000}
        spend = {code: one["spend"] for code, one in plan["markets"].items()}
        lines.append(json.dumps(record | {"status": plan["status"], "adopted": True, "spend": spend, "moves": {},
                                          "allocation": plan}))  # fmt: skip
    file = tmp_path / "allocations.jsonl"
    file.write_text("\n".join(lines))
    [proposal] = json.loads(cli("learn", "--allocations", str(file), "--json").stdout)
    assert ("BR", 1, 50.0) == (proposal["market"], proposal["outcomes"], proposal["d"])
    assert "BR" in cli("learn", "--allocations", str(file)).stdout


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
        (("plan", "--budget", "9..3"), {}, 2),
        (("classify", "x"), {"MARKETPULSE_DEVICE": "cuda"}, 2),
        (("classify", "x"), {"MARKETPULSE_MODEL_FOLDER": "no-such-folder"}, 2),
        (("worker",), {"MARKETPULSE_MODEL": "stub"}, 78),
        (("status",), {"MARKETPULSE_REDIS_URL": "http://x"}, 2),
        (("classify", "  "), {}, 2),
        (("markets", "costs", "--picture", "/no/such/folder/costs.html"), {}, 2),
        (("markets", "costs", "--profiles", "no-such-file.toml"), {}, 2),
        (("markets", "rank"), {"MARKETPULSE_REDIS_URL": "redis://127.0.0.1:1/0"}, 1),
        (("alerts",), {"MARKETPULSE_REDIS_URL": "redis://127.0.0.1:1/0"}, 1),
        (("config", "show"), {"MARKETPULSE_STEP_SECONDS": "-1"}, 2),
        (("profiles", "validate", "no-such-file.toml"), {}, 2),
        (("profiles", "apply", "no-such-file.toml"), {}, 2),
        (("profiles", "rm", "Brazil"), {}, 2),
        (("profiles", "ls"), {"MARKETPULSE_PREFIX": "none"}, 1),
        (("mute", "add", "--market", "XX", "--hours", "1"), {}, 2),
        (("mute", "ls"), {"MARKETPULSE_KAFKA": "127.0.0.1:1"}, 1),
        (("mute", "rm", "none"), {"MARKETPULSE_PREFIX": "none"}, 1),
        (("dead-letters", "ls"), {"MARKETPULSE_PREFIX": "none"}, 1),
        (("dead-letters", "replay"), {"MARKETPULSE_KAFKA": "127.0.0.1:1"}, 1),
        (("simulate", "--live", "--incident", "flood:BR:0:9"), {}, 2),
        (("simulate", "--live", "--history", "0"), {"MARKETPULSE_KAFKA": "127.0.0.1:1"}, 1),
        (("simulate", "--out", "/no/such/folder/feed.csv"), {}, 2),
        (("page", "--host", "300.0.0.1"), {}, 2),
        (("run", "no-such-file.jsonl", "--embedded"), {}, 2),
        (("up", "--data", "/proc/nowhere"), {}, 2),
        (("bench", "classify", "--device", "cuda"), {}, 2),
        (("ledger", "init", "--yes"), {"MARKETPULSE_KAFKA": "127.0.0.1:1"}, 1),
        (("ledger", "wait", "--seconds", "0"), {"MARKETPULSE_PREFIX": "none"}, 1),
        (("ledger", "wait", "--seconds", "0"), {"MARKETPULSE_REDIS_URL": "redis://127.0.0.1:1/0"}, 1),
        (("rules", "check", "pyproject.toml"), {}, 2),
        (("rules", "test", "deploy/rules.toml"), {}, 2),
        (("what-if", "--rules", "no-such-file.toml"), {}, 2),
        (("what-if", "--rules", "deploy/rules.toml"), {"MARKETPULSE_KAFKA": "127.0.0.1:1"}, 1),
        (("what-if", "--rules", "deploy/rules.toml", "--from", "2026-11-20"), {}, 2),
        (("what-if", "--rules", "deploy/rules.toml", "--to", "yesterday"), {}, 2),
        (("worker",), {"MARKETPULSE_RULES": "pyproject.toml", "MARKETPULSE_MODEL": "stub"}, 2),
        (("notify",), {}, 2),
        (("notify", "test", "--sinks", "pyproject.toml"), {}, 2),
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


def leaves() -> list[str]:
    """Every command a person can type, `profiles apply` say."""
    found = [str(command.name or command.callback.__name__) for command in app.registered_commands if command.callback]
    for group in app.registered_groups:
        assert group.typer_instance is not None
        found += [f"{group.name} {command.name}" for command in group.typer_instance.registered_commands]
    return sorted(found)


@pytest.mark.parametrize("command", leaves())
def test_every_command_has_help_with_an_example_and_a_test(cli: Cli, command: str) -> None:
    """Its help shows how it is typed, and some test types it."""
    done = CliRunner().invoke(app, [*command.split(), "--help"])
    assert 0 == done.exit_code
    assert f"marketpulse {command}" in " ".join(done.output.split()), done.output
    words = ", ".join(f'"{word}"' for word in command.split())
    tests = "".join(path.read_text("utf-8") for path in Path(__file__).parents[1].rglob("test_*.py"))
    assert words in tests, f"no test runs {command}"


def test_rules_are_checked_and_tested(cli: Cli, tmp_path: Path) -> None:
    """What a file changes, and whether what is expected comes; nothing needs a server."""
    file = tmp_path / "rules.toml"
    file.write_text("[surge]\nthreshold = 900\n[market.BR.surge]\nthreshold = 16\n", "utf-8")
    changed = {"surge.threshold": {"default": SurgeRule().threshold, "file": 900.0},
               "market.BR.surge.threshold": {"default": None, "file": 16.0}}  # fmt: skip
    assert {"changed": changed} == json.loads(cli("rules", "check", str(file), "--json").stdout)
    assert f"surge.threshold = 900.0 (default {SurgeRule().threshold})" in cli("rules", "check", str(file)).stdout
    done = cli("rules", "test", "deploy/rules_test.toml", "--json")
    assert (0, True) == (done.returncode, json.loads(done.stdout)["ok"])
    file.write_text("[surge]\nthreshold = 900\n", "utf-8")
    done = cli("rules", "test", "deploy/rules_test.toml", "--rules", str(file))
    assert 1 == done.returncode
    assert "alerts at 3h10m: expected surge BR; got none" in done.stdout
    assert "ok     Three times the events" in done.stdout


def test_a_csv_without_the_contracts_columns_is_refused(cli: Cli, tmp_path: Path) -> None:
    """Before anything is published, naming the columns."""
    (tmp_path / "feed.csv").write_text("id,message\n1,hello\n", "utf-8")
    done = cli("publish", str(tmp_path / "feed.csv"))
    assert (2, True) == (done.returncode, "market, text, occurred_at" in done.stderr)


def test_costs_are_a_table_json_and_a_picture(cli: Cli, tmp_path: Path) -> None:
    """The founding J of Brazil; the picture needs nothing from elsewhere."""
    assert 280.0 == json.loads(cli("markets", "costs", "--json").stdout)["BR"]["J"]
    done = cli("markets", "costs", "--picture", str(tmp_path / "costs.html"))
    assert "1,080" in done.stdout
    picture = (tmp_path / "costs.html").read_text("utf-8")
    assert all(text in picture for text in ("BR", "c: market selection", "Money to enter a market (10,000 CNY)"))
    assert not re.findall(r"<script[^>]+src=", picture)


def test_a_live_feed_is_published_for_as_long_as_asked(cli: Cli) -> None:
    """History first, then some seconds of now, with the incident told."""
    cli("ledger", "init", "--yes")
    done = cli("simulate", "--live", "--rate", "20", "--history", "1", "--seconds", "2", "--incident", "outage:BR:0:9")
    assert (0, True) == (done.returncode, "outage in BR begins" in done.stderr)
    assert 720 + 40 <= int(done.stdout.split()[0]) <= 720 + 60


@pytest.mark.long
def test_the_demo_ends_when_asked(cli: Cli) -> None:
    """0 = an alert fired and money moved; a demonstration of a few seconds has not come so far: 1."""
    done = cli("demo", "--seconds", "3")
    assert 1 == done.returncode, done.stderr
    assert "starting a real Kafka" in done.stdout


def test_up_runs_until_it_is_told_to_stop(cli: Cli) -> None:
    """It prints where the servers listen, and stops them on SIGTERM."""
    with ending(start_marketpulse("up", "--partitions", "2", environment={"MARKETPULSE_MODEL": "stub"})) as running:
        assert running.stdout is not None
        ready = next(event for line in running.stdout if (event := json.loads(line))["event"] == "ready")
        settings = {name: ready[name] for name in ("MARKETPULSE_KAFKA", "MARKETPULSE_REDIS_URL")}
        assert 0 == cli("status", "--json", MARKETPULSE_PREFIX="marketpulse", **settings).returncode
    assert 0 == running.returncode
    assert 1 == cli("status", **settings).returncode
