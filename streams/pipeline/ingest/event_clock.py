"""How far a partition has got: in event time, and in the log that was read. The base of stream time."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from streams.batches import SourceMark

RECENT = 100
RECENT_MS = 60_000
FEW = 20
FROM_THE_TOP = 3
NEVER = np.iinfo(np.int64).min


def clock_after(mark: SourceMark, occurred_ms: Sequence[int], record_ms: Sequence[int], seen_ms: int) -> SourceMark:
    """The clock of a partition after some more of its records, however they were cut into batches.

    `newest_ms` is the third largest event time of the accepted events of the last minute of the log, at most 100 of
    them, each no later than its own record: some wrong clocks do not move it. Where the minute has fewer than 20 it is
    the largest: the third largest of a stream that says one thing a minute would be minutes old. It never goes back.
    `rose_ms` is the record time of the record that last raised it. `seen_ms` is the record time of the last record of
    any kind: where it runs away from `rose_ms`, the log goes on and brings nothing newer.

    Args:
        mark: the clock before, with event and record time of the last 99 accepted events in `recent`.
        occurred_ms: event times of the accepted events, in the order of the log.
        record_ms: the record time of each.
        seen_ms: record time of the last record read, accepted or not.
    """
    seen_ms = max(seen_ms, mark.seen_ms or 0)
    if not occurred_ms:
        return replace(mark, seen_ms=seen_ms)
    before = np.frombuffer(mark.recent, np.int64).reshape(-1, 2)
    records = np.array(record_ms, np.int64)
    pairs = np.stack([np.minimum(np.array(occurred_ms, np.int64), records), records], axis=1)
    reached = np.maximum.accumulate(_levels(np.concatenate([before, pairs]), len(before)))
    newest_ms, rose_ms = mark.newest_ms, mark.rose_ms
    if newest_ms is None or reached[-1] > newest_ms:
        newest_ms = int(reached[-1])
        rose_ms = int(records[np.argmax(reached == newest_ms)])
    recent = np.concatenate([before, pairs])[1 - RECENT :].tobytes()
    return replace(mark, newest_ms=newest_ms, rose_ms=rose_ms, seen_ms=seen_ms, recent=recent)


def _levels(pairs: NDArray[np.int64], known: int) -> NDArray[np.int64]:
    """For every event after the first `known`, as rows of event and record time: the level of the minute up to it."""
    padded = np.concatenate([np.full((RECENT - 1 - known, 2), NEVER), pairs])
    windows = np.lib.stride_tricks.sliding_window_view(padded, RECENT, axis=0)  # [event, time or record, 100]
    records = windows[:, 1]
    within = records > records[:, -1:] - RECENT_MS
    times = np.where(within, windows[:, 0], NEVER)
    top = np.partition(times, RECENT - FROM_THE_TOP, axis=1)[:, RECENT - FROM_THE_TOP]
    return np.where(within.sum(axis=1) < FEW, times.max(axis=1), top)
