"""Distinct users, trend, r and the interval of u, stepped through full hours, midnights and weeks."""

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import numpy as np
import pytest

from marketpulse.contract.metrics import Estimate, WindowMetrics
from streams.ledger.commit import Ledger
from streams.ledger.keys import Keys
from streams.ledger.types import CutStep, PartitionCut
from streams.pipeline.count.cells import CellLayout
from streams.pipeline.rollup.active_users import count_users
from streams.pipeline.rollup.step import RollUp, StepOutcome
from streams.pipeline.rollup.step_record import Spending, StepContext

MONDAY = 29_882_880  # the first minute of a Monday, UTC
DAY = 24 * 60
CONTEXT = StepContext(Spending({}, {}, 2000.0, (0.25, 0.25, 0.25, 0.25)), "m")


class Counted:
    """A ledger of one market that counts exactly: every user sends `each` events in a row, then never again."""

    def __init__(self, each: int) -> None:
        self.keys = Keys("t")
        self.hours: Counter[int] = Counter()  # events with a user
        self._each = each

    async def count_users(self, windows: Sequence[Sequence[str]]) -> list[int]:
        return [self.users(*self._hours(keys)) for keys in windows]

    def users(self, first: int, end: int) -> int:
        """Distinct users of the hours [first, end)."""
        return sum(self.hours[hour] for hour in range(first, end)) // self._each

    def _hours(self, keys: Sequence[str]) -> tuple[int, int]:
        length = 1 if ":users:hour:" in keys[0] else 24
        numbers = sorted(int(key.rpartition(":")[2]) for key in keys)
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        return numbers[0] * length, (numbers[-1] + 1) * length


class Stream:
    """One market's roll-up, fed a number of events at a time."""

    def __init__(self, each: int = 1) -> None:
        self.ledger = Counted(each)
        self.rollup = RollUp(CellLayout(("app",)), idle_ms=30_000)
        self._steps = 0

    def step(self, at: dict[int, int], now: float, with_user: bool = True) -> StepOutcome:
        """Count events, minute -> how many, half of them positive; `now`: the minute at which stream time is after."""
        counts: dict[str, int] = {}
        for minute, n in at.items():
            positive = n // 2
            values = {"positive/app": positive, "negative/app": n - positive, "e/app": positive * 10**6}
            values |= {"e2": positive * 10**6, "with_user": n if with_user else 0}
            counts |= {f"BR:{minute}:{name}": value for name, value in values.items() if value}
            if with_user:
                self.ledger.hours[minute // 60] += n
        self._steps += 1
        now_ms = int(now * 60_000)
        cut = PartitionCut(self._steps, now_ms - 1, rose_ms=now_ms - 1, seen_ms=now_ms - 1)
        users = {f"BR:{minute // 60}": b"" for minute in at} if with_user else {}
        step = CutStep(self._steps, now_ms, counts, users, {0: cut})
        changed = self.rollup.take(step)
        asyncio.run(count_users(cast(Ledger, self.ledger), self.rollup, step))
        return self.rollup.decide(step, changed, CONTEXT)


def windows_of(outcome: StepOutcome) -> dict[str, WindowMetrics]:
    return outcome.metrics["BR"].windows


def width(u: Estimate) -> float:
    return u.high - u.low


@pytest.mark.parametrize("each", [1, 10])
def test_a_steady_stream_has_no_cliff_at_full_hours_and_midnights(each: int) -> None:
    """100 events a minute from 20:20 on; users are those of the stretch that the glossary names."""
    stream, begin = Stream(each), MONDAY + 20 * 60 + 20
    before: dict[str, WindowMetrics] = {}
    for minute in range(begin, begin + 29 * 60):
        now = windows_of(stream.step({minute: 100}, minute + 1))
        hour, midnight, users = minute // 60, minute // DAY * 24, stream.ledger.users
        hours = max(users(hour - 1, hour), users(hour, hour + 1))
        assert (minute, None, hours) == (minute, now["5m"].users, now["1h"].users)
        assert users(hour - 23, hour + 1) == now["24h"].users
        assert max(users(midnight - 168, midnight), users(midnight - 144, hour + 1)) == now["7d"].users
        assert (now["1h"].trend is not None) == ((hour - 2) * 60 >= begin)
        assert abs(now["1h"].trend or 0.0) < 0.01
        if minute > begin + 60:
            for name, window in now.items():
                assert abs(math.log(width(window.u) / width(before[name].u))) < 0.05, (name, minute)
        before = now


def test_users_of_seven_days_do_not_fall_at_midnight() -> None:
    """Stepped by the hour: from the second week on always 7 days' users, never 6."""
    stream = Stream()
    for hour in range(MONDAY // 60, MONDAY // 60 + 9 * 24):
        users = windows_of(stream.step({hour * 60 + 59: 6_000}, hour * 60 + 60))["7d"].users
        assert users is not None
        if hour >= MONDAY // 60 + 7 * 24:
            assert 7 * 24 * 6_000 == users


def test_nobody_is_counted_where_nobody_is_named() -> None:
    """Events without a user: no users in any window, an interval as of independent events."""
    stream = Stream()
    found = windows_of(stream.step({MONDAY: 10_000}, MONDAY + 1, with_user=False))
    assert [None] * 4 == [window.users for window in found.values()]
    both = windows_of(stream.step({MONDAY: 100}, MONDAY + 1))
    assert 100 == both["1h"].users
    assert pytest.approx(width(found["1h"].u), rel=0.02) == width(both["1h"].u)


@pytest.mark.parametrize("late", [1, 5])
def test_late_first_events_are_no_coverage(late: int) -> None:
    """A phone that was offline for 3 days comes first, then 20 events a minute: no r, no trend of hours not covered."""
    stream = Stream()
    stream.step({MONDAY - 3 * DAY: late}, MONDAY - 3 * DAY + 1)
    for minute in range(MONDAY, MONDAY + 200):
        found = windows_of(stream.step({minute: 20}, minute + 1))
        assert (minute, None) == (minute, found["24h"].r)
        assert (minute, found["1h"].trend is not None) == (
            minute,
            minute >= MONDAY + 180,
        )  # the first hour is not whole


@pytest.mark.parametrize("minutes_a_step", [30, 600, 5 * DAY])
def test_an_import_of_history_is_covered_from_its_begin(minutes_a_step: int) -> None:
    """4 days of 2 events a minute, read at once or in pieces: r is known, at the latest when the 3 days are in."""
    stream, end = Stream(), MONDAY + 4 * DAY
    for first in range(MONDAY, end, minutes_a_step):
        last = min(first + minutes_a_step, end)
        outcome = stream.step(dict.fromkeys(range(first, last), 2), last)
    assert windows_of(outcome)["24h"].r is not None
    covered = stream.rollup.common.covered_since_ms
    assert covered is not None
    assert 0 <= covered // 60_000 - MONDAY <= 0.1 * minutes_a_step + 60


def test_a_stream_of_late_events_is_covered_from_where_most_are() -> None:
    """Every twentieth event is from the 3 days before: the begin is where the others are."""
    stream = Stream()
    for minute in range(MONDAY, MONDAY + 60):
        stream.step({minute: 38, minute - 3 * DAY + 60 * (minute % 60): 2}, minute + 1)
    covered = stream.rollup.common.covered_since_ms
    assert covered is not None
    assert 0 <= covered // 60_000 - MONDAY <= 5


def weeks(users_of_day: Callable[[int], float], days: int, seed: int) -> Iterator[tuple[int, StepOutcome]]:
    """A step an hour, Poisson numbers of events, each of another user; the day of each step, and its outcome."""
    rng, stream = np.random.default_rng(seed), Stream()
    for hour in range(days * 24):
        minute = MONDAY + hour * 60 + 59
        n = int(rng.poisson(users_of_day(hour // 24) / 24))
        yield hour // 24, stream.step({minute: n}, minute + 1)


def moved_by_r(outcome: StepOutcome) -> bool:
    return any("r" in cast(dict[str, Any], shift.evidence or {}) for shift in outcome.shifts)


@pytest.mark.parametrize("first_weekday", [0, 2, 5])
def test_a_monday_is_no_growth(first_weekday: int) -> None:
    """4 weeks, 25 % more users on one day of each: nothing shifts by r, and after 9 days r says 0."""
    busy = (7 - first_weekday) % 7
    for day, outcome in weeks(lambda day: 3_000 * (1.25 if day % 7 == busy else 1), 28, first_weekday):
        r = windows_of(outcome)["24h"].r
        assert not moved_by_r(outcome), day
        assert r is not None or day < 3, day
        if r is not None and day > 9:
            assert abs(r.value) < 4 * r.se < 0.05


@pytest.mark.parametrize("seed", [0, 1])
def test_real_growth_is_seen_in_days(seed: int) -> None:
    """4 weeks as above, then 5 % more each day: r shifts the market within 6 days, and comes to .05."""
    usual = 3_000
    seen = [
        (day, moved_by_r(outcome), windows_of(outcome)["24h"].r)
        for day, outcome in weeks(
            lambda day: usual * (1.25 if day % 7 == 0 else 1) * math.exp(0.05 * max(0, day - 27)), 42, seed
        )
    ]
    first = next(day for day, moved, _ in seen if moved)
    assert 28 < first <= 34
    last = seen[-1][2]
    assert last is not None
    assert pytest.approx(0.05, abs=0.015) == last.value
