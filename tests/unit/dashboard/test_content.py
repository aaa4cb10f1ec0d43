"""What the page shows: active alerts by market, muted ones apart, spend with its reason."""

import io

import msgspec
from rich.console import Console

from marketpulse.client.snapshot import Snapshot, Status
from marketpulse.contract.allocation import Allocation, MarketPlan
from marketpulse.contract.metrics import Estimate, MarketMetrics, WindowMetrics
from marketpulse.contract.operators import MuteRecord
from marketpulse.contract.records import AllocationRecord
from strategy.portfolio import load_portfolio
from streams.cli.views.status import render
from streams.dashboard.content import content_of
from tests.support.alerts import alert

WINDOW = WindowMetrics(10, {"negative": 4, "neutral": 1, "positive": 5}, Estimate(0.5, 0.4, 0.6, 0.05))
MARKET = MarketMetrics(
    dict.fromkeys(("5m", "1h", "24h", "7d"), WINDOW), None, 0.3, {"app": (5, 1, 0.6), "price": (5, 3, 0.4)}
)
STATUS = Status(7, 100_000_000, 1, "m", "cpu", {"accepted": 10, "dead_letter:bad_time": 2}, {0: 12}, 0, 0, True)
BRAZIL = MarketPlan(50.0, 30.0, 20.0, 0, 0, 0.1, 0.2, 0.3, 0, (), "BR: new")
PLAN = Allocation("optimal", True, "", 100.0, 90.0, 7.0, 0.1, {"BR": BRAZIL})
ALLOCATION = AllocationRecord(
    "a", 7, "shift", "BR", 5, "optimal", True, {"BR": 50.0}, {"BR": -3.0}, PLAN, "budget moves"
)


def test_the_page_shows_markets_alerts_and_the_allocation_with_reasons() -> None:
    """One market observed, one with a profile; shares sum to 1; topics by complaints; no value is None."""
    alerts = [alert(), alert("second", topic="app"), alert(kind="bad_input", market="*")]
    snapshot = Snapshot(
        STATUS, {"BR": MARKET, "NG": MARKET}, alerts, ALLOCATION, load_portfolio(), flags={"BR": ("warming",)}
    )
    view = content_of(snapshot, 9)
    brazil, nigeria = view["markets"]
    assert (["surge"], ["warming"], "entered", 50.0, "BR: new", -3.0) == tuple(
        brazil[name] for name in ("alerts", "flags", "status", "spend", "reason", "moved")
    )
    assert ("observed", None, None) == (nigeria["status"], nigeria["spend"], nigeria["r"])
    assert ["price", "app"] == [topic["name"] for topic in brazil["topics"]]
    assert 1.0 == sum(brazil["labels"].values())
    assert (["bad_input"], {"bad_time": 2}, 90.0) == (
        view["everywhere"],
        view["dead_letters"],
        view["allocation"]["spent"],
    )
    assert msgspec.json.encode(view)


def test_a_muted_alert_is_shown_but_alarms_nobody() -> None:
    """It stays in the list and at its market, as a muted one; a kind of which one alert is not silenced is loud."""
    mutes = [MuteRecord("m", until=100, created_at=0, market="BR")]
    view = content_of(Snapshot(STATUS, {"BR": MARKET}, [alert()], None, mutes=mutes), 9)
    assert ([], ["surge"], [True], None) == (
        view["markets"][0]["alerts"],
        view["markets"][0]["muted"],
        [one["muted"] for one in view["alerts"]],
        view["allocation"],
    )
    general = [MuteRecord("m", until=100, created_at=0, market="BR", topic="app")]
    both = Snapshot(STATUS, {"BR": MARKET}, [alert(), alert("second", topic="app")], None, mutes=general)
    [brazil] = content_of(both, 9)["markets"]
    assert (["surge"], []) == (brazil["alerts"], brazil["muted"])


def test_the_terminal_says_the_same() -> None:
    """A muted alert is marked as one, behind those that nobody silenced; the market has another sign."""
    mutes = [MuteRecord("m", until=2**50, created_at=0, market="BR")]
    found = Snapshot(STATUS, {"BR": MARKET, "DE": MARKET}, [alert(), alert(market="DE")], None, mutes=mutes)
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(render(found))
    shown = console.export_text()
    assert "BR △" in shown
    assert "DE ▲" in shown
    assert shown.index("DE   ") < shown.index("firing, muted")


def test_old_news_goes_and_what_is_active_comes_first() -> None:
    """Resolved more than 24 h before stream time: gone."""
    alerts = [
        alert("old", state="resolved", ended_at=STATUS.stream_time - 25 * 3_600_000),
        alert("recent", state="resolved", ended_at=STATUS.stream_time, started_at=90),
        alert("active", kind="drop"),
    ]
    view = content_of(Snapshot(STATUS, {}, alerts, None), 9)
    assert ["active", "recent"] == [one["id"] for one in view["alerts"]]
