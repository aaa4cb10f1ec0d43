"""What an answer says after the market table changed: which change moved the money, in the market and as a whole."""

import re
from typing import Any

import msgspec
import pytest

from marketpulse.contract.portfolio import Portfolio
from marketpulse.contract.records import AllocationRecord, ShiftRecord
from marketpulse.contract.wire import encode
from strategy.portfolio import portfolio_of
from streams.pipeline.reallocate.answer import answer_of

LONGEST = 400  # of a sentence
LONGEST_WHY = 480
U = {"AT": 0.66, "ES": 0.6, "IT": 0.62, "PL": 0.58}
DEFAULTS = {"culture": 0.95, "w": 1, "c": 55.0, "d": 40.0, "l": 20.0, "f": 30.0, "o": 30.0}
MARKETS: dict[str, dict[str, Any]] = {
    "AT": {"population": 9_006_398, "income": 50_000.0, "pinned": 90.0},
    "ES": {"population": 46_754_778, "income": 29_600.0, "region": "SOUTH"},
    "IT": {"population": 60_461_826, "income": 34_500.0, "region": "SOUTH"},
    "PL": {"population": 37_846_611, "income": 15_700.0},
}


def table(budget: float = 800.0, cap: float = 420.0, without: str = "", **fields: Any) -> Portfolio:
    """Four markets in EUR, two of them under one cap; `plan_...` = a field of the plan, `PL_...` = one of a market."""
    plan = {"budget": budget, "currency": "EUR"}
    markets = {code: dict(one) for code, one in MARKETS.items() if code != without}
    for name, value in fields.items():
        owner, _, field = name.partition("_")
        target = plan if owner == "plan" else markets.setdefault(owner, {"population": 1e7, "income": 20_000.0})
        target[field] = value
    return portfolio_of(
        {"plan": plan, "defaults": DEFAULTS, "regions": {"SOUTH": {"cap": cap}}, "markets": markets}
    )  # fmt: skip


def asked(u: dict[str, float] | None = None, surely: bool = True) -> ShiftRecord:
    """The same metrics for every answer, but for `u`."""
    errors = dict.fromkeys(U, 0.01) if surely else {}
    values = U | (u or {})
    return ShiftRecord("profile-9", 9, "profile", None, 1_000, values, dict.fromkeys(U, 0.02),
                       n=dict.fromkeys(U, 800), u_se=errors, r_se=errors)  # fmt: skip


FIRST = answer_of(asked(), table(), None)


def after(portfolio: Portfolio, previous: AllocationRecord = FIRST, **metrics: float) -> AllocationRecord:
    return answer_of(asked(metrics), portfolio, previous)


def said(answer: AllocationRecord, code: str) -> str:
    return answer.allocation.markets[code].reason


def test_a_lower_cap_is_the_cause_for_those_under_it_and_for_those_that_get_its_money() -> None:
    """Not a market elsewhere, and without a figure where the cap sets the spend."""
    answer = after(table(cap=340.0))
    fell = "the cap of SOUTH fell from 420 to 340"
    for code in ("ES", "IT", "PL"):
        assert fell in said(answer, code)
        assert "nothing new from its users" not in said(answer, code)
    assert "sure to pay" not in said(answer, "ES")
    assert answer.allocation.markets["ES"].likely is None
    assert "100 % sure to pay" in said(answer, "PL")
    assert "cap of SOUTH 420 to 340" in answer.why
    back = after(table(), answer)
    assert "the cap of SOUTH rose from 340 to 420" in said(back, "ES")
    assert "the cap of SOUTH rose from 340 to 420" in said(back, "PL")


def test_a_cap_that_holds_nobody_is_no_cause() -> None:
    """Of a region whose money fits under both."""
    wide = answer_of(asked(), table(cap=900.0), None)
    answer = after(table(cap=850.0), wide, ES=0.3)
    assert answer.adopted
    assert all("cap of SOUTH" not in said(answer, code) for code in ("ES", "IT", "PL"))
    assert "cap of SOUTH 900 to 850" in answer.why


def test_of_two_causes_only_those_that_moved_it_are_named() -> None:
    """A budget so low that the lower cap holds nobody; a cap that rose over what it allowed; a cost beside a budget."""
    assert "cap of SOUTH" not in said(after(table(500.0, 340.0)), "ES")
    raised = after(table(1_200.0, 500.0), after(table(600.0, 400.0)))
    assert raised.spend["ES"] + raised.spend["IT"] > 400
    assert "the cap of SOUTH rose from 400 to 500" in said(raised, "ES")


def test_each_cause_has_its_part_of_the_money() -> None:
    """A cost that rose softened the cut that the smaller budget made; parts add up, and are those of `plan`."""
    before = answer_of(asked(), table(cap=900.0), None)
    answer = after(table(650.0, 900.0, PL_c=75.0), before)
    costly = after(table(cap=900.0, PL_c=75.0), before)
    for code in ("ES", "PL"):
        spend = [one.spend[code] for one in (before, costly, answer)]
        cost, budget = f"{spend[1] - spend[0]:+.2f}", f"{spend[2] - spend[1]:+.2f}"
        own = "its table changed (c 55 to 75), so the same costs more" if code == "PL" else "the table of PL changed"
        assert f"{own} ({cost})" in said(answer, code)
        assert f"the budget fell from 800 to 650 ({budget})" in said(answer, code)
    assert answer.spend["PL"] < before.spend["PL"] < costly.spend["PL"]


def test_a_change_that_is_not_feasible_yet_waits_for_those_that_make_it_so() -> None:
    """A budget that has no room for the old pin comes after the pin; each has its own part."""
    rich = answer_of(asked(), table(1_500.0, 900.0, AT_pinned=1_000.0), None)
    answer = after(table(cap=900.0), rich)
    assert "its table changed (pinned 1,000 to 90)" in said(answer, "AT")
    unpinned = after(table(1_500.0, 900.0), rich)
    for code in ("ES", "IT"):
        freed, cut = unpinned.spend[code] - rich.spend[code], answer.spend[code] - unpinned.spend[code]
        assert f": the table of AT (pinned 1,000 to 90) changed ({freed:+.2f}); " in said(answer, code)
        assert f"; the budget fell from 1,500 to 800 ({cut:+.2f})" in said(answer, code)


def test_a_bound_takes_what_it_takes_with_the_budget_of_now() -> None:
    """A floor that moved nothing under the old budget takes money from others under the smaller one."""
    before = answer_of(asked(), table(cap=900.0), None)
    poor, floored = after(table(600.0, 900.0), before), after(table(600.0, 900.0, PL_spend_low=190.0), before)
    assert before.spend["PL"] > 190.0 == floored.spend["PL"] > poor.spend["PL"]
    for code in ("ES", "IT"):
        taken = floored.spend[code] - poor.spend[code]
        assert taken < -1
        assert f"the table of PL (spend_low 0 to 190) changed ({taken:+.2f})" in said(floored, code)
        assert "the budget fell from 800 to 600" in said(floored, code)
    assert "its table changed (spend_low 0 to 190)" in said(floored, "PL")


def test_users_whose_metrics_hardly_moved_are_no_cause_of_a_smaller_budget() -> None:
    """Nor is a number said that looks the same before and after."""
    answer = after(table(650.0), ES=0.608, PL=0.5748)
    for code in ("ES", "PL"):
        assert "the budget fell from 800 to 650" in said(answer, code)
        assert "worth less" not in said(answer, code)
    assert "u .58 to .57" not in said(answer, "PL")


def test_money_that_no_market_may_take_is_not_less_money_for_all() -> None:
    """PL is full, so what the cap frees stays unspent: said so, by market and as a whole."""
    full = answer_of(asked(), table(PL_spend_high=290.0), None)
    answer = after(table(cap=340.0, PL_spend_high=290.0), full)
    assert "less money for all" not in said(answer, "ES")
    assert (
        "the cap of SOUTH fell from 420 to 340; all markets together get 80.00 less, 80.00 of the budget unspent"
        in said(answer, "ES")
    )
    assert "80.00 of 800.00 unspent: cap of SOUTH, upper bounds of PL, pins of AT" in answer.why


def test_without_the_table_of_before_nothing_is_said_of_it_and_nothing_untrue() -> None:
    """An answer of an older version, or of `plan --previous`."""
    unknown = msgspec.structs.replace(answer_of(asked(), table(PL_spend_high=290.0), None), basis=None)
    answer = after(table(cap=340.0, PL_spend_high=290.0), unknown)
    for code in ("ES", "IT"):
        assert "fell from" not in said(answer, code)
        assert "for all" not in said(answer, code)
    assert "table changed:" not in answer.why
    moved = after(table(cap=340.0), msgspec.structs.replace(FIRST, basis=None))
    assert "nothing new from its users, the cap of SOUTH leaves no more; goes to PL (+80.00 in all)" in said(
        moved, "ES"
    )


def test_a_change_of_its_own_table_is_the_cause() -> None:
    """A cost, a bound, a pin, a rate; three fields at most."""
    before = answer_of(asked(), table(cap=900.0), None)
    costly = after(table(cap=900.0, PL_c=220.0), before)
    assert ": its table changed (c 55 to 220); goes to " in said(costly, "PL")
    assert "PL c 55 to 220" in costly.why
    bound = after(table(PL_spend_high=250.0))
    assert ": its table changed (spend_high none to 250); " in said(bound, "PL")
    pinned = after(table(PL_pinned=300.0))
    assert ": pinned by hand; its table changed (pinned none to 300); taken from " in said(pinned, "PL")
    many = after(table(cap=900.0, PL_c=110.0, PL_d=80.0, PL_l=40.0, PL_f=60.0, PL_culture=0.9), before)
    assert "its table changed (culture 0.95 to 0.9, c 55 to 110, d 40 to 80, 2 more)" in said(many, "PL")


def test_what_no_allocation_depends_on_is_no_cause() -> None:
    """The ranking weight of a market whose money moves for its users."""
    answer = after(table(PL_w=5.0), PL=0.9)
    assert "its table changed" not in said(answer, "PL")
    assert "users happier" in said(answer, "PL")
    assert "PL w 1 to 5" in answer.why


def test_another_rate_of_its_currency_is_a_change_of_the_market() -> None:
    """By the currency's name; the amounts of its table are the same."""
    rates: dict[str, Any] = {"PL_currency": "PLN", "PL_c": 240.0, "PL_d": 170.0}
    before = answer_of(asked(), table(plan_currencies={"PLN": 0.23}, **rates), None)
    answer = after(table(plan_currencies={"PLN": 0.4}, **rates), before)
    assert "its table changed (rate of PLN 0.23 to 0.4)" in said(answer, "PL")
    assert "rate of PLN 0.23 to 0.4" in answer.why


def test_a_smaller_budget_is_named_and_why_one_market_gives_most_of_it() -> None:
    """With the marginal returns that the plan before had; no figure for what the budget takes."""
    answer = after(table(budget=650.0))
    assert "PL -143.88 to 146.12: the budget fell from 800 to 650, its last money gained least (0.0" in said(
        answer, "PL"
    )
    before = FIRST.allocation.markets
    assert before["PL"].marginal_return < min(before[code].marginal_return for code in ("ES", "IT"))
    assert "sure to pay" not in said(answer, "PL")
    assert "the budget fell from 800 to 650" in said(answer, "ES")
    assert "gained least" not in said(answer, "ES")
    larger = after(table(budget=850.0))
    assert "the budget rose from 800 to 850; all markets together get 50.00 more" in said(larger, "PL")


def test_a_smaller_budget_that_was_not_spent_is_no_cause() -> None:
    """The cap took the money, not the budget."""
    full = answer_of(asked(), table(budget=900.0, PL_spend_high=290.0), None)
    answer = after(table(budget=850.0, cap=340.0, PL_spend_high=290.0), full)
    assert "the cap of SOUTH fell" in said(answer, "ES")
    assert "budget fell" not in said(answer, "ES")


def test_money_that_would_buy_nothing_goes_without_a_figure() -> None:
    """PL has all there is to buy, and that became cheaper: no exchange, so no `0 % sure to pay`."""
    rich = answer_of(asked(), table(budget=1_500.0), None)
    answer = after(table(budget=1_500.0, PL_c=20.0, PL_spend_high=300.0), rich)
    pinned = after(table(budget=1_500.0, PL_c=20.0), rich, ES=0.4)
    for one in (answer, pinned):
        plan = one.allocation.markets["PL"]
        assert plan.marginal_return == 0
        assert plan.likely is None
        assert plan.idle == pytest.approx(0.0, abs=1e-6)
        assert "too uncertain" not in plan.reason
        assert "sure to pay" not in plan.reason


def test_weights_of_the_plan_are_named_where_money_moved() -> None:
    """Also with what is new about the users."""
    before = answer_of(asked(), table(cap=900.0), None)
    answer = after(table(cap=900.0, plan_satisfaction_weight=3.0), before)
    moved = [code for code, one in answer.allocation.markets.items() if abs(one.change) > 1]
    assert moved
    assert all("the plan changed (satisfaction_weight 1 to 3)" in said(answer, code) for code in moved)


def test_markets_that_come_and_go_are_named() -> None:
    """In their own sentence, in those of the others, and as a whole."""
    gone = after(table(without="AT"))
    assert {"AT": "AT -90.00 to 0.00: no longer in the table"} == gone.allocation.lost
    assert "PL +90.00 to 380.00: AT is no longer in the table; taken from AT (-90.00)" in said(gone, "PL")
    assert "AT dropped" in gone.why
    back = after(table(), gone)
    assert "AT is new in the table; goes to AT (+90.00)" in said(back, "PL")
    assert "AT added" in back.why
    assert {} == back.allocation.lost
    grown = after(table(SE_spend_low=30.0))
    assert "new in the table, no users heard yet" in said(grown, "SE")


def test_every_lost_market_has_a_sentence_and_its_reason() -> None:
    """Many at once; excluded and not legally ready ones as such."""
    codes = re.findall("..", "BEBGCHCYCZDKEEFIGRHRHUIEISLTLULVMDMEMKMTNORORSSESISKTRUA")
    bounds: dict[str, Any] = {f"{code}_spend_low": 30.0 for code in codes}
    many = answer_of(asked(), table(budget=2_000.0, **bounds), None)
    rest = after(table(budget=2_000.0, BE_status="excluded", BG_status="candidate", BG_legal_ready=False), many)
    assert {*codes} == {*rest.allocation.lost}
    assert rest.allocation.lost["BE"].endswith(" to 0.0: excluded by the table")
    assert rest.allocation.lost["BG"].endswith(" to 0.0: not legally ready, so nothing new")
    assert rest.allocation.lost["CZ"].endswith(" to 0.0: no longer in the table")
    assert len(rest.why) <= LONGEST_WHY
    assert " more" in rest.why


def test_change_limits_that_keep_money_are_named_and_when_more_may_go() -> None:
    """As a whole: how much, of which markets, until when."""
    small = answer_of(asked(), table(budget=200.0, cap=900.0), None)
    answer = after(table(budget=800.0, cap=900.0), small)
    unspent = answer.allocation.budget - answer.allocation.spent
    assert f"{unspent:.2f} of 800.00 unspent: change limits of ES, IT, PL, pins of AT" in answer.why
    assert answer.why.endswith("; answers 24 h from now or later may go further")
    assert "budget 200 to 800" in answer.why
    assert len(answer.why) <= LONGEST_WHY


def test_a_rejected_answer_between_changes_nothing_of_what_is_compared() -> None:
    """The table of the last adopted answer counts; what is rejected keeps none."""
    rejected = after(table(budget=801.0))
    assert ("within_dead_band", None) == (rejected.status, rejected.basis)
    assert "the budget fell from 800 to 650" in said(after(table(budget=650.0)), "PL")


def test_an_answer_from_a_decoded_record_is_the_same_bytes() -> None:
    """As a replay has it, whose allocation before comes from the journal."""
    portfolio = table(budget=650.0, cap=340.0, PL_c=110.0, plan_weights=[0.4, 0.2, 0.2, 0.2])
    decoded = msgspec.json.decode(encode(FIRST), type=AllocationRecord)
    assert encode(after(portfolio)) == encode(after(portfolio, decoded))
    again = answer_of(asked(), portfolio, None)
    unchanged = after(portfolio, msgspec.json.decode(encode(again), type=AllocationRecord), PL=0.2)
    assert "table changed:" not in unchanged.why


@pytest.mark.parametrize("code", ["ES", "PL"])
def test_sentences_stay_short_when_everything_changes(code: str) -> None:
    """At most 400 characters, whole clauses."""
    portfolio = table(650.0, 340.0, "AT", PL_c=110.0, ES_d=90.0, SE_spend_low=20.0, plan_rho=3.0, plan_theta=0.5)
    answer = after(portfolio, ES=0.3, PL=0.8)
    assert answer.adopted
    assert len(said(answer, code)) <= LONGEST
    assert len(answer.why) <= LONGEST_WHY
    assert re.search(r"the (budget|cap of SOUTH) fell from \d+ to \d+ \([+-]", said(answer, code))


def test_what_holds_a_market_is_named_however_long_its_sentence_gets() -> None:
    """Rather than where its money came from: else it would look as if nothing held it."""
    costs = {f"{code}_d": 70.0 for code in ("ES", "IT", "PL")}
    limits = {"plan_change_limit_share": 0.1, "plan_change_limit_floor": 2.0}
    answer = after(table(1_400.0, 1_200.0, **costs, **limits), ES=0.2, PL=0.9, IT=0.75)
    held = {code: one for code, one in answer.allocation.markets.items() if "change limit up" in one.binding}
    assert {"ES", "IT", "PL"} <= held.keys()
    for one in held.values():
        assert len(one.reason) <= LONGEST
        assert "may not rise further within 24 h (change limit)" in one.reason
    assert any("all markets together" not in one.reason for one in held.values())


def test_a_market_that_nothing_holds_and_nothing_moves_says_why_it_stays() -> None:
    """It has what does most good; one at a limit names the limit."""
    same = after(table())
    assert f"PL unchanged at {same.spend['PL']:.2f}: no other spend would gain more" == said(same, "PL")
    assert "no other spend" not in said(same, "AT")


def test_a_currency_that_is_the_plans_is_no_change() -> None:
    """Published markets name it, those of a file do not."""
    named = {f"{code}_currency": "EUR" for code in MARKETS}
    answer = after(table(650.0, **named))
    assert "table changed: budget 800 to 650" in answer.why
    assert "currency" not in answer.why + said(answer, "PL")
    back = after(table(800.0), answer)
    assert "currency" not in back.why + said(back, "PL")
