"""A shift in, the allocator's answer out: a pure function of shift, portfolio and the allocation in force."""

import msgspec

from marketpulse.contract.allocation import Allocation, MarketPlan
from marketpulse.contract.portfolio import Portfolio
from marketpulse.contract.records import PREFIX, AllocationRecord, ShiftRecord
from strategy.allocate import allocate
from strategy.errors import StrategyError
from strategy.reasons.changes import basis_of
from strategy.uncertainty import Precision


def answer_of(shift: ShiftRecord, portfolio: Portfolio, previous: AllocationRecord | None) -> AllocationRecord:
    """The answer to one shift; where the allocator fails the plans of before stay, status `failed`.

    Money in another currency than the plan's is not compared: then the answer is a first one, without a change limit.
    """
    plan = portfolio.plan
    before: dict[str, MarketPlan] | None = None
    if previous is not None and previous.allocation.currency in ("", plan.currency):
        before = previous.allocation.markets
    basis = None if previous is None else previous.basis
    day_ago = shift.spend_day_ago if shift.spend_currency in ("", plan.currency) else {}
    try:
        precision = Precision(shift.n, shift.u_se, shift.r_se)
        answer = allocate(
            portfolio, shift.u, shift.r, before, precision, unheard=shift.unheard, day_ago=day_ago, basis=basis
        )
    except StrategyError as error:
        answer = Allocation("failed", False, str(error), plan.budget, 0, 0, 0, before or {}, currency=plan.currency)
    if previous is not None and before is None and answer.adopted:
        why = f"first allocation in {plan.currency}; before, money was in {previous.allocation.currency}"
        answer = msgspec.structs.replace(answer, why=why)
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
        allocation=answer,
        why=answer.why,
        basis=basis_of(portfolio) if answer.adopted else None,
    )
