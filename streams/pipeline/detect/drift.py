"""Drift of what the model sees and says: Page-Hinkley tests on blocks of events over all markets."""

import math
from collections.abc import Mapping

import msgspec

from marketpulse.contract.units import DAY_MS

BLOCK_EVENTS = 500
BASELINE_BLOCKS = 20
BASELINE_MS = DAY_MS
TOLERANCE = 0.5  # delta, in standard deviations of a block
THRESHOLD = 20.0  # lambda
CLEARED = 5.0
LARGEST_STEP = 5.0
SERIES = ("confidence", "negative", "neutral", "other_language", "unknown_pieces")


class Series(msgspec.Struct):
    """One series: its baseline (Welford's mean and spread over the first blocks), then two one-sided sums."""

    blocks: int = 0
    mean: float = 0.0
    squares: float = 0.0
    up: float = 0.0
    down: float = 0.0


class Drift(msgspec.Struct):
    """What has been seen of the running block, and each series; `since_ms` is when the baseline began."""

    events: int = 0
    sums: dict[str, float] = {}
    series: dict[str, Series] = {}
    since_ms: int | None = None
    learned: bool = False


def drift_step(state: Drift, events: int, sums: Mapping[str, float], at_ms: int) -> None:
    """Add one step's events; a full block moves every series. The state is changed in place.

    Page-Hinkley (Page 1954): with z the block's distance from the baseline's mean in its standard deviations, at most 5
    either way, up = max(0, up + z - .5) and down = max(0, down - z - .5); drift is when one passes 20. The baseline
    takes the first 20 blocks of 500 events, and at least 24 h, so that the day's own rhythm is within its spread; it
    goes on learning from blocks while both sums are small, as the original test does.

    Args:
        state: of all series.
        events: of the step.
        sums: over these events, by the names of `SERIES`.
        at_ms: stream time.
    """
    state.since_ms = at_ms if state.since_ms is None else state.since_ms
    state.events += events
    for name in SERIES:
        state.sums[name] = state.sums.get(name, 0.0) + sums.get(name, 0.0)
    if state.events < BLOCK_EVENTS:
        return
    values = {name: state.sums[name] / state.events for name in SERIES}
    state.events, state.sums = 0, {}
    if not state.learned:
        for name, value in values.items():
            _learn(state.series.setdefault(name, Series()), value)
        enough = min(one.blocks for one in state.series.values()) >= BASELINE_BLOCKS
        state.learned = enough and at_ms - state.since_ms >= BASELINE_MS
        return
    for name, value in values.items():
        _watch(state.series[name], value)


def _learn(one: Series, value: float) -> None:
    one.blocks += 1
    gap = value - one.mean
    one.mean += gap / one.blocks
    one.squares += gap * (value - one.mean)


def _watch(one: Series, value: float) -> None:
    spread = math.sqrt(one.squares / max(1, one.blocks - 1) + 1e-6)
    z = max(-LARGEST_STEP, min(LARGEST_STEP, (value - one.mean) / spread))
    one.up = min(2 * THRESHOLD, max(0.0, one.up + z - TOLERANCE))
    one.down = min(2 * THRESHOLD, max(0.0, one.down - z - TOLERANCE))
    if max(one.up, one.down) < CLEARED:
        _learn(one, value)


def drifting(state: Drift) -> dict[str, float]:
    """Series that drift -> the sum that says so, negative where the series fell."""
    found = {}
    for name, one in sorted(state.series.items()):
        if max(one.up, one.down) > THRESHOLD:
            found[name] = round(one.up if one.up >= one.down else -one.down, 2)
    return found


def settled(state: Drift) -> bool:
    """Whether every series is well below the threshold again."""
    return all(max(one.up, one.down) < CLEARED for one in state.series.values())
