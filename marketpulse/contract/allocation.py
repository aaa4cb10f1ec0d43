"""What the allocator answers: the allocation, each market's part, how sure it is, and its proof."""

from typing import Any, Literal

import msgspec


class Certificate(msgspec.Struct, frozen=True):
    """A sound answer has every number near 0.

    overspent: money beyond the budget, a market's bounds, a region's cap, or what z and y cost, whichever is most.
    kkt_residual: largest relative amount by which a market's next unit of money is worth more than its price although
    no bound holds it, or its last one less. duality_gap: distance of the gain to an upper bound of every possible
    gain with these markets on, relative. entry_gap: part of the gain that another choice of markets may have more.
    """

    overspent: float
    kkt_residual: float
    duality_gap: float
    entry_gap: float = 0.0


Status = Literal["optimal", "near_optimal", "within_dead_band", "infeasible", "failed"]
"""optimal: proven best. near_optimal: the choice of markets is best to within the certificate's entry_gap.
within_dead_band: too little would move. infeasible: `why` names the constraints that clash and the nearest budget.
failed: metrics or portfolio could not be used. Only the first two are adopted; else the previous plan stays."""


class MarketPlan(msgspec.Struct, frozen=True):
    """One market's part: money per period, penetration p, satisfaction q, gain of the next unit of money.

    entry: money paid once to enter; idle: money that buys nothing more; change: of the spend since the previous plan,
    the whole spend where that plan lacks the market, 0 in a first plan; binding: names of the limits that hold the
    spend; left: what of the spend is not spent yet in this period; u, r, n: the metrics that it was made for and their
    number of events; likely: probability that the move pays, null where nothing moves, the metrics' errors are not
    known, or a limit and not a choice sets the spend.
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
    """The answer. `adopted` False = the previous allocation stays, `why` says so.

    currency: of all its money; empty where it was not kept yet. lost: a sentence for each market that has no part any
    more, which the allocation before had given money.
    """

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
    currency: str = ""
    lost: dict[str, str] = {}


class Basis(msgspec.Struct, frozen=True):
    """The market table that an answer was made with: fields of the plan and of markets that are not the defaults."""

    plan: dict[str, Any] = {}
    markets: dict[str, dict[str, Any]] = {}
