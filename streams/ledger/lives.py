"""How long keys with something of users are kept: counted in stream time from the hour or day that they are of.

So what comes late, and what a repair writes again, ends when it would have ended. While stream time is behind the
clock (a backlog), lives end as much later: no window reads a key that is gone.
"""

from collections.abc import Iterator

import msgspec

from marketpulse.contract.keys import EXCERPTS_LIVE_MS
from marketpulse.contract.records import Excerpt
from marketpulse.contract.units import DAY_MS, HOUR_MS
from streams.ledger.keys import Keys
from streams.ledger.types import Entry

HOUR_LIVES_MS = 60 * HOUR_MS
"""Distinct users of an hour, from its begin: windows read them for 49 hours."""
USERS_LIVE_MS = 17 * DAY_MS
"""Distinct users of a UTC day, from its begin: windows read them for 15 days."""
CATCH_UP_S = 86_400
"""What a repair gives distinct users at least whose life is not over in stream time."""

_excerpts = msgspec.json.Decoder(list[Excerpt])


def left_s(begin_ms: int, life_ms: int, stream_ms: int | None) -> int:
    """Seconds that are left of a life at a stream time, never more than all of it; 0 or less = it is over.

    Args:
        begin_ms: epoch ms at which it began.
        life_ms: how long it is.
        stream_ms: stream time in epoch ms; None = there is none yet.
    """
    return (life_ms - max(0, (stream_ms or 0) - begin_ms)) // 1_000


def users_kept(keys: Keys, bucket: str, stream_ms: int | None) -> Iterator[tuple[str, int]]:
    """Where users of a step's `market:hour` are counted, and how long (s) each is kept; none whose life is over."""
    market, _, number = bucket.partition(":")
    hour = int(number)
    for key in (keys.users_of_hour(market, hour), keys.users_of_day(market, hour // 24)):
        if (left := _users_left_s(key.removeprefix(keys.namespace), stream_ms)) > 0:
            yield key, left


def excerpts_left_s(excerpts: list[Excerpt], stream_ms: int | None) -> int:
    """How long (s) a market's excerpts are kept: as long as the newest of them; all of a life where there are none."""
    newest_ms = max((row.occurred_at for row in excerpts), default=None)
    return left_s(newest_ms, EXCERPTS_LIVE_MS, stream_ms) if newest_ms is not None else EXCERPTS_LIVE_MS // 1_000


def kept_after_repair_s(entry: Entry, stream_ms: int | None, since_s: int) -> int | None:
    """Seconds that a repair gives a ledger's key; 0 or less = its life is over, None = as long as the ledger.

    It is what was left at the last step, less the time since. Distinct users have a day at least, for workers to catch
    up: stream time has not moved since that step. What was over then is over.

    Args:
        entry: of distinct users the name is enough: `rows` may be empty.
        stream_ms: stream time of the last step, epoch ms.
        since_s: time since that step.
    """
    kind = entry.name.partition(":")[0]
    if kind == "users":
        left = _users_left_s(entry.name, stream_ms)
        return max(left - since_s, min(left, CATCH_UP_S))
    return excerpts_left_s(_excerpts.decode(entry.rows[0]), stream_ms) - since_s if kind == "excerpts" else None


def _users_left_s(name: str, stream_ms: int | None) -> int:
    _, unit, _, number = name.split(":")
    if unit == "hour":
        return left_s(int(number) * HOUR_MS, HOUR_LIVES_MS, stream_ms)
    return left_s(int(number) * DAY_MS, USERS_LIVE_MS, stream_ms)
