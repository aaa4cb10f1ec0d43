"""The comparison of detectors: what it simulates, what it counts, and that it hides no failed promise."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace as with_values

from streams.contract.rules import SurgeRule
from streams.dev.bench.detectors import runs
from streams.dev.bench.detectors.markets import CLUSTERED, DAY, GRID, Condition, counted, simulate
from streams.dev.bench.detectors.page import markdown
from streams.dev.bench.detectors.pager import TOPICS, as_released, by_topic, topic_blocks, usual_seen, waits
from streams.dev.bench.detectors.provisional import PARTS, Provisional, ProvisionalReport, compare_provisional
from streams.dev.bench.detectors.report import LanguageRow, Report, Result, Row, promises
from streams.dev.bench.detectors.rivals import Surge
from streams.dev.bench.detectors.runs import Plan, alarm_blocks
from streams.dev.bench.detectors.study import Trace, delays
from streams.pipeline.detect.surge import Noise, Observation, SurgeState, busy_nats, move_usual, surge_step

NOISE = (0.66, 0.11)
NOTHING = ProvisionalReport(0, 12.75, 12.75, [])


def test_late_events_are_judged_later_and_none_is_lost() -> None:
    """But those that would come after the end; a minute in which a market says nothing else has none of them."""
    made = simulate([1], 2, NOISE, [Condition(0.3, 0.0, 0.0), Condition(20, 0.02, 0.2)])
    given = as_released(made, 1)
    late = np.abs(made.n - given.n).sum() / 2
    assert 0.005 < late / made.n.sum() < 0.015
    assert 0 <= made.n.sum() - given.n.sum() < 20
    assert not given.n[made.n == 0].any()
    assert all((one == other).all() for one, other in zip(counted(given.kinds), (given.n, given.x), strict=True))


@pytest.mark.parametrize("condition", CLUSTERED[::2])
def test_clusters_have_the_volume_and_the_share_of_other_markets_and_more_spread(condition: Condition) -> None:
    """Sums of ten minutes spread by more than chance, which single minutes hide."""
    minutes = simulate(range(8), 3, (1.0, 0.0), [condition, Condition(condition.rate, 0.0, 0.2)])
    n, x = (one.reshape(-1, 10, 16).sum(axis=1) for one in (minutes.n, minutes.x))
    q = minutes.q.reshape(-1, 10, 16).mean(axis=1)
    away = ((x - n * q) ** 2 / np.maximum(n * q * (1 - q), 1e-9)).mean(axis=0)
    clustered, plain = away[minutes.condition == 0].mean(), away[minutes.condition == 1].mean()
    assert plain == pytest.approx(1.0, abs=0.1)
    assert clustered > 1.1
    volume = minutes.n.mean(axis=0)
    assert volume[minutes.condition == 0].mean() == pytest.approx(volume[minutes.condition == 1].mean(), rel=0.1)


def test_an_alerts_record_waits_for_the_grace_and_the_next_step() -> None:
    """5 s, and up to a step."""
    found = waits(np.random.default_rng(1), 1_000) * 60
    assert 5.0 <= found.min() < found.max() <= 7.0


def test_topics_are_judged_as_by_the_detector_that_ships() -> None:
    """The largest statistic of every hour over a market's topics, beside their market, also while it surges."""
    markets = simulate([3], 1, NOISE, [Condition(20, 0.02, 0.2)])
    markets.kinds[0, 800:1_100] += 30  # so that S is at its bound when it is adopted
    markets = type(markets)(markets.kinds, *counted(markets.kinds), *list(vars(markets).values())[3:])
    rule = SurgeRule(adopt_minutes=200)
    found = topic_blocks(markets, rule, 3)[:, 0]
    expected = _by_hand(markets.kinds[:, :, 0], rule)
    bound = 2 * rule.threshold + math.log(TOPICS)  # of a surge that fires; shown here before it is cut there
    assert np.minimum(found, bound) == pytest.approx(expected, abs=1e-3)
    assert found.max() > 0


def _by_hand(kinds: np.ndarray, rule: SurgeRule) -> np.ndarray:
    """The same with `surge_step`, one series after the other."""
    rng, noise = np.random.default_rng([3, 2]), Noise(*NOISE)
    days = [by_topic(rng, kinds[:, at : at + DAY, None]) for at in range(0, kinds.shape[1], DAY)]
    n, x = (np.concatenate(arrays) for arrays in zip(*days, strict=True))
    usual = usual_seen(simulate([1], 1, NOISE, GRID[:1]))
    more = math.log(TOPICS)
    of_topic = rule.threshold + more
    market: SurgeState | None = None
    topics: list[SurgeState | None] = [None] * TOPICS
    blocks = np.zeros(kinds.shape[1] // 60)
    for minute in range(kinds.shape[1]):
        whole = int(kinds[:, minute].sum()), int(kinds[::2, minute].sum())
        busy = busy_nats(market, minute, rule)
        there = with_values(rule, threshold=rule.threshold + busy)
        market, change = surge_step(market, Observation(minute, *whole, noise.seen(0.2), noise), there)
        if change is not None and change.adopted:
            for one in filter(None, topics):
                move_usual(one, change.adopted, rule)
        for at in range(TOPICS):
            seen = Observation(minute, int(n[minute, at]), int(x[minute, at]), float(usual[at]), noise)
            seen = with_values(seen, market_level=market.level, calm=market.fired_ms is None)
            state, _ = surge_step(topics[at], seen, with_values(rule, threshold=of_topic + busy))
            topics[at] = state
            blocks[minute // 60] = max(blocks[minute // 60], state.highest * of_topic / (of_topic + busy) - more)
    return blocks


def test_parts_are_kept_and_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was interrupted goes on from there; another plan finds nothing."""
    plan = Plan(NOISE, 1, SurgeRule(), GRID[-1:], folder=tmp_path)
    first = alarm_blocks([1, 2], plan)
    monkeypatch.setattr(runs, "simulate", None)
    again = alarm_blocks([1, 2], plan)
    assert (24, 2) == again[1].shape
    assert (first[0] == again[0]).all()
    assert (first[1] == again[1]).all()
    with pytest.raises(TypeError):
        alarm_blocks([1, 2], replace(plan, rule=SurgeRule(threshold=9.0)))


def test_a_delay_is_from_when_the_incident_begins_to_the_alerts_record() -> None:
    """Fired in its third minute, begun .4 of a minute into its first, recorded .1 after the minute: 2.7 minutes."""
    rising = np.array([[1.0], [5.0], [13.0], [13.0]], np.float32)
    quiet = np.zeros(1, np.float32)
    found = Trace(quiet[None], quiet, rising, rising, quiet, quiet, np.array([0.1 - 0.4]))
    assert delays(found, 12.75) == pytest.approx([2.7])


def test_judging_a_running_minute_changes_nothing_of_what_whole_minutes_leave() -> None:
    """The statistic is larger within a minute where complaints come first, and the same once the minute is over."""
    markets = simulate([3], 1, NOISE, [Condition(20, 0.02, 0.2)])
    whole, running = Surge(markets, SurgeRule()), Provisional(markets, SurgeRule(), 1)
    within = 0
    for minute, (n, x, q) in enumerate(zip(markets.n.astype(float), markets.x.astype(float), markets.q, strict=True)):
        shown, highest = (one.step(np.float64(minute), n, x, q) for one in (whole, running))
        assert shown == running.parts[-1]
        within += bool(highest > shown)
    assert within > 300
    assert (whole.level, whole.calm) == (running.level, running.calm)


def test_running_minutes_are_compared_with_whole_ones() -> None:
    """An incident in a busy market is seen earlier, by less than a minute; at the same threshold more fires."""
    found = compare_provisional([1, 2], Plan(NOISE, 3, SurgeRule(threshold=6.0), GRID[-1:]))
    (row,) = found.rows
    assert row.running_false_alarms >= row.false_alarms > 0
    assert row.delay - 1 - 5 / 60 <= row.running_delay < row.delay
    assert (found.threshold <= found.equal_threshold, PARTS) == (True, 4)


def test_a_promise_that_does_not_hold_is_in_the_report() -> None:
    """With its condition; every false alarm has its upper limit beside it."""
    rows = [Row(0.5, 0.9, 30.0, 1.4, 0.0)] * (len(GRID) - 1) + [Row(2.5, 3.1, 5.0, 1.2, 0.0)]
    surge = Result("", 12.5, 0.6, 0.7, 1.45, 0.0, 1, rows)
    found = promises(surge)
    assert [True, False, True] == [one.holds for one in found]
    language = LanguageRow(0.6, 0.1, (0.2, 0.3), 0.03, 18.0, 18.0, 30.0)
    report = Report(
        900, 5_400, [str(one) for one in GRID], {"surge": surge}, 9, 1, 0, {"all": language}, found, [], NOTHING
    )
    page = markdown(report)
    assert f"anywhere (most at {GRID[-1]}) | 2 | 2.50 | **no** |" in page
    assert "| 2.50 | 3.10 |" in page
