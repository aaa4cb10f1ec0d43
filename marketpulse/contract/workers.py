"""How far counting is behind Kafka: in records, and in seconds of record time."""

from collections.abc import Iterable

import msgspec

from marketpulse.contract.wire import CONTRACT_VERSION


class PartitionState(msgspec.Struct, frozen=True):
    """How far a worker is in one source partition: offset counted up to, records behind, record time there (epoch ms).

    `newest_record` is null where nothing is behind. `in_transaction`: offsets in transactions that are still open; they
    are no lag, since nobody may read them yet.
    """

    counted: int
    lag: int
    newest_record: int | None = None
    in_transaction: int = 0


class WorkerState(msgspec.Struct, frozen=True):
    """A worker's last word in Redis, renewed every second or so; `at` in epoch ms of its own clock.

    `user_key` tells which key it hashes user ids with, `detector` what finds the language of texts (empty = nothing).
    """

    holder: str
    at: int
    model: str
    model_sha256: str
    device: str
    provider: str
    fell_back: bool = False
    ready: bool = True
    waiting: tuple[str, ...] = ()
    partitions: dict[str, PartitionState] = {}
    user_key: str = ""
    detector: str = ""
    v: int = CONTRACT_VERSION


LIVING_MS = 15_000
"""A worker whose last word is older does not count any more; it gives one every second or so."""


class Lag(msgspec.Struct, frozen=True):
    """What living workers said last.

    Args:
        records: in the log and not counted yet.
        seconds: age of the newest counted record of the partition that is furthest behind; 0 where nothing is behind.
        watched: how many partitions a living worker has.
        in_transaction: offsets in transactions that are still open; they are no lag.
    """

    records: int
    seconds: float
    watched: int
    in_transaction: int = 0


def lag_of(workers: Iterable[WorkerState], now_ms: int) -> Lag:
    """The lag that workers' last words add up to at `now_ms`; of two words on one partition the younger holds."""
    newest = {}
    for worker in sorted(workers, key=lambda one: one.at):
        if now_ms - worker.at < LIVING_MS:
            newest.update(worker.partitions)
    behind = [one.newest_record for one in newest.values() if one.lag and one.newest_record is not None]
    return Lag(
        records=sum(one.lag for one in newest.values()),
        seconds=max([0.0, *((now_ms - at) / 1_000 for at in behind)]),
        watched=len(newest),
        in_transaction=sum(state.in_transaction for state in newest.values()),
    )
