"""What the allocator answers: the allocation, each market's part, and how sure it is."""

from typing import Literal

import msgspec

from strategy.certificate import Certificate

Status = Literal["optimal", "near_optimal", "within_dead_band", "infeasible", "failed"]
"""optimal: proven best. near_optimal: the choice of markets is best to within the certificate's entry_gap.
within_dead_band: too little would move. infeasible: `why` names the constraints that clash and the nearest budget.
failed: metrics or portfolio could not be used. Only the first two are adopted; else the previous plan stays."""


class MarketPlan(msgspec.Struct, frozen=True):
    """One market's part: money per period, penetration p, satisfaction q, gain of the next unit of money.

    entry: money paid once to enter; idle: money that buys nothing more; change: of the spend since the previous plan;
    binding: names of the limits that hold the spend; left: what of the spend is not spent yet in this period; u, r, n:
    the metrics that it was made for and their number of events; likely: probability that the move is right.
    """

    spend: float
    promotion: float
    quality: float
    entry: float
    idle: float
    p: float
    q: float
    marginal_return: float
    change: float
    binding: tuple[str, ...]
    reason: str
    left: float = 0.0
    u: float | None = None
    r: float | None = None
    n: int | None = None
    likely: float | None = None


class Uncertainty(msgspec.Struct, frozen=True):
    """The plan's gain over draws from the metrics' errors: mean, mean of the worst 5 %; markets held back."""

    expected: float
    worst: float
    draws: int
    held: tuple[str, ...] = ()


class Allocation(msgspec.Struct, frozen=True):
    """The answer. `adopted` False = the previous allocation stays, `why` says so."""

    status: Status
    adopted: bool
    why: str
    budget: float
    spent: float
    gain: float
    marginal_value_of_budget: float
    markets: dict[str, MarketPlan]
    certificate: Certificate | None = None
    marginal_value_of_caps: dict[str, float] = {}
    uncertainty: Uncertainty | None = None
