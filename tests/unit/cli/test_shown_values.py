"""What others wrote is shown as it is: no markup of it is read, and no escape sequence of it reaches the terminal."""

import ast
import functools
import re
from collections.abc import Callable, Iterator
from typing import Any, Self

import msgspec
import pytest
import structlog
import typer
from rich.table import Table
from typer.testing import CliRunner

from marketpulse.client import reader as client
from marketpulse.client.snapshot import Snapshot, Status
from marketpulse.contract.metrics import Estimate, MarketMetrics, WindowMetrics
from marketpulse.contract.operators import MuteRecord
from marketpulse.contract.portfolio import Portfolio
from marketpulse.contract.records import AllocationRecord
from marketpulse.errors import OperatorNeeded
from models.errors import ModelError
from strategy.allocate import allocate
from strategy.errors import StrategyError
from strategy.portfolio import load_portfolio
from streams.cli import main, mutes, operate, output
from streams.cli.main import app
from streams.cli.markets import in_force
from streams.cli.progress import Phases
from streams.errors import BadInput
from streams.kafka.dead_letters import RejectedRecord
from streams.recovery import canary, doctor, verify
from streams.recovery.verify import Difference, VerifyReport
from tests.support.alerts import alert
from tests.support.sources import ROOT, modules

VALUES = ["[/x]", "[bold]x", "\x1b]52;c;x", "\x1b[2J", "a\rb", "\u202ec", "\x9b2J"]
SHOWN = ["[/x]", "[bold]x", "\\x1b]52;c;x", "\\x1b[2J", "a\\rb", "\\u202ec", "\\x9b2J"]
HOSTILE = " ".join(VALUES)
PERSONAL = "max@example.com 4111 1111 1111 1111"
NOW_MS = 1_800_000_000_000


class MemoryReader:
    """In place of the client's Reader."""

    def __init__(self, now: Snapshot) -> None:
        self._now = now

    def __call__(self, *_: object, **__: object) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def snapshot(self) -> Snapshot:
        """What a test put in."""
        return self._now

    def portfolio(self) -> Portfolio | None:
        """Likewise."""
        return self._now.portfolio

    def allocations(self) -> list[AllocationRecord]:
        """Only the one in force, rejected."""
        assert self._now.allocation is not None
        return [msgspec.structs.replace(self._now.allocation, adopted=False, seq=9)]


def portfolio() -> Portfolio:
    shipped = load_portfolio()
    plan = msgspec.structs.replace(shipped.plan, currency=f"EUR {HOSTILE}", regions={HOSTILE: 900.0})
    return Portfolio(plan, {"BR": msgspec.structs.replace(shipped.markets["BR"], region=HOSTILE)})


def snapshot() -> Snapshot:
    answer = allocate(portfolio(), {}, {})
    plans = {HOSTILE: msgspec.structs.replace(answer.markets["BR"], reason=HOSTILE)}
    content = msgspec.structs.replace(answer, why=HOSTILE, markets=plans)
    record = AllocationRecord("a-1", 1, "shift", "BR", NOW_MS, "optimal", True, {"BR": 9.0}, {}, content, HOSTILE)
    labels = {"negative": 5, "neutral": 0, "positive": 5}
    window = WindowMetrics(10, labels, Estimate(0.5, 0.4, 0.6, 0.05), users=7)
    metrics = MarketMetrics(dict.fromkeys(("5m", "1h", "24h", "7d"), window), None, 0.3, {})
    status = Status(7, NOW_MS, NOW_MS, HOSTILE, "cpu", {"accepted": 10}, {0: 12}, 0, 0, True)
    fired = alert(market=HOSTILE, topic=HOSTILE, started_at=NOW_MS, evidence={"excerpts": [HOSTILE]})
    return Snapshot(status, {HOSTILE: metrics}, [fired], record, portfolio())


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis and Kafka with hostile values; tables as wide as they want."""
    said = f"{HOSTILE} {PERSONAL}"
    letter = RejectedRecord(3, HOSTILE, said, "feedback", 0, 7, NOW_MS, said, b"k", b"v", ())
    mute = MuteRecord("m", NOW_MS * 2, NOW_MS, comment=HOSTILE, market=HOSTILE)
    report = VerifyReport(False, 1, 1, 1, 1, [Difference(HOSTILE, 1, HOSTILE)], [HOSTILE], {}, 1.0)
    monkeypatch.setattr(client, "Reader", MemoryReader(snapshot()))
    monkeypatch.setattr(operate, "_collect", lambda _selection, kept: [kept(letter)])
    monkeypatch.setattr(in_force, "_read", lambda _settings, _topic: [])
    monkeypatch.setattr(in_force, "load_portfolio", lambda _path=None: portfolio())
    monkeypatch.setattr(mutes, "_active_mutes", lambda _settings: [mute])
    monkeypatch.setattr(doctor, "examine", answering([doctor.Finding("Kafka", False, HOSTILE, HOSTILE)]))
    monkeypatch.setattr(canary, "send_canary", answering([canary.Arrival(HOSTILE, 1.0, HOSTILE)]))
    monkeypatch.setattr(verify, "verify", answering(report))
    monkeypatch.setattr(output, "console", functools.partial(output.console, 400))


def answering(answer: object) -> Callable[..., Any]:
    """In place of what a command awaits."""

    async def answered(*_: object) -> object:
        return answer

    return answered


HOSTILE_TEXTS = {
    "dead-letters ls": 0, "profiles ls": 0, "allocation": 0, "status": 0, "alerts": 0, "mute ls": 0, "doctor": 1,
    "alerts test": 1, "ledger verify": 1, "markets costs": 0, "markets rank": 0,
}  # fmt: skip
"""Commands that show what users, producers or servers wrote, and the exit code that they end with here."""
THROUGH_THE_SEAM = {
    "acls apply", "acls show", "adopt", "bench allocate", "bench bins", "bench classify", "bench commit",
    "bench engine", "bench growth", "bench intake", "bench judgement", "bench latency", "bench pipeline",
    "bench reallocate", "bench topics", "bench watch", "bridge", "classify", "config show", "dead-letters replay",
    "dead-letters show", "demo", "intake", "label", "learn", "ledger init", "ledger rebuild", "ledger reset",
    "ledger wait", "model attach", "model compare", "model convert", "model detach", "model encoder", "model evaluate",
    "model export", "model families", "model promote", "model rollback", "model shadow", "model teach", "model topics",
    "model train", "mute add", "mute rm", "notify", "notify test", "page", "plan", "privacy erase", "profiles apply",
    "profiles rm", "profiles validate", "publish", "replay", "rules check", "rules test", "run", "simulate",
    "topics create", "up", "what-if", "worker",
}  # fmt: skip
"""All others: what they print goes through `streams.cli.output` too, as the test of the sources below holds."""


@pytest.mark.usefixtures("servers")
@pytest.mark.parametrize("command", HOSTILE_TEXTS)
def test_what_others_wrote_is_shown_as_it_is(command: str) -> None:
    """Wherever it stands in a table; a dead letter's without what names a person."""
    done = CliRunner().invoke(app, command.split(), catch_exceptions=False)
    assert HOSTILE_TEXTS[command] == done.exit_code, done.output
    if not command.startswith("markets"):  # they show markets by their codes, which the contract bounds
        for value in SHOWN:
            assert value in done.output
    assert not ACTING.search(done.output)
    assert "max@example" not in done.output
    assert "4111" not in done.output


ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """The names of all commands of the program."""
    for name, one in getattr(command, "commands", {}).items():
        yield from leaves(one, (*path, name))
    if path and (not hasattr(command, "commands") or command.invoke_without_command):
        yield " ".join(path)


def test_every_command_is_looked_at() -> None:
    """A new one is put among those that show hostile texts above, or among those that show none."""
    assert sorted([*HOSTILE_TEXTS, *THROUGH_THE_SEAM]) == sorted(leaves(typer.main.get_command(app)))


MAY_PRINT = {"streams/cli/output.py", "streams/dev/embedded/servers.py"}
"""The seam, and the download of jars when an image is built."""
PRINTING = {"print", "Console", "sys.stdout.write", "sys.stderr.write", "typer.echo", "typer.secho", "click.echo"}


def test_nothing_prints_but_through_the_seam() -> None:
    """No source of the project's packages calls what writes to the terminal by another way."""
    found = {
        f"{path.relative_to(ROOT).as_posix()}:{node.lineno}"
        for path in modules()
        if path.relative_to(ROOT).as_posix() not in MAY_PRINT and "docs" not in path.relative_to(ROOT).parts
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in PRINTING
    }
    assert not found


@pytest.mark.parametrize("width", [40, 400])
def test_no_markup_and_no_control_reaches_a_terminal_from_any_part_of_a_table(
    width: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of plain strings in cells, titles, captions and columns."""
    table = Table("a", HOSTILE, title=HOSTILE, caption=HOSTILE)
    table.add_row("b", HOSTILE)
    output.console(width).print(table)
    shown = capsys.readouterr().out
    assert not ACTING.search(shown)
    assert 4 <= shown.count("[/x]")


def test_bars_show_what_they_are_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """On a terminal, where a bar moves the cursor itself."""
    for name, value in {"TERM": "xterm", "TTY_COMPATIBLE": "1", "COLUMNS": "400"}.items():
        monkeypatch.setenv(name, value)
    with Phases() as phases:
        phases(HOSTILE, 1, 2)
        phases._bar.refresh()
    shown = capsys.readouterr().err
    for value in SHOWN:
        assert value in shown
    for value in ("\x1b]52", "\x1b[2J", "\u202e", "\x9b"):
        assert value not in shown


@pytest.mark.parametrize("error", [OperatorNeeded, BadInput, OSError, ModelError, StrategyError, ZeroDivisionError])
def test_errors_say_nothing_that_acts_or_names_a_person(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those that commands expect, and a traceback of one that nobody does."""

    def fails(**_: object) -> None:
        raise error(f"{HOSTILE} {PERSONAL}")

    monkeypatch.setattr(main, "app", fails)
    monkeypatch.setattr(structlog, "is_configured", lambda: False)
    with pytest.raises(SystemExit):
        main.main()
    shown = capsys.readouterr().err
    assert "[/x]" in shown
    assert "[email] [card]" in shown
    assert not ACTING.search(shown)


@pytest.mark.parametrize("shown", [output.visible, lambda value: output.cell(value).plain])
def test_only_what_acts_on_a_terminal_is_escaped(shown: Callable[[Any], str]) -> None:
    """Letters of every script and emoji stay; a half surrogate, a new line and a turn of direction do not."""
    assert "größer 大 👍🏽 Ω" == shown("größer 大 👍🏽 Ω")
    assert "a\\nb \\x9b2J \\u202ec \\ud800" == shown("a\nb \x9b2J \u202ec \ud800")
