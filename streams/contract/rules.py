"""The detectors' rules as values: what holds for all markets, and what some markets have of their own."""

import msgspec

from streams.pipeline.detect.conditions import WatchRules
from streams.pipeline.detect.shift import ShiftRule
from streams.pipeline.detect.surge import SurgeRule


class MarketRules(msgspec.Struct, frozen=True):
    """What one market's detectors go by."""

    surge: SurgeRule = SurgeRule()
    shift: ShiftRule = ShiftRule()
    watch: WatchRules = WatchRules()


class Rules(MarketRules, frozen=True):
    """What all markets' detectors go by, and in `markets`, whole, what those with overrides go by.

    >>> strict = Rules(markets={"BR": MarketRules(surge=SurgeRule(threshold=16.0))})
    >>> [strict.of(market).surge.threshold for market in ("BR", "DE")]
    [16.0, 12.0]
    """

    markets: dict[str, MarketRules] = {}

    def of(self, market: str) -> MarketRules:
        """The rules of one market."""
        return self.markets.get(market, self)
