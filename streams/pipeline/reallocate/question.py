"""What the allocator would answer now: a snapshot's metrics and portfolio as a question, and the same under changes."""

from collections.abc import Mapping

from marketpulse.client.snapshot import Snapshot
from marketpulse.contract.allocation import Allocation
from marketpulse.contract.metrics import MarketMetrics
from marketpulse.contract.portfolio import Portfolio
from strategy.scenarios import Metrics, Overrides, Question
from strategy.uncertainty import Stance


def metrics_of(markets: Mapping[str, MarketMetrics]) -> Metrics:
    """The 24 h metrics that decisions are made of, with their standard errors."""
    days = {code: one.windows["24h"] for code, one in markets.items()}
    return Metrics(
        u={code: one.u.value for code, one in days.items()},
        r={code: None if one.r is None else one.r.value for code, one in days.items()},
        n={code: one.n for code, one in days.items()},
        u_se={code: one.u.se for code, one in days.items()},
        r_se={code: one.r.se for code, one in days.items() if one.r is not None},
    )


def answer_under(
    snapshot: Snapshot, portfolio: Portfolio, changes: Mapping[str, float], stance: Stance, held: bool
) -> Allocation:
    """The allocator's answer to the present metrics under a changed plan. Writes nothing.

    Args:
        snapshot: metrics and allocation in force.
        portfolio: markets and plan in force.
        changes: fields of the plan that are otherwise, as `budget`.
        stance: what uncertain worth counts as.
        held: whether the change limit holds against the allocation in force.

    Raises:
        BadPortfolio: a change is out of range.
        BadMetrics: a metric cannot be used.
    """
    before = None
    if held and snapshot.allocation is not None:
        before = snapshot.allocation.allocation.markets
    question = Question(portfolio, metrics_of(snapshot.metrics), before, stance)
    return question.under(Overrides(name="the question", plan=dict(changes))).answer()
