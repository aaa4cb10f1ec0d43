"""Surge on seeded simulations: fires on a change of share, not of volume, through the classifier's noise too."""

import math
import random

import numpy as np
import pytest
from msgspec.structs import replace

from marketpulse.contract.units import MINUTE_MS
from streams.contract.rules import SurgeRule
from streams.dev.bench.detectors.markets import Condition, simulate
from streams.dev.bench.detectors.rivals import Surge
from streams.pipeline.detect.surge import AlertChange, Noise, Observation, SurgeState, busy_nats, surge_step

DAY = 24 * 60


def watch(shares: list[float], volumes: list[int], seed: int, noise: Noise = Noise()) -> list[tuple[int, AlertChange]]:
    """Feed one market minute by minute, as a classifier sees it; (minute, change) of every alert change."""
    rng = random.Random(seed)
    state: SurgeState | None = None
    changes = []
    for minute, (share, volume) in enumerate(zip(shares, volumes, strict=True)):
        negatives = sum(rng.random() < noise.seen(share) for _ in range(volume))
        state, change = surge_step(state, Observation(minute, volume, negatives, noise.seen(0.2), noise))
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


def test_twenty_days_at_a_constant_share_fire_at_most_once() -> None:
    """The threshold stands for less than one false alarm in a market-month."""
    fired = [watch([0.22] * DAY, [5] * DAY, seed) for seed in range(20)]
    assert sum(bool(one) for one in fired) <= 1


def test_a_detector_is_not_armed_before_it_knows_the_market() -> None:
    """The first 30 minutes only teach, whatever they hold."""
    assert [] == watch([0.9] * 30, [3] * 30, 1)


@pytest.mark.parametrize("noise", [Noise(0.75, 0.08), Noise(0.64, 0.12), Noise(0.43, 0.18)])
def test_a_surge_is_seen_through_the_classifiers_errors(noise: Noise) -> None:
    """Truly .2 -> .4, answered .21 -> .35 or .23 -> .28: what a surge would show is taken from the confusion."""
    shares = [0.2] * 1_000 + [0.4] * 500
    changes = watch(shares, [20] * len(shares), 3, noise)
    assert ["firing"] == [change.state for _, change in changes]
    assert changes[0][0] >= 1_000


def test_a_market_with_fewer_negatives_than_the_measured_errors_is_watched_too() -> None:
    """A confusion measured elsewhere may be worse than it is here: .04 -> .25 fires within an hour at five a minute."""
    rng, noise, state, fired = random.Random(4), Noise(0.64, 0.12), None, []
    for minute in range(1_000):
        negatives = sum(rng.random() < (0.04 if minute < 900 else 0.25) for _ in range(5))
        state, change = surge_step(state, Observation(minute, 5, negatives, 0.05, noise))
        fired += [] if change is None else [minute]
    assert 900 <= fired[0] <= 960


@pytest.mark.parametrize(
    ("events", "share", "noise"),
    [(5_000, 0.998, Noise()), (1_000, 1.0, Noise()), (300, 0.99, Noise()), (5_000, 0.0, Noise(0.66, 0.11))],
)
def test_a_market_in_which_all_say_the_same_is_judged_too(events: int, share: float, noise: Noise) -> None:
    """What a surge would show stays below 1, also once the share is in the season, after its first hour."""
    state = None
    for minute in range(180):
        state, _ = surge_step(state, Observation(minute, events, round(events * share), 0.25, noise))
        assert math.isfinite(state.highest + state.level)


def test_the_benchmarks_copy_stays_below_one_too() -> None:
    """Its statistic is a number there."""
    copy = Surge(simulate([1], 1, (1.0, 0.0), [Condition(200, 0.0, 0.0)]))
    n, x, unknown = np.array([5_000.0]), np.array([4_990.0]), np.array([np.nan])
    assert np.isfinite([copy.step(np.float64(at), n, x, unknown) for at in range(180)]).all()


def test_thresholds_rise_with_a_markets_events_a_minute() -> None:
    """By half of a nat for e times as many, within what was simulated; nothing is known at its first minute."""

    def nats(events: int, minutes: int) -> float:
        return busy_nats(SurgeState(first_ms=0, last_ms=0, events=events), minutes, SurgeRule())

    assert [0.0, 0.0] == [busy_nats(None, 5, SurgeRule()), nats(7, 0)]
    assert [nats(2_000, 100), nats(round(2_000 * math.e), 100)] == pytest.approx([0.0, 0.5], abs=1e-3)
    assert (nats(1, 1_000), nats(10**7, 10)) == (nats(250, 100), nats(20_000, 100))


def test_when_a_surge_began_lies_in_its_interval() -> None:
    """The interval of 95 % holds the true start in most of 40 simulations, and is mostly no wider than an hour."""
    held, widths = 0, []
    for seed in range(40):
        changes = watch([0.2] * 600 + [0.4] * 120, [10] * 720, seed)
        evidence = next(change.evidence for at, change in changes if at >= 600)
        earliest, latest = (time // 60_000 for time in evidence["began_interval"])
        assert earliest <= evidence["began_estimate"] // 60_000 <= latest
        held += earliest <= 600 <= latest
        widths.append(latest - earliest)
    assert held >= 34
    assert sorted(widths)[20] <= 60


def test_the_estimate_is_seldom_at_the_edge_of_a_wide_interval() -> None:
    """With an event every three minutes the likeliest minute is there in 5 of 39, hours early; the median in 2."""
    at_edge, wide = 0, 0
    for seed in range(40):
        events = [int(n) for n in np.random.default_rng(seed).poisson(0.3, 1_400)]
        found = [change for at, change in watch([0.2] * 680 + [0.5] * 720, events, seed) if at >= 680]
        for evidence in (change.evidence for change in found if change.state == "firing"):
            earliest, latest = evidence["began_interval"]
            wide += latest - earliest > 60 * MINUTE_MS
            at_edge += latest - earliest > 60 * MINUTE_MS and evidence["began_estimate"] == earliest
    assert wide >= 30
    assert at_edge <= 2


def test_a_surge_that_lasts_becomes_what_is_usual_and_does_not_fire_again() -> None:
    """After twelve hours it is resolved, says why, and the new share is no surge any more."""
    shares = [0.2] * 600 + [0.5] * (2 * DAY)
    changes = watch(shares, [10] * len(shares), 1)
    assert ["firing", "resolved"] == [change.state for _, change in changes]
    assert "baseline" in changes[1][1].evidence["cause"]
    assert 12 * 60 <= changes[1][0] - changes[0][0] <= 12 * 60 + 1


def test_a_surge_that_was_learned_as_usual_by_chance_is_found() -> None:
    """The level already follows the incident, S is 0: the season alone tells, and where it began is said honestly."""

    def found(rule: SurgeRule) -> list[tuple[int, AlertChange]]:
        state: SurgeState | None = None
        changes = []
        for minute in range(1_200):
            share = 0.2 if minute < 600 else 0.4
            state, change = surge_step(state, Observation(minute, 100, round(100 * share), 0.2), rule)
            if minute == 600:
                state.level = state.held = 0.98
                state.s = state.large = 0.0
            if change is not None:
                changes.append((minute, change))
        return changes

    assert [] == found(SurgeRule(far_sds=30.0))
    ((minute, change),) = found(SurgeRule())
    assert 600 < minute < 720
    assert change.evidence["expected_share"] == pytest.approx(0.2, abs=0.01)
    earliest, latest = change.evidence["began_interval"]
    assert earliest <= 600 * 60_000 <= latest == change.evidence["began_estimate"]


def test_the_benchmark_judges_the_detector_that_ships() -> None:
    """The vectorised copy comes to the same statistic, minute by minute, through a surge and its adoption too."""
    markets = simulate(
        [1, 2], 3, (0.65, 0.11), [Condition(2.5, 0.02, 0.2), Condition(20, 0.0, 0.0), Condition(200, 0.02, 0.2)]
    )
    x = markets.x.copy()
    x[2_000:3_000] = np.minimum(markets.n, 2 * markets.x + 1)[2_000:3_000]
    rule = SurgeRule(adopt_minutes=300)
    copy = Surge(markets, rule)
    expected = np.array(
        [copy.step(np.float64(at), markets.n[at], x[at], markets.q[at]) for at in range(markets.minutes)]
    )
    noise = Noise(0.65, 0.11)
    fired = 0
    for series in range(markets.n.shape[1]):
        state: SurgeState | None = None
        for at in range(markets.minutes):
            seen = Observation(at, int(markets.n[at, series]), int(x[at, series]), noise.seen(0.2), noise)
            threshold = rule.threshold + busy_nats(state, at, rule)
            state, change = surge_step(state, seen, replace(rule, threshold=threshold))
            fired += change is not None
            if change is None:
                shown = min(expected[at, series], 2 * rule.threshold) if state.fired_ms else expected[at, series]
                assert shown == pytest.approx(state.highest * rule.threshold / threshold, abs=1e-6)
    assert fired >= 6
