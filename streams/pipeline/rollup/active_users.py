"""Distinct users of each market: which HyperLogLogs are merged for each window, counted by Redis."""

from marketpulse.contract.units import HOUR_MS
from streams.ledger.commit import Ledger
from streams.ledger.types import CutStep
from streams.pipeline.rollup.metrics import ActiveUsers
from streams.pipeline.rollup.step import RollUp


async def count_users(ledger: Ledger, rollup: RollUp, step: CutStep) -> None:
    """Give the roll-up the distinct users of every market in which they may have changed."""
    assert rollup.common.stream_time_ms is not None
    markets = rollup.markets_to_recount(step)
    hour = rollup.common.stream_time_ms // HOUR_MS
    windows = [keys for market in markets for keys in user_windows(ledger, market, hour)]
    counts = iter(await ledger.count_users(windows))
    for market in markets:
        rollup.active[market] = ActiveUsers(*(next(counts) for _ in range(7)))


def user_windows(ledger: Ledger, market: str, hour: int) -> list[list[str]]:
    """HyperLogLog keys behind each field of ActiveUsers, in its order, at an hour of stream time.

    The current hour's window reaches one hour ahead: events of partitions that are further on.
    """
    keys, day = ledger.keys, hour // 24

    def hours(first: int, end: int) -> list[str]:
        return [keys.users_of_hour(market, at) for at in range(first, end)]

    def days(first: int, end: int) -> list[str]:
        return [keys.users_of_day(market, at) for at in range(first, end)]

    return [
        hours(hour, hour + 2),
        hours(hour - 1, hour),
        hours(hour - 23, hour + 2),
        hours(hour - 24, hour),
        hours(hour - 48, hour - 24),
        days(day - 7, day),
        days(day - 14, day - 7),
    ]
