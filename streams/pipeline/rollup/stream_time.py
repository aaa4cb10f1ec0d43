"""Stream time T: how far the whole stream has got in event time; never goes back."""

from collections.abc import Iterable

from streams.ledger.types import PartitionCut


def stream_time(
    previous_ms: int | None, previous_now_ms: int, now_ms: int, partitions: Iterable[PartitionCut], idle_ms: int
) -> int | None:
    """T of a step: the smallest newest-event-time over partitions that are not idle.

    While all partitions are idle T advances at wall-clock speed from where it stood. None while nothing was ever
    committed.

    Args:
        previous_ms: T of the step before.
        previous_now_ms, now_ms: Redis's clock at that step and at this one.
        partitions: where each partition stood at the cut.
        idle_ms: a partition without a commit for so long does not hold T back.
    """
    seen = [(one.newest_ms, now_ms - (one.committed_at_ms or 0)) for one in partitions if one.newest_ms]
    active = [newest_ms for newest_ms, silent_ms in seen if silent_ms < idle_ms]
    if previous_ms is None:
        return min(active or [newest_ms for newest_ms, _ in seen], default=None)
    if active:
        return max(min(active), previous_ms)
    return previous_ms + max(0, now_ms - previous_now_ms)
