"""What others wrote is shown as it is: no markup of it is read, and no escape sequence of it reaches the terminal."""

from collections.abc import Callable
from typing import Any, Self

import msgspec
import pytest
from rich.console import Console
from typer.testing import CliRunner

from marketpulse.client import reader as client
from marketpulse.client.snapshot import Snapshot, Status
from marketpulse.contract.metrics import Estimate, MarketMetrics, WindowMetrics
from marketpulse.contract.portfolio import Portfolio
from marketpulse.contract.records import AllocationRecord
from strategy.allocate import allocate
from strategy.portfolio import load_portfolio
from streams.cli import operate, output, profiles
from streams.cli.main import app
from streams.kafka.dead_letters import RejectedRecord
from tests.support.alerts import alert

VALUES = ["[/x]", "[bold]x", "\x1b]52;c;x"]
SHOWN = ["[/x]", "[bold]x", "\\x1b]52;c;x"]
HOSTILE = " ".join(VALUES)
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
    letter = RejectedRecord(3, HOSTILE, HOSTILE, "feedback", 0, 7, NOW_MS, HOSTILE, b"k", b"v", ())
    monkeypatch.setattr(client, "Reader", MemoryReader(snapshot()))
    monkeypatch.setattr(operate, "_collect", lambda _selection: [letter])
    monkeypatch.setattr(profiles, "_read", lambda _settings, _topic: [])
    monkeypatch.setattr(profiles, "load_portfolio", lambda _path=None: portfolio())
    monkeypatch.setattr(output, "console", lambda _columns=0: Console(width=400))


@pytest.mark.usefixtures("servers")
@pytest.mark.parametrize(
    "arguments",
    [("dead-letters", "ls"), ("profiles", "ls"), ("allocation",), ("status",), ("alerts",)],
)
def test_what_others_wrote_is_shown_as_it_is(arguments: tuple[str, ...]) -> None:
    """Wherever it stands in a table."""
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert 0 == done.exit_code, done.output
    for value in SHOWN:
        assert value in done.output
    assert "\x1b]52" not in done.output


@pytest.mark.parametrize("shown", [output.visible, lambda value: output.cell(value).plain])
def test_only_what_acts_on_a_terminal_is_escaped(shown: Callable[[Any], str]) -> None:
    """Letters of every script and emoji stay; a half surrogate, a new line and a turn of direction do not."""
    assert "größer 大 👍🏽 Ω" == shown("größer 大 👍🏽 Ω")
    assert "a\\nb \\x9b2J \\u202ec \\ud800" == shown("a\nb \x9b2J \u202ec \ud800")
