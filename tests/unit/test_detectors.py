"""Surge and shift on seeded simulations: fires on a change of share, not on a change of volume."""

import random

import pytest

from streams.detectors import AlertChange, Observation, ShiftState, Standing, SurgeState, shift_step, surge_step

DAY = 24 * 60


def watch(shares: list[float], volumes: list[int], seed: int) -> list[tuple[int, AlertChange]]:
    """Feed one market minute by minute; (minute, change) of every alert change."""
    rng = random.Random(seed)
    state: SurgeState | None = None
    changes = []
    for minute, (share, volume) in enumerate(zip(shares, volumes, strict=True)):
        negatives = sum(rng.random() < share for _ in range(volume))
        state, change = surge_step(state, Observation(minute, volume, negatives, 0.2))
        if change is not None:
            changes.append((minute, change))
    return changes


@pytest.mark.parametrize("seed", range(5))
def test_a_jump_of_the_share_fires_soon_and_resolves(seed: int) -> None:
    """
    share  .2 ______________|-- .5 --|______ .2
    alert                    ^ firing        ^ resolved
    """
    shares = [0.2] * 600 + [0.5] * 40 + [0.2] * 200
    changes = watch(shares, [5] * len(shares), seed)
    assert ["firing", "resolved"] == [change.state for _, change in changes]
    assert 600 <= changes[0][0] <= 630
    assert changes[0][1].started_at == changes[1][1].started_at


@pytest.mark.parametrize("seed", range(5))
def test_three_times_the_volume_at_equal_share_is_no_surge(seed: int) -> None:
    """Counts instead of shares would fire here."""
    volumes = [5] * 600 + [15] * 120 + [5] * 200
    assert [] == watch([0.2] * len(volumes), volumes, seed)


@pytest.mark.parametrize("seed", range(10))
def test_a_day_at_a_constant_share_fires_nothing(seed: int) -> None:
    """No false alarm over ten market-days at five events a minute."""
    assert [] == watch([0.22] * DAY, [5] * DAY, seed)


def test_a_detector_is_not_armed_before_it_knows_the_market() -> None:
    """The first 30 minutes only teach, whatever they hold."""
    assert [] == watch([0.9] * 30, [3] * 30, 1)


def test_a_shift_needs_distance_and_significance() -> None:
    """|u - u_then| > .03 and > 3 sqrt(se^2 + se_then^2), after the cool-down."""
    state, first = shift_step(None, Standing(500, (0.60, 0.01), None), False, 0)
    assert (None, (0.60, 0.01)) == (first, state.u)
    assert shift_step(state, Standing(500, (0.62, 0.001), None), False, 10**7)[1] is None  # too near
    assert shift_step(state, Standing(500, (0.65, 0.02), None), False, 10**7)[1] is None  # not significant
    assert shift_step(state, Standing(500, (0.70, 0.01), None), False, 1_000)[1] is None  # cooling down
    moved, evidence = shift_step(state, Standing(500, (0.70, 0.01), None), False, 10**7)
    assert evidence == {"u": {"was": 0.60, "is": 0.70}}
    assert ShiftState(u=(0.70, 0.01), r=None, at_ms=10**7) == moved


def test_a_surge_is_a_shift_at_once() -> None:
    """A firing surge does not wait for the cool-down."""
    state, _ = shift_step(None, Standing(500, (0.60, 0.01), None), False, 0)
    assert shift_step(state, Standing(500, (0.60, 0.01), None), True, 1)[1] is not None
