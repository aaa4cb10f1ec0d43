"""Markets and the plan of one portfolio: types only."""

import math
from typing import Annotated, Literal

import msgspec

Positive = Annotated[float, msgspec.Meta(gt=0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Market(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One national market; money per period in `currency` (None = the plan's), penetrations in [0, 1].

    Costs: c market selection, d data adaptation, l legal compliance, f culture integration, o technology output, g
    technology per penetration; `income` stays in one currency for all, since it only compares markets.
    """

    population: Positive
    income: Positive
    culture: Share
    w: Positive
    c: NotNegative
    d: NotNegative
    l: NotNegative  # noqa: E741 - the founding documents' name
    f: NotNegative
    o: NotNegative
    g: NotNegative = 20.0
    p0: Share = 0.05
    p_max: Share = 0.6
    status: Literal["entered", "candidate", "excluded"] = "entered"
    spend_low: NotNegative = 0.0
    spend_high: float | None = None
    spend: NotNegative | None = None  # actual spend this period, where known; only t is made of it
    spent: NotNegative = 0.0  # money already gone in the running period: a plan can only add to it
    pinned: NotNegative | None = None  # spend fixed by hand
    spend_minimum: NotNegative = 0.0  # least spend that does any good: this much at least, or nothing
    legal_ready: bool = True  # False: no entry, no spend
    region: str = ""
    currency: str | None = None


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What holds for all markets together."""

    budget: Positive = 2000.0
    currency: str = "10,000 CNY"
    period_days: Positive = 30.0
    dead_band: Share = 0.01
    change_limit_floor: NotNegative = 20.0
    change_limit_share: NotNegative = 0.5
    rho: NotNegative = 2.0
    theta: NotNegative = 1.0
    weights: tuple[float, float, float, float] = (0.25, 0.25, 0.25, 0.25)
    penetration_weight: NotNegative = 1.0  # scales every a_i
    satisfaction_weight: NotNegative = 1.0  # scales every b_i
    move_confidence: Share = (
        0.8  # moves that are less probably right are held back, where the metrics' errors are known
    )
    regions: dict[str, NotNegative] = {}  # region -> most that its markets may spend together
    currencies: dict[str, Positive] = {}  # currency -> units of the plan's currency for one unit of it


class Portfolio(msgspec.Struct, frozen=True):
    """The plan and its markets, in the order of their codes."""

    plan: Plan
    markets: dict[str, Market]

    @property
    def values(self) -> dict[str, float]:
        """v_i = sqrt(population x income), scaled so that the largest is 100; a_i = b_i = v_i."""
        raw = {code: math.sqrt(market.population * market.income) for code, market in self.markets.items()}
        largest = max(raw.values(), default=1.0)
        return {code: 100 * value / largest for code, value in raw.items()}
