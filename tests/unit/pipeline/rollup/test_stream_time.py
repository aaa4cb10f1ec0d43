"""Stream time goes with what was read: broken input, outages and silent partitions neither stop it nor push it on."""

from streams.ledger.types import PartitionCut
from streams.pipeline.rollup.stream_time import StreamTime, stream_time

IDLE = 30_000
NEVER = StreamTime(None, None)


def at(newest: int, rose: int, seen: int, end: int | None = None) -> PartitionCut:
    return PartitionCut(10, newest, rose, seen, end=end)


def test_it_is_the_slowest_partition_that_goes_on_and_never_goes_back() -> None:
    """The one that is behind holds it, and is named."""
    fast, slow = at(9_000, 100_000, 100_000), at(5_000, 100_000, 100_000)
    assert StreamTime(5_000, 100_000, (1,)) == stream_time(NEVER, {0: fast, 1: slow}, IDLE)
    assert 6_000 == stream_time(StreamTime(6_000, 0), {0: fast, 1: slow}, IDLE).at_ms
    assert () == stream_time(NEVER, {0: fast, 1: fast}, IDLE).held_by


def test_a_partition_of_broken_records_alone_does_not_hold_it() -> None:
    """Its log goes on and brings nothing newer: it is idle, as if nothing came."""
    busy, broken = at(90_000, 90_000, 90_000), at(10_000, 10_000, 90_000)
    assert 90_000 == stream_time(StreamTime(10_000, 10_000), {0: busy, 1: broken}, IDLE).at_ms
    just_now = at(70_000, 70_000, 90_000)
    assert 70_000 == stream_time(StreamTime(10_000, 10_000), {0: busy, 1: just_now}, IDLE).at_ms


def test_an_outage_does_not_push_it_on() -> None:
    """Nothing was read and nothing is known of the ends: an hour later it is where it was."""
    before = {0: at(9_000, 9_000, 9_000), 1: at(9_500, 9_500, 9_500)}
    first = stream_time(NEVER, before, IDLE)
    assert first == stream_time(first, before, IDLE)
    assert StreamTime(9_000, 9_000, (0,)) == first


def test_while_all_are_idle_it_rises_with_what_was_read_of_every_partition() -> None:
    """A partition with records that nobody has read holds it."""
    idle = {0: at(1_000, 1_000, 50_000), 1: at(2_000, 1_000, 60_000)}
    first = stream_time(StreamTime(1_000, 31_000), idle, IDLE)
    assert StreamTime(20_000, 50_000) == first
    unread = {0: at(1_000, 1_000, 50_000), 1: at(2_000, 1_000, 90_000)}
    assert 20_000 == stream_time(first, unread, IDLE).at_ms
    all_read = {0: at(1_000, 1_000, 80_000), 1: at(2_000, 1_000, 90_000)}
    assert 50_000 == stream_time(first, all_read, IDLE).at_ms


def test_the_newest_event_counts_where_its_partition_became_idle_within_the_step() -> None:
    """The last to become idle has brought events since the step before, whatever the number of steps in between."""
    before = {0: at(1_000, 1_000, 5_000), 1: at(200, 5_000, 5_000)}
    time = stream_time(NEVER, before, IDLE)
    assert (200, (1,)) == (time.at_ms, time.held_by)
    at_once = {0: at(1_000, 1_000, 50_000), 1: at(9_000, 15_000, 50_000)}
    between = {0: at(1_000, 1_000, 40_000), 1: at(9_000, 15_000, 40_000)}
    assert 14_000 == stream_time(time, at_once, IDLE).at_ms
    assert 14_000 == stream_time(stream_time(time, between, IDLE), at_once, IDLE).at_ms


def test_it_waits_for_a_backlog_of_which_nothing_was_read() -> None:
    """A partition that another worker has not begun with: what it holds is not late."""
    first, rest = at(9_000, 100_000, 100_000), PartitionCut(0, end=500)
    assert StreamTime(None, None, (1,)) == stream_time(NEVER, {0: first, 1: rest}, IDLE)
    assert StreamTime(7_000, None, (1,)) == stream_time(NEVER, {0: first, 1: rest}, IDLE, 7_000)
    assert StreamTime(5_000, 9_000, (1,)) == stream_time(StreamTime(5_000, 9_000), {0: first, 1: rest}, IDLE)
    expired = PartitionCut(500, end=500, began=500)
    assert 9_000 == stream_time(NEVER, {0: first, 1: expired}, IDLE).at_ms
    broken = PartitionCut(100, end=500, seen_ms=100_000)
    assert 9_000 == stream_time(NEVER, {0: first, 1: broken}, IDLE).at_ms


def test_a_partition_that_was_never_read_keeps_it_from_running_ahead() -> None:
    """An empty one was read as soon as Kafka told that it is empty."""
    idle = at(1_000, 1_000, 80_000)
    assert 10_000 == stream_time(StreamTime(1_000, 40_000), {0: idle, 1: PartitionCut(0)}, IDLE).at_ms
    empty = PartitionCut(0, seen_ms=80_000, end=0)
    assert 50_000 == stream_time(StreamTime(1_000, 40_000), {0: idle, 1: empty}, IDLE).at_ms


def test_there_is_none_before_the_first_event() -> None:
    """And with the first that is idle already it has risen since."""
    assert stream_time(NEVER, {0: PartitionCut(0)}, IDLE).at_ms is None
    assert 60_000 == stream_time(NEVER, {0: at(1_000, 1_000, 90_000)}, IDLE).at_ms


def test_old_files_move_it_with_their_events() -> None:
    """Record times are of today, event times of last year: it follows the events."""
    cuts = [{0: at(5_000 + step, 9_000_000 + step, 9_000_000 + step)} for step in range(0, 3_000, 1_000)]
    time = NEVER
    for cut in cuts:
        time = stream_time(time, cut, IDLE)
    assert 7_000 == time.at_ms
