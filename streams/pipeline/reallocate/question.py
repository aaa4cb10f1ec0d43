"""What the allocator would answer now: a snapshot's metrics and portfolio as a question, and the same under changes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from marketpulse.client.snapshot import Snapshot
from marketpulse.contract.allocation import Allocation, Basis, MarketPlan
from marketpulse.contract.metrics import MarketMetrics
from marketpulse.contract.portfolio import Portfolio
from marketpulse.contract.records import AllocationRecord
from strategy.scenarios import Metrics, Overrides, Question
from strategy.uncertainty import Stance
from streams.pipeline.rollup.shifts import spend_day_ago


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


@dataclass(frozen=True)
class InForce:
    """What change limits are measured from: the plans in force, and the spend of 24 h ago where that was another.

    `basis` is the table that the plans were made with; None = not known. There are no plans, and nothing else, where no
    allocation is in force, or its money is in another currency than the plan's.
    """

    plans: dict[str, MarketPlan] | None
    day_ago: dict[str, float]
    basis: Basis | None = None


def in_force(snapshot: Snapshot, answers: Iterable[AllocationRecord], currency: str) -> InForce:
    """Of a snapshot and the allocator's answers, oldest first, for a plan in a currency."""
    record = snapshot.allocation
    if record is None or record.allocation.currency not in ("", currency):
        return InForce(None, {})
    now_ms = max(record.stream_time, snapshot.status.stream_time or 0)
    return InForce(record.allocation.markets, spend_day_ago(answers, now_ms, currency), record.basis)


def question_of(
    snapshot: Snapshot, answers: Iterable[AllocationRecord], portfolio: Portfolio, held: bool = True
) -> Question:
    """The question that workers would ask now.

    Args:
        snapshot: metrics and allocation in force.
        answers: of the allocator, oldest first.
        portfolio: markets and plan.
        held: whether the change limit holds against the allocation in force.
    """
    now = in_force(snapshot, answers, portfolio.plan.currency) if held else InForce(None, {})
    return Question(portfolio, metrics_of(snapshot.metrics), now.plans, day_ago=now.day_ago, basis=now.basis)


def answer_under(question: Question, changes: Mapping[str, float], stance: Stance) -> Allocation:
    """The allocator's answer under a changed plan. Writes nothing.

    Args:
        question: of now.
        changes: fields of the plan that are otherwise, as `budget`.
        stance: what uncertain worth counts as.

    Raises:
        BadPortfolio: a change is out of range.
        BadMetrics: a metric cannot be used.
    """
    changed = question.under(Overrides(name="the question", plan=dict(changes)))
    return replace(changed, stance=stance).answer()
