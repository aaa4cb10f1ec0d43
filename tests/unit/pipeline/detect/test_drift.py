"""Drift is told soon after it begins, seldom without it, and over when it is over."""

import random

from streams.pipeline.detect.drift import BLOCK_EVENTS, Drift, drift_step, drifting, settled

HOUR = 3_600_000


def play(state: Drift, rng: random.Random, blocks: int, start_ms: int, negative: float = 0.25) -> int | None:
    """Feed blocks of an hour each, with a daily rhythm; the number of the first one after which it drifts."""
    for at in range(blocks):
        share = negative + 0.03 * (1 if (at % 24) < 12 else -1)
        n = sum(rng.random() < share for _ in range(BLOCK_EVENTS))
        sums = {"negative": float(n), "neutral": 60.0, "confidence": BLOCK_EVENTS * rng.gauss(0.8, 0.005)}
        drift_step(state, BLOCK_EVENTS, sums, start_ms + at * HOUR)
        if drifting(state):
            return at
    return None


def test_a_changed_mix_is_told_within_a_day() -> None:
    """Negatives from .25 to .36: told, with direction; nothing else is."""
    state, rng = Drift(), random.Random(1)
    assert play(state, rng, 48, 0) is None
    found = play(state, rng, 24, 48 * HOUR, negative=0.36)
    assert found is not None
    assert ["negative"] == list(drifting(state))
    assert drifting(state)["negative"] > 0


def test_a_usual_month_raises_nothing() -> None:
    """Thirty days of the same, with its daily rhythm, in ten runs."""
    for seed in range(10):
        assert play(Drift(), random.Random(seed), 30 * 24, 0) is None, seed


def test_it_is_over_when_it_is_over() -> None:
    """Back at the baseline both sums run down again."""
    state, rng = Drift(), random.Random(2)
    play(state, rng, 48, 0)
    play(state, rng, 24, 48 * HOUR, negative=0.45)
    assert not settled(state)
    for at in range(120):
        n = sum(rng.random() < 0.25 for _ in range(BLOCK_EVENTS))
        drift_step(state, BLOCK_EVENTS, {"negative": n, "neutral": 60, "confidence": 400}, (80 + at) * HOUR)
    assert settled(state)


def test_small_steps_add_up_to_blocks() -> None:
    """However the stream was cut, a block is a block."""
    state = Drift()
    for at in range(BLOCK_EVENTS - 1):
        drift_step(state, 1, {"negative": 1.0}, at)
    assert {} == state.series
    drift_step(state, 1, {"negative": 1.0}, BLOCK_EVENTS)
    assert (1, 1.0) == (state.series["negative"].blocks, state.series["negative"].mean)
