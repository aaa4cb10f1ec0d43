"""A shift in, the allocator's answer out: a pure function of shift, portfolio and the allocation in force."""

import msgspec

from marketpulse.contract.allocation import Allocation, MarketPlan
from marketpulse.contract.portfolio import Portfolio
from marketpulse.contract.records import AllocationRecord, RefusedAnswer, ShiftRecord
from strategy.allocate import allocate
from strategy.errors import StrategyError
from strategy.uncertainty import Precision

PREFIX = "allocation-"  # of an answer's id; the shift's id follows


def answer_of(shift: ShiftRecord, portfolio: Portfolio, previous: AllocationRecord | None) -> AllocationRecord:
    """The answer to one shift; where the allocator fails the plans of before stay, status `failed`."""
    before: dict[str, MarketPlan] | None = None
    if previous is not None:
        before = msgspec.convert(previous.allocation, Allocation).markets
    try:
        answer = allocate(portfolio, shift.u, shift.r, before, Precision(shift.n, shift.u_se, shift.r_se))
    except StrategyError as error:
        answer = Allocation("failed", False, str(error), portfolio.plan.budget, 0, 0, 0, before or {})
    left = {code: -plan.spend for code, plan in (before or {}).items() if code not in answer.markets}
    moves = left | {code: plan.change for code, plan in answer.markets.items() if abs(plan.change) > 1e-9}
    return AllocationRecord(
        id=PREFIX + shift.id,
        seq=shift.seq,
        cause=shift.cause,
        market=shift.market,
        stream_time=shift.stream_time,
        status=answer.status,
        adopted=answer.adopted,
        spend={code: plan.spend for code, plan in answer.markets.items()},
        moves=moves if answer.adopted else {},
        allocation=msgspec.to_builtins(answer),
        why=answer.why,
    )


class _Head(msgspec.Struct):
    id: str
    status: str
    why: str


def refused_of(content: bytes) -> RefusedAnswer | None:
    """What an answer (JSON of an AllocationRecord) refused; None where it is a plan or says that too little moves."""
    head = msgspec.json.decode(content, type=_Head)
    if head.status not in ("failed", "infeasible"):
        return None
    return RefusedAnswer(head.id.removeprefix(PREFIX), head.status, head.why)
