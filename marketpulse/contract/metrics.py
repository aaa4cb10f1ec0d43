"""What a step says of each market, as rules, readers and records have it; `pipeline/rollup/metrics.py` computes it."""

from typing import Annotated

import msgspec

from marketpulse.contract.wire import described

WINDOWS: dict[str, tuple[str, int]] = {
    "5m": ("minute", 5),
    "1h": ("minute", 60),
    "24h": ("hour", 24),
    "7d": ("hour", 168),
}
"""Window -> (unit of its buckets, how many: the current one included)."""


class Estimate(msgspec.Struct, frozen=True):
    """A value with its 95 % interval; it covers sampling only."""

    value: float
    low: float
    high: float
    se: Annotated[float, described("standard error")]


class WindowMetrics(msgspec.Struct, frozen=True, omit_defaults=True):
    """One market over one window. `users` and `user_share` are None while no event names a user.

    `users`, `r` and `trend` are None too where what they count spans a change of the key of user hashes; r and trend
    where the stream does not cover both stretches, or the market's feed was dead for more than 1 % of one.
    """

    n: Annotated[int, described("events")]
    labels: Annotated[dict[str, int], described("label -> events")]
    u: Annotated[Estimate, described("user experience in [0, 1]; what decisions use")]
    u_corrected: Annotated[Estimate, described("u with the classifier's bias taken out")] | None = None
    confidence: Annotated[float, described("mean of the largest probability of each event")] | None = None
    users: (
        Annotated[
            int,
            described(
                "distinct users: 1h of the last whole hour or the running one, 7d of the last 7 whole UTC days or of "
                "today and the 6 before, whichever has more events; 24h of the window; 5m none"
            ),
        ]
        | None
    ) = None
    user_share: Annotated[float, described("share of the events that name a user")] | None = None
    r: (
        Annotated[
            Estimate,
            described(
                "expansion speed, ln of users over those before, per day. 24h: the last whole UTC day against the same "
                "day a week before; in the first 9 days the last 24 hours against the 24 before. 7d: whole weeks"
            ),
        ]
        | None
    ) = None
    trend: Annotated[float, described("1h: ln of users of the last whole hour over the hour before")] | None = None
    s: Annotated[float, described("24h: brand influence in [0, 1]")] | None = None
    unmeasured: Annotated[int, described("events whose text has over 10 % of pieces that the model does not know")] = 0


class MarketMetrics(msgspec.Struct, frozen=True):
    """All windows of one market at one step."""

    windows: Annotated[dict[str, WindowMetrics], described("5m, 1h, 24h, 7d -> metrics")]
    t: Annotated[float, described("optimisation effect: 1 = spent as allocated")] | None
    objective: Annotated[float, described("what the market adds to the expansion objective F")] | None
    topics: Annotated[dict[str, tuple[int, int, float]], described("topic -> n, negative, u of 24 h")]
    languages: Annotated[
        dict[str, float],
        described(
            "language -> share of n of 24 h; `other`: languages that the model was not measured in; `unmeasured`: "
            "texts of any language whose pieces it does not know"
        ),
    ] = {}
