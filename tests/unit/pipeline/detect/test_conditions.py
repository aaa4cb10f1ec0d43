"""Alerts with a life: pending, firing, resolved; and the conditions behind them."""

import random
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from marketpulse.contract.metrics import Estimate, WindowMetrics
from marketpulse.contract.units import DAY_MS, HOUR_MS, MINUTE_MS
from streams.contract.rules import ConditionRule, WatchRules
from streams.pipeline.count.cells import CellLayout
from streams.pipeline.count.windows import Windows
from streams.pipeline.detect.conditions import (
    ConditionState,
    Input,
    condition_step,
    drop_condition,
    expected_events,
    silence_condition,
)

RULE = ConditionRule(for_ms=100, clear_ms=50)


def live(steps: list[tuple[int, bool, bool]]) -> list[tuple[str, int]]:
    """(state, time) of every change over (time, holds, clears) steps."""
    state = ConditionState()
    changes = [condition_step(state, holds, clears, at, RULE) for at, holds, clears in steps]
    return [(change.state, change.at) for change in changes if change]


def window(n: int, u: float, half: float = 0.02) -> WindowMetrics:
    return WindowMetrics(n, {}, Estimate(u, u - half, u + half, half / 2))


def test_a_condition_fires_after_its_time_and_resolves_after_its_own() -> None:
    """
    holds   ____|----------|______
    state      pending  firing   resolved
    """
    steps = [
        (0, False, True),
        (10, True, False),
        (60, True, False),
        (110, True, False),
        (200, False, True),
        (250, False, True),
    ]
    assert [("pending", 10), ("firing", 110), ("resolved", 250)] == live(steps)


def test_between_the_thresholds_nothing_changes() -> None:
    """Hysteresis: neither holding nor clear keeps a firing alert firing."""
    assert [("pending", 0), ("firing", 100)] == live([(0, True, False), (100, True, False), (500, False, False)])


def test_a_short_condition_never_fires() -> None:
    """Pending, then taken back."""
    assert [("pending", 0), ("resolved", 50)] == live([(0, True, False), (50, False, True)])


@given(st.lists(st.tuples(st.integers(1, 80), st.booleans()), max_size=30))
def test_states_follow_one_another_in_order(steps: list[tuple[int, bool]]) -> None:
    """No firing without pending, no resolved without either, no flapping within one step."""
    at, timed = 0, []
    for wait, holds in steps:
        at += wait
        timed.append((at, holds, not holds))
    states = [state for state, _ in live(timed)]
    allowed = {None: {"pending"}, "pending": {"firing", "resolved"}, "firing": {"resolved"}, "resolved": {"pending"}}
    for before, after in zip([None, *states], states, strict=False):
        assert after in allowed[before]


def test_a_drop_needs_the_upper_bound_below_the_threshold() -> None:
    """A low u with a wide interval is no drop, nor is one of few events."""
    rules = WatchRules()
    assert drop_condition(window(100, 0.30), rules)[0]
    assert not drop_condition(window(100, 0.35, half=0.1), rules)[0]
    assert not drop_condition(window(5, 0.10), rules)[0]
    assert drop_condition(window(100, 0.46), rules)[1]


def test_silence_is_judged_by_what_was_to_be_expected() -> None:
    """A market of 2,000 events a day is quiet after 30 minutes, one of 100 a day is not."""
    rules, hour = WatchRules(), 3_600_000
    week = window(2_000, 0.5)

    def silent(since_ms: int | None, usual: float, at_ms: int) -> bool:
        return silence_condition(since_ms, week, lambda: [usual] * 24, at_ms, rules)[0]

    assert silent(0, 84, hour)
    assert not silent(0, 4, hour)
    assert not silent(0, 84, hour // 4)
    assert silent(0, 4, 6 * hour)
    assert not silent(None, 84, hour)


def test_what_is_to_be_expected_knows_the_hours() -> None:
    """Half an hour of the night, whole hours, and days."""
    usual = [0.0] * 8 + [10.0] * 16
    assert 0 == expected_events(usual, DAY_MS + HOUR_MS, DAY_MS + 8 * HOUR_MS)
    assert 5 == expected_events(usual, DAY_MS + 7 * HOUR_MS, DAY_MS + 8 * HOUR_MS + HOUR_MS // 2)
    assert 160 * 3 + 10 == expected_events(usual, 23 * HOUR_MS, 4 * DAY_MS)


def test_the_nights_of_a_small_market_are_no_silence() -> None:
    """400 events a day, 2 % of the day's rate in the nine hours of night: quiet for 30 days; then its feed dies."""
    rules, rng, week = WatchRules(), random.Random(1), window(2_800, 0.5)
    layout = CellLayout(("app",))
    windows, one = Windows(layout), layout.zeros()
    one[layout.index("neutral/app")] = 1
    rates = [400 * share / 15.18 / 60 for share in (0.02 if hour < 9 else 1.0 for hour in range(24))]
    last, alarms, dies = 0, [], (30 * 24 + 12) * 60
    for minute in range(dies + 180):
        if minute < dies and rng.random() < rates[minute // 60 % 24]:
            windows.advance(minute)
            windows.add("BR", minute, one, minute)
            last = minute
        usual = partial(windows.usual_hours, "BR", last // 60)
        if (
            minute > DAY_MS // MINUTE_MS
            and silence_condition(last * MINUTE_MS, week, usual, minute * MINUTE_MS, rules)[0]
        ):
            alarms.append(minute)
    assert dies + 30 <= alarms[0] <= dies + 120


def test_a_condition_that_stops_holding_is_not_pending_on() -> None:
    """Below the threshold for one step, then between the thresholds: never fires."""
    steps = [(0, True, False), (20, False, False), (150, False, False), (300, True, False), (390, True, False)]
    assert [("pending", 0), ("resolved", 20), ("pending", 300)] == live(steps)


def test_too_few_events_end_a_drop_and_say_why() -> None:
    """The market fell silent; nobody became happier."""
    _, clears, evidence = drop_condition(window(10, 0.2), WatchRules())
    assert clears
    assert "too few events to tell" == evidence["cause"]


def test_the_share_of_broken_input_fades() -> None:
    """Half of a count is gone after the half-life."""
    seen = Input()
    seen.add(100, 50, 1_000, 1_000)
    assert 0.5 == seen.share
    seen.add(100, 0, 2_000, 1_000)
    assert abs(seen.share - 25 / 150) < 1e-9
