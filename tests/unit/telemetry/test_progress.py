"""A worker's progress: what counts as a stall, as readiness and as lag."""

from streams.batches import Position
from streams.telemetry.progress import LOOP, ROLL_UP, Progress

STALL_S = 60.0


def working() -> Progress:
    """A worker that joined, claimed partition 0 at offset 100 and knows that 50 records wait there."""
    progress = Progress(joined=True, assigned=frozenset({0}))
    progress.claimed(0, 100)
    progress.ends({0: 150})
    return progress


def batch(end: int) -> Position:
    """Records 100 to `end` of partition 0."""
    return Position(0, 1, "g", 100, end)


def test_lag_counts_what_is_read_but_not_counted() -> None:
    """Records in hand are lag until they are committed, and so are those that Kafka holds."""
    progress = working()
    progress.delivered(batch(180), 1_000)
    assert (80, 1) == (progress.partitions[0].lag, progress.in_flight)
    progress.counted(batch(180))
    progress.finished()
    assert (0, 0) == (progress.partitions[0].lag, progress.in_flight)


def test_a_partition_with_records_that_does_not_move_is_a_stall() -> None:
    """Named with its lag once the time is over, and forgotten when it moves."""
    progress = working()
    progress.clock = STALL_S + 1
    assert ["partition 0: 50 records wait, none moved"] == progress.stalled(STALL_S)
    progress.delivered(batch(120), 1_000)
    assert [] == progress.stalled(STALL_S)


def test_an_empty_partition_is_no_stall() -> None:
    """Time runs from the moment at which there was something to do."""
    progress = Progress(joined=True)
    progress.claimed(0, 100)
    progress.clock = 10 * STALL_S
    progress.ends({0: 130})
    assert [] == progress.stalled(STALL_S)
    progress.clock += STALL_S + 1
    assert 1 == len(progress.stalled(STALL_S))


def test_waiting_for_something_outside_is_no_stall() -> None:
    """While Redis is away nothing moves, and ending the process would not bring it back."""
    progress = working()
    progress.beat(ROLL_UP)
    progress.waits("Redis")
    progress.clock = STALL_S + 5
    assert [] == progress.stalled(STALL_S)
    assert {"Redis": STALL_S + 5} == progress.waiting
    progress.goes_on("Redis")
    assert 2 == len(progress.stalled(STALL_S))


def test_a_silent_event_loop_is_a_stall_whatever_is_waited_for() -> None:
    """A blocked loop would never notice that what it waits for is back."""
    progress = working()
    progress.beat(LOOP)
    progress.waits("Redis")
    progress.clock = STALL_S + 1
    assert [f"{LOOP}: silent"] == progress.stalled(STALL_S)


def test_readiness_names_what_is_missing() -> None:
    """Not joined, a partition that is assigned and not claimed, a server that is waited for."""
    progress = Progress(assigned=frozenset({0, 3}))
    progress.claimed(0, 0)
    progress.waits("Kafka")
    expected = ["not in the consumer group yet", "partition 3: not claimed yet", "waits for Kafka since 0 s"]
    assert expected == progress.not_ready()


def test_a_spare_without_partitions_is_ready() -> None:
    """More workers than partitions are no fault."""
    assert [] == Progress(joined=True).not_ready()


def test_a_batch_that_was_dropped_is_not_counted() -> None:
    """It was refused: whoever claims the partition next reads it again."""
    progress = working()
    progress.delivered(batch(120), 1_000)
    progress.finished()
    assert (100, 0) == (progress.partitions[0].counted, progress.in_flight)


def test_a_lost_partition_is_not_watched() -> None:
    """What another worker reads is that worker's to move; a batch still in hand is finished without it."""
    progress = working()
    progress.delivered(batch(120), 1_000)
    progress.lost(0)
    progress.counted(batch(120))
    progress.finished()
    progress.clock = STALL_S + 1
    assert ([], 0) == (progress.stalled(STALL_S), progress.in_flight)
