"""Distinct users of each market: which HyperLogLogs are merged for each stretch, counted by Redis."""

from marketpulse.contract.units import HOUR_MS
from streams.ledger.commit import Ledger
from streams.ledger.types import CutStep
from streams.pipeline.rollup.step import RollUp
from streams.pipeline.rollup.users import DAY_STRETCHES, ActiveUsers, stretches


async def count_users(ledger: Ledger, rollup: RollUp, step: CutStep) -> None:
    """Give the roll-up the distinct users of every market in which they may have changed."""
    assert rollup.common.stream_time_ms is not None
    markets = rollup.markets_to_recount(step)
    hour = rollup.common.stream_time_ms // HOUR_MS
    windows = [keys for market in markets for keys in user_windows(ledger, market, hour)]
    counts = iter(await ledger.count_users(windows))
    for market in markets:
        rollup.active[market] = ActiveUsers(**{name: next(counts) for name in stretches(hour)})


def user_windows(ledger: Ledger, market: str, hour: int) -> list[list[str]]:
    """HyperLogLog keys behind each field of ActiveUsers, in its order, at an hour of stream time."""
    keys = ledger.keys

    def of(name: str, first: int, end: int) -> list[str]:
        if name in DAY_STRETCHES:
            return [keys.users_of_day(market, at) for at in range(first // 24, (end - 1) // 24 + 1)]
        return [keys.users_of_hour(market, at) for at in range(first, end)]

    return [of(name, first, end) for name, (first, end) in stretches(hour).items()]
