"""What an answer of the allocator says when it is no plan."""

import msgspec

from marketpulse.contract.portfolio import Portfolio
from marketpulse.contract.records import AllocationRecord, RefusedAnswer, ShiftRecord, refused_of
from marketpulse.contract.wire import encode
from strategy.portfolio import load_portfolio
from streams.pipeline.reallocate.answer import answer_of

PORTFOLIO = load_portfolio(None)
U = dict.fromkeys(PORTFOLIO.markets, 0.6)
SHIFT = ShiftRecord("profile-9", 9, "profile", None, 1_000, U, dict.fromkeys(U, 0.02))


def with_budget(budget: float) -> Portfolio:
    return Portfolio(msgspec.structs.replace(PORTFOLIO.plan, budget=budget), PORTFOLIO.markets)


def first() -> AllocationRecord:
    return answer_of(SHIFT, PORTFOLIO, None)


def test_a_plan_refuses_nothing_nor_does_one_that_moves_too_little() -> None:
    """Adopted, then within the dead-band."""
    again = answer_of(SHIFT, PORTFOLIO, first())
    assert [("optimal", None), ("within_dead_band", None)] == [
        (one.status, refused_of(encode(one))) for one in (first(), again)
    ]


def test_an_infeasible_answer_names_its_shift_and_why() -> None:
    """A budget below what the change limits leave room for."""
    answer = answer_of(SHIFT, with_budget(1.0), first())
    assert RefusedAnswer("profile-9", "infeasible", answer.why) == refused_of(encode(answer))
    assert "budget" in answer.why


def test_an_allocator_that_fails_says_so() -> None:
    """A metric that is no number: the plans of before stay."""
    broken = msgspec.structs.replace(SHIFT, u=U | {"BR": float("nan")})
    refused = refused_of(encode(answer_of(broken, PORTFOLIO, first())))
    assert refused is not None
    assert ("profile-9", "failed") == (refused.shift, refused.status)


def test_money_in_another_currency_is_not_compared() -> None:
    """No change limit, no reason from amounts before; `why` names both currencies. Unknown ones are the plan's."""
    plan = msgspec.structs.replace(PORTFOLIO.plan, budget=20.0, currency="EUR million", change_limit_floor=0.2)
    euro = Portfolio(plan, PORTFOLIO.markets)
    shift = msgspec.structs.replace(SHIFT, seq=10, spend_day_ago=dict.fromkeys(U, 200.0), spend_currency="10,000 CNY")
    answer = answer_of(shift, euro, first())
    assert ("optimal", {}) == (answer.status, answer.moves)
    assert "first allocation in EUR million; before, money was in 10,000 CNY" == answer.why
    assert ("EUR million", 20.0) == (answer.allocation.currency, answer.allocation.budget)
    late = msgspec.structs.replace(shift, seq=11)  # cut before the roll-up saw the answer in EUR
    assert "infeasible" != answer_of(late, euro, answer).status
    old = first()
    unknown = msgspec.structs.replace(old, allocation=msgspec.structs.replace(old.allocation, currency=""))
    assert "within_dead_band" == answer_of(SHIFT, PORTFOLIO, unknown).status
