"""What a step says of each market, as rules, readers and records have it; `pipeline/rollup/metrics.py` computes it."""

import msgspec


class Estimate(msgspec.Struct, frozen=True):
    """A value with its 95 % interval; it covers sampling only."""

    value: float
    low: float
    high: float
    se: float


class WindowMetrics(msgspec.Struct, frozen=True, omit_defaults=True):
    """One market over one window. `users` and `user_share` are None while no event names a user.

    `users`, `r` and `trend` are None too where the window spans a change of the key of user hashes.

    `u_corrected` has the classifier's bias taken out (None where its confusion is not known); decisions use u.
    `confidence` is the mean of the largest probability.
    """

    n: int
    labels: dict[str, int]
    u: Estimate
    u_corrected: Estimate | None = None
    confidence: float | None = None
    users: int | None = None
    user_share: float | None = None
    r: Estimate | None = None
    trend: float | None = None
    s: float | None = None


class MarketMetrics(msgspec.Struct, frozen=True):
    """All windows of one market at one step, t and F, 24 h by topic: (n, negative, u), and by language: share of n."""

    windows: dict[str, WindowMetrics]
    t: float | None
    objective: float | None
    topics: dict[str, tuple[int, int, float]]
    languages: dict[str, float] = {}
