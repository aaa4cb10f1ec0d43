"""Alerts with a life: pending, firing, resolved; and the conditions behind them."""

from hypothesis import given
from hypothesis import strategies as st

from marketpulse.contract.metrics import Estimate, WindowMetrics
from streams.contract.rules import ConditionRule, WatchRules
from streams.pipeline.detect.conditions import ConditionState, Input, condition_step, drop_condition, silence_condition

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
    busy, slow = window(2_000, 0.5), window(100, 0.5)
    assert silence_condition(0, busy, busy, hour, rules)[0]
    assert not silence_condition(0, slow, slow, hour, rules)[0]
    assert not silence_condition(0, busy, busy, hour // 4, rules)[0]
    assert silence_condition(0, slow, slow, 6 * hour, rules)[0]
    assert not silence_condition(None, busy, busy, hour, rules)[0]


def test_the_share_of_broken_input_fades() -> None:
    """Half of a count is gone after the half-life."""
    seen = Input()
    seen.add(100, 50, 1_000, 1_000)
    assert 0.5 == seen.share
    seen.add(100, 0, 2_000, 1_000)
    assert abs(seen.share - 25 / 150) < 1e-9
