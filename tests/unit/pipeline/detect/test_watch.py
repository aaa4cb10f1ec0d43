"""Drop, recovery, silence and broken input over the steps of a roll-up."""

import msgspec

from marketpulse.contract.metrics import Estimate, MarketMetrics, WindowMetrics
from marketpulse.contract.records import AlertRecord, RefusedAnswer
from streams.contract.rules import Rules, WatchRules
from streams.pipeline.detect.conditions import Input
from streams.pipeline.detect.drift import Drift, Series
from streams.pipeline.detect.watch import (
    EVERYWHERE,
    View,
    WatchState,
    watch_allocation,
    watch_input,
    watch_markets,
    watch_model,
    watch_stream,
)

RULES = Rules()
HOUR = 3_600_000


def blind_states(seen: list[View], minutes: list[float]) -> list[str]:
    """States of the blind alert at these minutes of the clock."""
    state, rules = WatchState(), WatchRules()
    found = [watch_stream(state, one, 1, int(at * 60_000), rules) for one, at in zip(seen, minutes, strict=True)]
    return [alert.state for alerts in found for alert in alerts]


def test_whoever_is_far_behind_is_blind_after_a_minute() -> None:
    """Behind without records that wait is a quiet stream; a backlog that is gone in a minute is no news."""
    late, quiet, near = View(200_000, 5), View(200_000, 0), View(100_000, 5)
    assert ["firing", "resolved"] == blind_states([late, late, near, near], [0, 1, 2, 3])
    assert [] == blind_states([late, late, quiet, late, late], [0, 0.5, 0.9, 1.2, 1.5])
    assert [] == blind_states([quiet, near], [0, 5])


def test_a_partition_that_holds_stream_time_is_named() -> None:
    """Also where nobody knows how much waits."""
    state, held = WatchState(), View(700_000, 0, held_ms=600_000, held_by=(3,))
    watch_stream(state, held, 1, 0, WatchRules())
    [alert] = watch_stream(state, held, 2, 60_000, WatchRules())
    assert ("firing", "*") == (alert.state, alert.market)
    assert {"behind_minutes": 11, "lag": 0, "partitions": [3]} == alert.evidence


def test_a_partition_that_creeps_on_is_seen_too() -> None:
    """Stream time moves a little each time and no record waits, while another partition is at the present."""
    creeps, one_source = View(700_000, 0, held_by=(3,), ahead_ms=690_000), View(700_000, 0, ahead_ms=0)
    assert ["firing"] == blind_states([creeps, creeps], [0, 1])
    assert [] == blind_states([one_source, one_source], [0, 1])  # all that comes is old: nothing is hidden


def metrics(u: float = 0.6, n: int = 200) -> MarketMetrics:
    window = WindowMetrics(n, {}, Estimate(u, u - 0.02, u + 0.02, 0.01))
    return MarketMetrics(dict.fromkeys(("5m", "1h", "24h", "7d"), window), None, None, {})


def usual(market: str, hour: int) -> list[float]:
    return [8.0] * 24


def said(alerts: list[AlertRecord]) -> list[tuple[str, str, str]]:
    return [(alert.kind, alert.market, alert.state) for alert in alerts]


def test_a_drop_is_followed_by_its_recovery() -> None:
    """pending, firing, resolved; then the recovery for an hour."""
    states = {"BR": WatchState(newest_ms=0), EVERYWHERE: WatchState()}
    story = []
    for minute, u in [(0, 0.3), (11, 0.3), (20, 0.5), (30, 0.6), (90, 0.6)]:
        states["BR"].newest_ms = minute * 60_000
        story += said(watch_markets(states, {"BR": metrics(u)}, usual, minute, minute * 60_000, RULES))
    assert [
        ("drop", "BR", "pending"),
        ("drop", "BR", "firing"),
        ("drop", "BR", "resolved"),
        ("recovery", "BR", "firing"),
        ("recovery", "BR", "resolved"),
    ] == story


def test_a_market_that_falls_silent_has_not_recovered() -> None:
    """The drop ends, since nobody can tell any more, and nothing is announced."""
    states = {"BR": WatchState(newest_ms=0), EVERYWHERE: WatchState()}
    story = []
    for minute, n in [(0, 200), (11, 200), (20, 10)]:
        states["BR"].newest_ms = minute * 60_000
        story += said(watch_markets(states, {"BR": metrics(0.3, n)}, usual, minute, minute * 60_000, RULES))
    assert ["pending", "firing", "resolved"] == [state for _, _, state in story]
    assert {"drop"} == {kind for kind, _, _ in story}


def test_one_silent_market_is_told_and_speaks_again() -> None:
    """The others go on: the cause lies in that market."""
    states = {market: WatchState(newest_ms=5 * HOUR) for market in ("BR", "CN", "US")} | {EVERYWHERE: WatchState()}
    states["BR"].newest_ms = 0
    every = {market: metrics() for market in ("BR", "CN", "US")}
    assert [("no_data", "BR", "firing")] == said(watch_markets(states, every, usual, 1, 5 * HOUR, RULES))
    states["BR"].newest_ms = 5 * HOUR
    assert [("no_data", "BR", "resolved")] == said(watch_markets(states, every, usual, 2, 5 * HOUR, RULES))


def test_silence_everywhere_is_one_alert() -> None:
    """A cause in the intake inhibits the markets' own alerts."""
    states = {market: WatchState(newest_ms=0) for market in ("BR", "CN", "US")} | {EVERYWHERE: WatchState()}
    every = {market: metrics() for market in ("BR", "CN", "US")}
    assert [("no_data", "*", "firing")] == said(watch_markets(states, every, usual, 1, 5 * HOUR, RULES))


def test_broken_input_fires_by_its_share() -> None:
    """A tenth of the records for two minutes; few records say nothing."""
    state, few = WatchState(), Input(records=20, dead=20)
    assert [] == watch_input(state, few, 1, 0, RULES.watch)
    many = Input(records=500, dead=100)
    story = [said(watch_input(state, many, at, at * 60_000, RULES.watch)) for at in (1, 2, 3)]
    assert [[("bad_input", "*", "pending")], [], [("bad_input", "*", "firing")]] == story
    assert [("bad_input", "*", "resolved")] == said(
        watch_input(state, Input(records=500, dead=5), 4, 400_000, RULES.watch)
    )


def test_a_model_that_is_not_what_it_should_be_is_said() -> None:
    """A worker on the wrong device, confidence that fell, or drift."""
    state, drift = WatchState(), Drift(series={"negative": Series()})
    sure = {"BR": metrics()}
    unsure = {"BR": metrics()}
    for of_market, seen in ((sure, {"1h": 0.8, "7d": 0.8}), (unsure, {"1h": 0.6, "7d": 0.8})):
        windows = of_market["BR"].windows
        windows.update({name: msgspec.structs.replace(windows[name], confidence=one) for name, one in seen.items()})
    story = []
    for minute, problems, of_market in [
        (0, [], sure), (1, ["cpu"], sure), (2, [], sure), (3, [], sure), (4, [], unsure), (5, [], sure), (6, [], sure),
        (7, [], sure), (8, [], sure), (9, [], sure),
    ]:  # fmt: skip
        drift.series["negative"].up = 30.0 if minute == 7 else 0.0
        story += said(watch_model(state, problems, drift, of_market, minute, minute * 60_000, RULES.watch))
    assert ["firing", "resolved"] * 3 == [what for *_, what in story]
    assert {("model", EVERYWHERE)} == {(kind, market) for kind, market, _ in story}


def test_an_answer_that_is_no_plan_is_said_until_one_succeeds() -> None:
    """Fires at once, with the shift, the status and why; another refusal is the same alert with new evidence, once."""
    state, first = WatchState(), RefusedAnswer("profile-7", "infeasible", "budget 1 is too small")
    other = RefusedAnswer("shift-8-BR", "failed", "no u")
    story = [
        watch_allocation(state, refused, step, step * 1_000, RULES.watch)
        for step, refused in enumerate([None, first, first, other, other, None, None])
    ]
    fires, ends = [("allocation", "*", "firing")], [("allocation", "*", "resolved")]
    assert [[], fires, [], fires, [], ends, []] == [*map(said, story)]
    assert {"shift": "profile-7", "status": "infeasible", "why": "budget 1 is too small"} == story[1][0].evidence
    assert {"shift": "shift-8-BR", "status": "failed", "why": "no u"} == story[3][0].evidence
    same = [(one.id, one.started_at, one.fired_at) for one in (story[1][0], story[3][0])]
    assert same[0] == same[1]
    assert story[5][0].id == story[1][0].id
