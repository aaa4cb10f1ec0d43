"""How far a partition has got: the same however its records are cut into batches, and whatever clock a phone has."""

import random

from hypothesis import given
from hypothesis import strategies as st

from streams.batches import SourceMark
from streams.pipeline.ingest.event_clock import clock_after

MINUTE = 60_000


def clock(records: list[tuple[int, int, bool]], sizes: list[int]) -> SourceMark:
    """The clock after (event time, record time, accepted) read in batches of these sizes, again and again."""
    mark, at, turn = SourceMark(), 0, 0
    while at < len(records):
        some = records[at : at + sizes[turn % len(sizes)]]
        accepted = [one for one in some if one[2]]
        mark = clock_after(mark, [one[0] for one in accepted], [one[1] for one in accepted], some[-1][1])
        at, turn = at + len(some), turn + 1
    return mark


def slowly(records: list[tuple[int, int, bool]]) -> tuple[int | None, int | None]:
    """The definition, event by event."""
    newest = rose = None
    recent: list[tuple[int, int]] = []
    for occurred, record, accepted in records:
        if not accepted:
            continue
        recent = [*recent, (min(occurred, record), record)][-100:]
        times = sorted(time for time, at in recent if at > record - MINUTE)
        level = times[-1] if len(times) < 20 else times[-3]
        if newest is None or level > newest:
            newest, rose = level, record
    return newest, rose


@given(st.integers(0, 10_000), st.integers(1, 400), st.lists(st.integers(1, 90), min_size=1, max_size=5))
def test_it_does_not_depend_on_where_batches_are_cut(seed: int, length: int, sizes: list[int]) -> None:
    """Late, future and refused records; the state that is handed on is the same too."""
    rng = random.Random(seed)
    records, now, pace = [], 1_000_000, rng.choice((3, 3_000, 30_000))
    for _ in range(length):
        now += rng.randrange(pace)
        records.append((now + rng.randrange(-600_000, 60_000), now, rng.random() < 0.8))
    cut, whole = clock(records, sizes), clock(records, [1])
    assert cut == whole
    assert slowly(records) == (cut.newest_ms, cut.rose_ms)


def test_two_wrong_clocks_among_a_hundred_events_do_not_move_it() -> None:
    """The maximum would be five minutes ahead after the first of them."""
    steady = [(at * 1_000, 9_000_000 + at * 10, True) for at in range(200)]  # a file of before, published now
    ahead = [(195_000 + 5 * MINUTE, 9_002_000, True), (196_000 + 4 * MINUTE, 9_002_010, True)]
    assert 199_000 == clock([*steady, *ahead], [50]).newest_ms


def test_a_stream_that_says_one_thing_a_minute_is_as_far_as_its_last() -> None:
    """The third largest would be two minutes old."""
    assert 49 * MINUTE == clock([(at * MINUTE, at * MINUTE, True) for at in range(50)], [7]).newest_ms


def test_no_event_is_newer_than_its_record() -> None:
    """A clock that is ahead is as far as the record."""
    assert 5_000 == clock([(9_000_000, 5_000, True)], [1]).newest_ms


def test_broken_and_late_records_move_what_was_read_alone() -> None:
    """So the partition becomes idle although something comes."""
    mark = clock([(1_000, 1_000, True), (0, 40_000, False), (500, 41_000, True)], [1])
    assert (1_000, 1_000, 41_000) == (mark.newest_ms, mark.rose_ms, mark.seen_ms)
