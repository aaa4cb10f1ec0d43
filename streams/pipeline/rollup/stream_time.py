"""Stream time T: how far the whole stream has got in event time; never goes back."""

from collections.abc import Collection
from dataclasses import dataclass

from streams.ledger.types import PartitionCut


@dataclass(frozen=True, slots=True)
class StreamTime:
    """T of a step, and how far every partition's log was read by then; epoch ms, None = not known yet.

    `held_by`: partitions that T waits for, while others have got further.
    """

    at_ms: int | None
    read_ms: int | None
    held_by: tuple[int, ...] = ()


def stream_time(
    before: StreamTime, partitions: dict[int, PartitionCut], idle_ms: int, oldest_ms: int | None = None
) -> StreamTime:
    """T of a step: the smallest newest event time over partitions that are not idle.

    A partition is idle when its log went on for `idle_ms` of record time and brought nothing newer. This is measured in
    log that was read: broken, late and repeated records let a partition become idle; an outage does not, nor a
    partition that nobody reads. While all partitions are idle T rises as far as all of the log was read since the last
    of them became so. A partition with records of which none was read holds T where it is, or at the oldest event
    where there is no T yet: all of a backlog begins together.

    Args:
        before: of the step before.
        partitions: where each partition was at the cut.
        idle_ms: so much of the log without a newer event makes a partition idle.
        oldest_ms: event time of the oldest event of the step, None without events.
    """
    read_ms = _read_by_all(before.read_ms, partitions.values())
    unread = tuple(number for number, one in sorted(partitions.items()) if _unread(one))
    if unread:
        return StreamTime(oldest_ms if before.at_ms is None else before.at_ms, read_ms, unread)
    known = {number: one.newest_ms for number, one in partitions.items() if one.newest_ms is not None}
    if not known:
        return StreamTime(before.at_ms, read_ms)
    waiting = {number: at_ms for number, at_ms in known.items() if not _idle(partitions[number], idle_ms)}
    if waiting:
        at_ms = max(min(waiting.values()), before.at_ms or 0)
        held_by = tuple(number for number, newest_ms in sorted(waiting.items()) if newest_ms <= at_ms)
        return StreamTime(at_ms, read_ms, held_by if len(held_by) < len(waiting) else ())
    rose_ms = max(partitions[number].rose_ms or 0 for number in known)
    newest_ms = min(at_ms for number, at_ms in known.items() if partitions[number].rose_ms == rose_ms)
    rise_ms = max(0, (read_ms or 0) - rose_ms - idle_ms)
    return StreamTime(max(newest_ms + rise_ms, before.at_ms or 0), read_ms)


def _read_by_all(before_ms: int | None, partitions: Collection[PartitionCut]) -> int | None:
    """Record time up to which the log of every partition was read; never goes back. None where one was never read."""
    seen = [one.seen_ms for one in partitions if one.seen_ms is not None]
    if len(seen) < len(partitions) or not seen:
        return before_ms
    return max(min(seen), before_ms or 0)


def _idle(one: PartitionCut, idle_ms: int) -> bool:
    return one.seen_ms is not None and one.rose_ms is not None and one.seen_ms - one.rose_ms >= idle_ms


def _unread(one: PartitionCut) -> bool:
    return one.seen_ms is None and one.end is not None and one.end > max(one.next, one.began or 0)
