"""Lag in records and seconds, from workers' last words."""

from marketpulse.contract.workers import LIVING_MS, Lag, PartitionState, WorkerState, lag_of

NOW = 1_000_000


def worker(at: int, **partitions: PartitionState) -> WorkerState:
    """A worker's word at a time; partitions are named p0, p1, ..."""
    states = {name[1:]: state for name, state in partitions.items()}
    return WorkerState("w", at, "m", "0" * 64, "cpu", "none", False, True, (), states)


def test_lag_adds_up_over_workers() -> None:
    """Records are summed; seconds are those of the partition furthest behind."""
    first = worker(NOW, p0=PartitionState(10, 5, NOW - 4_000), p1=PartitionState(7, 0))
    second = worker(NOW - 500, p2=PartitionState(3, 20, NOW - 9_500))
    assert Lag(25, 9.5, 3) == lag_of([first, second], NOW)


def test_the_younger_word_on_a_partition_holds() -> None:
    """After a rebalance the worker before has not taken its word back yet."""
    before = worker(NOW - 2_000, p0=PartitionState(10, 500, NOW - 60_000))
    after = worker(NOW, p0=PartitionState(510, 0))
    assert Lag(0, 0.0, 1) == lag_of([after, before], NOW)


def test_dead_workers_say_nothing() -> None:
    """What they had is nobody's."""
    assert Lag(0, 0.0, 0) == lag_of([worker(NOW - LIVING_MS, p0=PartitionState(1, 1, NOW))], NOW)
