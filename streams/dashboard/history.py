"""A market's past in buckets: volume, label mix, score with its interval and distinct users per minute or hour."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import msgspec

from marketpulse.client.async_reader import AsyncReader
from marketpulse.client.redis_server import connect, translated_errors
from marketpulse.contract.metrics import Estimate
from marketpulse.contract.units import HOUR_MS, MINUTE_MS
from models.classifier import ModelInfo
from streams.ledger.keys import Keys
from streams.pipeline.count.cells import CellLayout, Sums
from streams.pipeline.count.layouts import layout_of
from streams.pipeline.rollup.metrics import PRIOR_EVENTS, user_experience
from streams.pipeline.rollup.users import events_per_user

Unit = Literal["minute", "hour"]
STEP_MS: dict[Unit, int] = {"minute": MINUTE_MS, "hour": HOUR_MS}


class Moment(msgspec.Struct, frozen=True):
    """One bucket: its begin in epoch ms, events per label, u of these events alone, distinct users (hours, while kept).

    `u` is shrunk, as every u is, here towards the mean of all buckets asked for, so that a bucket of few events says
    little; None for an empty bucket.
    """

    at: int
    n: int
    labels: dict[str, int]
    u: Estimate | None = None
    users: int | None = None


def read_history(
    client: Any, prefix: str, url: str, markets: Sequence[str], unit: Unit, count: int
) -> dict[str, list[Moment]]:
    """The last `count` buckets of each market up to stream time, oldest first; nothing before the first step.

    Args:
        client: a synchronous Redis client.
        prefix: of the keys.
        url: of Redis, for messages.
        markets: codes.
        unit: minutes are kept for 3 h, hours for 8 d, users per hour for 50 h.
        count: of buckets.

    Raises:
        Unavailable: Redis does not answer.
    """
    keys = Keys(prefix)
    with translated_errors(url):
        stream_time = int(client.hget(keys.step, "stream_time") or 0)
        model = client.get(keys.model)
        if not stream_time or model is None or not markets:
            return {}
        info = msgspec.json.decode(model, type=ModelInfo)
        layout = layout_of(info)
        newest = stream_time // STEP_MS[unit]
        numbers = range(newest - count + 1, newest + 1)
        with client.pipeline(transaction=False) as pipe:
            for market in markets:
                pipe.hmget(keys.minutes(market) if unit == "minute" else keys.hours(market), numbers)
                if unit == "hour":
                    for hour in numbers:
                        pipe.pfcount(keys.users_of_hour(market, hour))
            answers = iter(pipe.execute())
    found: dict[str, list[Moment]] = {}
    for market in markets:
        rows = next(answers)
        users: list[int | None] = [next(answers) for _ in numbers] if unit == "hour" else [None for _ in numbers]
        sums = [_sums(layout, row) for row in rows]
        n = sum(one.n for one in sums if one is not None)
        mean = sum(one.sum_e for one in sums if one is not None) / n if n >= PRIOR_EVENTS else 0.5
        found[market] = [
            _moment(number * STEP_MS[unit], one, known, mean)
            for number, one, known in zip(numbers, sums, users, strict=True)
        ]
    return found


def _sums(layout: CellLayout, row: bytes | None) -> Sums | None:
    """A bucket's sums; None for an empty one, and for one that a model with other topics counted."""
    cells = None if row is None else layout.restored(row)
    return None if cells is None or cells.size != layout.size else layout.read(cells)


def _moment(at: int, sums: Sums | None, users: int | None, mean: float) -> Moment:
    if sums is None or not sums.n:
        return Moment(at, 0, {}, None, users)
    if users == 0 and sums.with_user:
        users = None  # they are not kept as long as the events are
    known = min(users, sums.with_user) if users else None
    return Moment(
        at, sums.n, sums.labels, user_experience(sums, events_per_user(sums.with_user, known or 0), mean), users
    )


class PageReader(AsyncReader):
    """What the page reads: all that services read, and each market's past."""

    def __init__(self, url: str, prefix: str) -> None:
        super().__init__(url, prefix=prefix)
        self._past = partial(read_history, connect(url), prefix, url)

    async def history(self, markets: Sequence[str], unit: Unit, count: int) -> dict[str, list[Moment]]:
        """The last `count` buckets of each market, oldest first: `read_history`."""
        return await asyncio.to_thread(self._past, markets, unit, count)
