"""Lives of keys with something of users: from the hour or day that they are of, in stream time."""

from collections.abc import Callable

import msgspec
import pytest

from marketpulse.contract.keys import EXCERPTS_LIVE_MS
from marketpulse.contract.records import Excerpt
from marketpulse.contract.units import DAY_MS, HOUR_MS
from streams.ledger.commit import Ledger
from streams.ledger.keys import Keys
from streams.ledger.lives import HOUR_LIVES_MS, USERS_LIVE_MS, excerpts_left_s, kept_after_repair_s, left_s, users_kept
from streams.ledger.types import Entry
from streams.pipeline.rollup.active_users import user_windows
from streams.pipeline.rollup.users import stretches

DAY_S = 86_400
DAY = 20_000
BEGIN_MS = DAY * DAY_MS
HOUR = 24 * DAY
USERS = Entry(f"users:day:BR:{DAY}", "string", [])


def said(at_ms: int) -> Excerpt:
    return Excerpt(1, "quebrado", "negative", "app", at_ms)


def quoted(*at_ms: int) -> Entry:
    return Entry("excerpts:BR", "string", [msgspec.json.encode([said(one) for one in at_ms])])


@pytest.mark.parametrize(
    ("stream_ms", "left"),
    [(None, 100), (BEGIN_MS - HOUR_MS, 100), (BEGIN_MS, 100), (BEGIN_MS + 40_000, 60), (BEGIN_MS + 101_000, -1)],
)
def test_what_is_left_of_a_life_goes_with_stream_time(stream_ms: int | None, left: int) -> None:
    """All of it before it begins, and where there is no stream time yet."""
    assert left == left_s(BEGIN_MS, 100_000, stream_ms)


def test_users_that_come_late_do_not_live_longer() -> None:
    """They are of an hour and a day that end as they would have; where an hour is over, nothing is counted any more."""
    kept = dict(users_kept(Keys("p"), f"BR:{HOUR + 5}", BEGIN_MS + 50 * HOUR_MS))
    assert {f"p:users:hour:BR:{HOUR + 5}": 15 * 3_600, f"p:users:day:BR:{DAY}": 17 * DAY_S - 50 * 3_600} == kept
    late = dict(users_kept(Keys("p"), f"BR:{HOUR + 5}", BEGIN_MS + 6 * DAY_MS))
    assert {f"p:users:day:BR:{DAY}": 11 * DAY_S} == late


def test_every_window_reads_what_is_kept() -> None:
    """At the end of every hour of a day of stream time, with half a day to spare for outages."""
    for hour in range(HOUR, HOUR + 24):
        first = {name: begin for name, (begin, _) in stretches(hour).items()}
        spare_ms = (hour + 1) * HOUR_MS + 11 * HOUR_MS
        assert left_s(first["before_24h"] * HOUR_MS, HOUR_LIVES_MS, spare_ms) >= 0
        assert left_s(first["before_7d"] // 24 * DAY_MS, USERS_LIVE_MS, spare_ms) > 0


def test_excerpts_live_as_long_as_the_newest() -> None:
    """Eight days from when it was said, not from when it was written last."""
    assert 2 * DAY_S == excerpts_left_s([said(BEGIN_MS), said(BEGIN_MS - DAY_MS)], BEGIN_MS + 6 * DAY_MS)
    assert EXCERPTS_LIVE_MS // 1_000 == excerpts_left_s([], BEGIN_MS)


def test_a_repair_does_not_begin_lives_again() -> None:
    """On the tenth day of a life what is left are the others, less the time since the last step."""
    tenth_ms = BEGIN_MS + 10 * DAY_MS
    assert 7 * DAY_S == kept_after_repair_s(USERS, tenth_ms, 0)
    assert 5 * DAY_S == kept_after_repair_s(USERS, tenth_ms, 2 * DAY_S)
    assert 3 * DAY_S == kept_after_repair_s(quoted(BEGIN_MS, tenth_ms - 4 * DAY_MS), tenth_ms, DAY_S)
    assert kept_after_repair_s(Entry("state", "hash", [b"a", b"b"]), tenth_ms, 0) is None


def test_workers_have_a_day_to_catch_up_after_a_repair() -> None:
    """Windows still read the users; of excerpts nothing is lost that counts, and what was over stays over."""
    assert DAY_S == kept_after_repair_s(USERS, BEGIN_MS + 10 * DAY_MS, 30 * DAY_S)
    assert 3_600 == kept_after_repair_s(USERS, BEGIN_MS + USERS_LIVE_MS - HOUR_MS, 30 * DAY_S)
    assert -DAY_S == kept_after_repair_s(USERS, BEGIN_MS + 18 * DAY_MS, 0)
    assert -DAY_S == kept_after_repair_s(quoted(BEGIN_MS), BEGIN_MS + 7 * DAY_MS, 2 * DAY_S)


FIRST = 24 * 20_000  # an hour
STREAMS: dict[str, Callable[[int], int]] = {
    "live": lambda clock: clock,
    "ten hours of outage": lambda clock: FIRST + 499 if FIRST + 500 <= clock < FIRST + 510 else clock,
    "a week behind for ever": lambda clock: clock - 168,
    "a week behind and catching up": lambda clock: min(clock, FIRST + 2 * (clock - FIRST) - 168),
}


@pytest.mark.parametrize("name", STREAMS)
def test_no_window_reads_a_key_that_is_gone(name: str) -> None:
    """Forty days of a market that speaks every hour; by Redis's clock, which goes on whatever stream time does."""
    ledger, ends, begins = Ledger("redis://127.0.0.1:1/0", "p"), dict[str, int](), dict[str, int]()
    for clock in range(FIRST, FIRST + 40 * 24):
        hour = STREAMS[name](clock)
        for key, left in users_kept(ledger.keys, f"BR:{hour}", hour * HOUR_MS + 1_800_000):
            ends[key] = clock * 3_600 + left
            begins.setdefault(key, hour)
        read = {key for keys in user_windows(ledger, "BR", hour) for key in keys} & ends.keys()
        assert [] == [key for key in read if ends[key] <= clock * 3_600], hour
    longest_h = max(ends[key] // 3_600 - begins[key] for key in ends if ":hour:" in key)
    assert longest_h <= 60 + max(clock - STREAMS[name](clock) for clock in range(FIRST, FIRST + 40 * 24))


def test_users_ahead_of_stream_time_are_there_when_it_comes_to_them() -> None:
    """A partition of old events holds it for days; what the others counted meanwhile is read when it is free."""
    ledger, ends, held_h = Ledger("redis://127.0.0.1:1/0", "p"), dict[str, int](), 100
    for clock in range(FIRST, FIRST + held_h):
        for key, left in users_kept(ledger.keys, f"BR:{clock}", FIRST * HOUR_MS):
            ends[key] = clock * 3_600 + left
    read = {key for keys in user_windows(ledger, "BR", FIRST + held_h) for key in keys} & ends.keys()
    assert 48 + 5 == len(read)
    assert [] == [key for key in read if ends[key] <= (FIRST + held_h) * 3_600]
