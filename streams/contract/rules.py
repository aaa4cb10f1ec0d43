"""The detectors' rules as values: what holds for all markets, and what some markets have of their own."""

import msgspec

from marketpulse.contract.units import HOUR_MS, MINUTE_MS


class ConditionRule(msgspec.Struct, frozen=True):
    """How long a condition must hold before it fires, and how long it must be gone before it is resolved."""

    for_ms: int
    clear_ms: int = 0


class WatchRules(msgspec.Struct, frozen=True):
    """Thresholds of the conditions; times are stream time."""

    drop_below: float = 0.40
    drop_resolved_above: float = 0.45
    drop_events: int = 30
    drop: ConditionRule = ConditionRule(for_ms=10 * MINUTE_MS)
    recovery: ConditionRule = ConditionRule(for_ms=0, clear_ms=0)
    recovery_shown_ms: int = HOUR_MS
    no_data_events: int = 100
    no_data_silence_ms: int = 30 * MINUTE_MS
    no_data_expected: float = 20.0
    no_data: ConditionRule = ConditionRule(for_ms=0)
    bad_input_share: float = 0.10
    bad_input_cleared: float = 0.05
    bad_input_records: float = 50.0
    bad_input_half_life_ms: int = 5 * MINUTE_MS
    bad_input: ConditionRule = ConditionRule(for_ms=2 * MINUTE_MS)
    blind_behind_ms: int = 3 * MINUTE_MS
    blind_held_ms: int = 9 * MINUTE_MS
    blind: ConditionRule = ConditionRule(for_ms=MINUTE_MS, clear_ms=MINUTE_MS)
    model_confidence_fall: float = 0.10
    model_events: int = 200
    model: ConditionRule = ConditionRule(for_ms=0, clear_ms=MINUTE_MS)
    allocation: ConditionRule = ConditionRule(for_ms=0)


class ShiftRule(msgspec.Struct, frozen=True):
    """Thresholds of a shift; the reference is set once a market has `ready_events` events in 24 h."""

    u_threshold: float = 0.03
    r_threshold: float = 0.03
    sigmas: float = 3.0
    cool_down_ms: int = 10 * MINUTE_MS
    ready_events: int = 100


class SurgeRule(msgspec.Struct, frozen=True):
    """When the share of negatives is a surge.

    `threshold` in nats, at 20 events a minute; it is higher by `rate_nats` times the logarithm of how much busier the
    market is. A surge is resolved at `resolve_at` of it. `odds_ratio`: how much worse the odds of a true
    negative are in a surge, `large_odds_ratio` in a large one. `drift_sd` (logits) and `drift_minutes`: how the usual
    level wanders. `follow`, in [0, 1]: how much of the tracked level enters p0 while S is above 0. `far_sds`: how many
    `drift_sd` above the season are more than drift makes, however the level came there. `season_events`: what an hour
    of day leans on the whole day with; `season_minutes`: half-life of the season. A surge that lasts `adopt_minutes` is
    usual from then on.
    """

    threshold: float = 12.4
    rate_nats: float = 0.5
    odds_ratio: float = 2.6
    large_odds_ratio: float = 5.0
    drift_sd: float = 0.2
    drift_minutes: float = 360.0
    follow: float = 0.15
    far_sds: float = 3.0
    season_events: float = 200.0
    season_minutes: float = 10_080.0
    adopt_minutes: float = 720.0
    resolve_at: float = 0.0
    armed_events: int = 100
    armed_minutes: float = 30.0


class MinuteRule(msgspec.Struct, frozen=True):
    """When a minute goes to the detectors: once stream time has passed its end by `grace_ms`.

    What comes for it later joins a later minute.
    """

    grace_ms: int = 5_000


class MarketRules(msgspec.Struct, frozen=True):
    """What one market's detectors go by."""

    surge: SurgeRule = SurgeRule()
    shift: ShiftRule = ShiftRule()
    watch: WatchRules = WatchRules()
    minutes: MinuteRule = MinuteRule()


class Rules(MarketRules, frozen=True):
    """What all markets' detectors go by, and in `markets`, whole, what those with overrides go by.

    >>> strict = Rules(markets={"BR": MarketRules(surge=SurgeRule(threshold=16.0))})
    >>> [strict.of(market).surge.threshold for market in ("BR", "DE")]
    [16.0, 12.4]
    """

    markets: dict[str, MarketRules] = {}

    def of(self, market: str) -> MarketRules:
        """The rules of one market."""
        return self.markets.get(market, self)
