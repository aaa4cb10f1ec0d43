"""The allocator: the founding figures, every kind of constraint, what it says, what it holds back."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketpulse.contract.allocation import Allocation
from marketpulse.contract.portfolio import Portfolio
from strategy.allocate import allocate
from strategy.bounds import UNHEARD
from strategy.costs import entry_money, entry_ranking_cost
from strategy.errors import BadMetrics, BadPortfolio
from strategy.portfolio import MONEY, load_portfolio, portfolio_of
from strategy.uncertainty import Precision

PORTFOLIO = load_portfolio()
CODES = tuple(PORTFOLIO.markets)
U = dict.fromkeys(CODES, 0.66)
R: dict[str, float | None] = dict.fromkeys(CODES, 0.02)
METRICS = st.fixed_dictionaries({code: st.floats(0, 1) for code in CODES})
GROWTH = st.fixed_dictionaries({code: st.none() | st.floats(-1, 1) for code in CODES})


def with_plan(**changes: object) -> Portfolio:
    return msgspec.structs.replace(PORTFOLIO, plan=msgspec.structs.replace(PORTFOLIO.plan, **changes))


def with_market(code: str, **changes: object) -> Portfolio:
    market = msgspec.structs.replace(PORTFOLIO.markets[code], **changes)
    return msgspec.structs.replace(PORTFOLIO, markets=PORTFOLIO.markets | {code: market})


def test_the_founding_figures_of_the_plan() -> None:
    """Marginal value of budget and spend at u = .66 and r = .02 everywhere."""
    expected = {
        "CN": 299.3, "US": 273.5, "IN": 215.3, "BR": 117.3, "DE": 206.9,
        "JP": 237.6, "GB": 184.0, "FR": 190.0, "ID": 109.2, "RU": 167.0,
    }  # fmt: skip
    answer = allocate(PORTFOLIO, U, R)
    assert pytest.approx(0.04826, abs=1e-5) == answer.marginal_value_of_budget
    assert expected == {code: round(answer.markets[code].spend, 1) for code in expected}


def test_an_unhappy_market_gets_quality_instead_of_promotion() -> None:
    """BR's u falling to .46 moves it from promotion 51.9 + quality 65.4 to 0 + 93.3."""
    before, after = allocate(PORTFOLIO, U, R).markets["BR"], allocate(PORTFOLIO, U | {"BR": 0.46}, R).markets["BR"]
    assert (51.9, 65.4) == (round(before.promotion, 1), round(before.quality, 1))
    assert (0.0, 93.3) == (round(after.promotion, 1), round(after.quality, 1))


def test_a_growing_market_gets_promotion() -> None:
    """US with r = .1 goes from promotion 176.5 to 186.3."""
    before, after = allocate(PORTFOLIO, U, R).markets["US"], allocate(PORTFOLIO, U, R | {"US": 0.1}).markets["US"]
    assert (176.5, 186.3) == (round(before.promotion, 1), round(after.promotion, 1))


def test_the_founding_figures_of_the_costs() -> None:
    """J ranks: BR 280, CN 450, US 540, IN 1,080, GB 1,050, together 3,400; without weights 1,165."""
    five = [PORTFOLIO.markets[code] for code in ("BR", "CN", "US", "IN", "GB")]
    assert [280, 450, 540, 1080, 1050] == [entry_ranking_cost(market) for market in five]
    assert 1165 == sum(entry_money(market) for market in five)


@settings(max_examples=40, deadline=None)
@given(METRICS, GROWTH, st.floats(50, 5_000))
def test_every_answer_carries_its_proof(u: dict[str, float], r: dict[str, float | None], budget: float) -> None:
    """Within budget and bounds, stationary, gap at most 1e-8 of the gain."""
    answer = allocate(with_plan(budget=budget), u, r)
    assert answer.certificate is not None
    assert answer.certificate.overspent <= 1e-6
    assert answer.certificate.kkt_residual <= 1e-6
    assert answer.certificate.duality_gap <= 1e-8
    assert answer.spent <= budget + 1e-6


@settings(max_examples=20, deadline=None)
@given(METRICS, st.floats(100, 3_000), st.floats(1, 500))
def test_more_budget_never_hurts(u: dict[str, float], budget: float, more: float) -> None:
    """The gain grows with the budget."""
    gains = [allocate(with_plan(budget=one), u, {}).gain for one in (budget, budget + more)]
    assert gains[1] >= gains[0] - 1e-9


@settings(max_examples=20, deadline=None)
@given(METRICS, st.permutations(CODES))
def test_the_order_of_markets_changes_nothing(u: dict[str, float], order: list[str]) -> None:
    """Bit for bit."""
    shuffled = msgspec.structs.replace(PORTFOLIO, markets={code: PORTFOLIO.markets[code] for code in order})
    assert allocate(PORTFOLIO, u, R) == allocate(shuffled, {code: u[code] for code in order}, R)


@settings(max_examples=20, deadline=None)
@given(METRICS)
def test_the_change_limit_holds(u: dict[str, float]) -> None:
    """No market moves by more than max(20, half of what it had)."""
    before = allocate(PORTFOLIO, U, R)
    for code, one in allocate(PORTFOLIO, u, R, before.markets).markets.items():
        assert abs(one.change) <= max(20.0, 0.5 * before.markets[code].spend) + 1e-6


def test_within_the_dead_band_the_previous_plan_stays() -> None:
    """A change too small to be worth moving money is rejected and says so."""
    before = allocate(PORTFOLIO, U, R)
    answer = allocate(PORTFOLIO, U | {"BR": 0.655}, R, before.markets)
    assert ("within_dead_band", False) == (answer.status, answer.adopted)
    assert "dead-band" in answer.why


def test_an_infeasible_plan_names_the_clash_and_the_nearest_budget() -> None:
    """A lower bound beyond the budget: nothing is adopted; with the budget named, a plan is."""
    greedy = with_market("BR", spend_low=2_500.0, spend_high=3_000.0)
    answer = allocate(greedy, U, R)
    assert ("infeasible", False) == (answer.status, answer.adopted)
    assert "lower bound of BR (2,500.0)" in answer.why
    assert answer.why.endswith("the nearest feasible budget is 2,500.0")
    enough = msgspec.structs.replace(greedy, plan=msgspec.structs.replace(greedy.plan, budget=2_500.0))
    assert "optimal" == allocate(enough, U, R).status


def test_a_change_limit_that_keeps_too_much_is_named() -> None:
    """Half of the previous spend must stay: a third of the budget cannot hold it."""
    before = allocate(PORTFOLIO, U, R)
    answer = allocate(with_plan(budget=700.0), U, R, before.markets)
    assert "infeasible" == answer.status
    assert "the change limit's least of BR (58.6)" in answer.why
    assert before.markets == answer.markets


def test_a_region_that_cannot_hold_its_pinned_markets_is_named() -> None:
    """The cap that would do is named."""
    portfolio = with_plan(regions={"EU": 100.0})
    markets = {code: msgspec.structs.replace(one, region="EU", pinned=80.0) for code, one in PORTFOLIO.markets.items()
               if code in ("DE", "FR")}  # fmt: skip
    answer = allocate(msgspec.structs.replace(portfolio, markets=portfolio.markets | markets), U, R)
    assert "pinned of DE (80.0), FR (80.0) need 160.0 of the cap of 100.0 of region EU" in answer.why
    assert "the nearest feasible cap is 160.0" in answer.why


def test_a_regional_cap_holds_and_has_a_price() -> None:
    """DE, FR and GB share 300; what the cap costs is said, and the money goes elsewhere."""
    europe = ("DE", "FR", "GB")
    markets = {code: msgspec.structs.replace(PORTFOLIO.markets[code], region="EU") for code in europe}
    plan = msgspec.structs.replace(PORTFOLIO.plan, regions={"EU": 300.0})
    answer = allocate(Portfolio(plan, PORTFOLIO.markets | markets), U, R)
    assert pytest.approx(300.0) == sum(answer.markets[code].spend for code in europe)
    assert pytest.approx(2_000.0) == answer.spent
    assert answer.marginal_value_of_caps["EU"] > 0
    assert ("cap of EU",) == answer.markets["DE"].binding
    assert answer.markets["CN"].spend > 299.3


def test_pinned_and_legally_unready_markets_are_what_they_are() -> None:
    """Whatever the change limit says; a candidate without legal readiness does not enter."""
    before = allocate(PORTFOLIO, U, R)
    changed = {
        "BR": msgspec.structs.replace(PORTFOLIO.markets["BR"], pinned=400.0),
        "CN": msgspec.structs.replace(PORTFOLIO.markets["CN"], legal_ready=False),
        "US": msgspec.structs.replace(PORTFOLIO.markets["US"], legal_ready=False, status="candidate", spend_low=0.0),
    }
    answer = allocate(msgspec.structs.replace(PORTFOLIO, markets=PORTFOLIO.markets | changed), U, R, before.markets)
    assert (400.0, 0.0) == (answer.markets["BR"].spend, answer.markets["CN"].spend)
    assert (("pinned",), ("not legally ready",)) == (answer.markets["BR"].binding, answer.markets["CN"].binding)
    assert "US" not in answer.markets


def test_what_is_spent_already_is_a_floor_and_the_rest_is_left() -> None:
    """Within a period a new plan spends what is left; money gone in an excluded market is gone."""
    gone = {
        "BR": msgspec.structs.replace(PORTFOLIO.markets["BR"], spent=150.0),
        "RU": msgspec.structs.replace(PORTFOLIO.markets["RU"], spent=40.0, status="excluded"),
    }
    answer = allocate(msgspec.structs.replace(PORTFOLIO, markets=PORTFOLIO.markets | gone), U, R)
    assert (150.0, 0.0, ("already spent",)) == (
        answer.markets["BR"].spend, answer.markets["BR"].left, answer.markets["BR"].binding
    )  # fmt: skip
    assert pytest.approx(2_000.0) == answer.spent
    assert pytest.approx(1_960.0) == sum(one.spend for one in answer.markets.values())


def test_below_its_minimum_viable_spend_a_market_gets_nothing() -> None:
    """BR is worth 117: a minimum of 130 is met or not at all, whichever gains more."""
    spends = {minimum: allocate(with_market("BR", spend_minimum=minimum), U, R).markets["BR"].spend
              for minimum in (100.0, 130.0, 900.0)}  # fmt: skip
    assert pytest.approx(117.3, abs=0.1) == spends[100.0]
    assert pytest.approx(130.0) == spends[130.0]
    assert 0.0 == spends[900.0]


def test_money_in_another_currency_is_converted() -> None:
    """The same market told in euros gets the same plan; a currency without a rate is refused by name."""
    told = {name: value / 0.8 for name in MONEY if (value := getattr(PORTFOLIO.markets["DE"], name)) is not None}
    euros = msgspec.structs.replace(PORTFOLIO.markets["DE"], currency="EUR", **told)
    portfolio = Portfolio(
        msgspec.structs.replace(PORTFOLIO.plan, currencies={"EUR": 0.8}), PORTFOLIO.markets | {"DE": euros}
    )
    assert pytest.approx(206.9, abs=0.1) == allocate(portfolio, U, R).markets["DE"].spend
    with pytest.raises(BadPortfolio, match=r"DE.*EUR.*no rate"):
        allocate(Portfolio(PORTFOLIO.plan, portfolio.markets), U, R)


def test_a_candidate_enters_only_when_it_pays() -> None:
    """Entry money is paid out of the budget; a market nobody lives in does not enter."""
    poor = with_market("BR", status="candidate", population=1.0, income=1.0)
    assert "BR" not in allocate(poor, U, R).markets
    cheap = with_market("CN", status="candidate", c=1.0, d=1.0, l=0.0, f=0.0, o=0.0)
    assert 2.0 == allocate(cheap, U, R).markets["CN"].entry


def test_the_change_of_a_market_that_is_new_is_all_of_its_money() -> None:
    """Of a first plan nothing is a change."""
    before = allocate(with_market("CN", status="excluded"), U, R)
    entered = allocate(PORTFOLIO, U, R, before.markets).markets["CN"]
    assert entered.change == entered.spend > 0
    assert {0.0} == {one.change for one in before.markets.values()}


def test_uncertain_moves_are_held_back_and_sure_ones_are_not() -> None:
    """BR's fall is certain and its money moves to quality; nobody else's move is worth its doubt in full."""
    before = allocate(PORTFOLIO, U, R)
    sure = Precision({"BR": 3_310}, dict.fromkeys(CODES, 0.01), dict.fromkeys(CODES, 0.01))
    answer = allocate(PORTFOLIO, U | {"BR": 0.46}, R, before.markets, sure)
    assert answer.uncertainty is not None
    assert answer.uncertainty.held
    assert answer.uncertainty.worst < answer.uncertainty.expected
    assert 1.0 == answer.markets["BR"].likely
    assert answer.markets["BR"].change < -10
    for code in answer.uncertainty.held:
        assert pytest.approx(0.0, abs=1e-6) == answer.markets[code].change
    said = answer.markets["BR"].reason
    assert said.startswith("BR -23.3 to 94.0: users unhappier (u .66 to .46, 3,310 events), so quality is worth more")


def test_a_new_floor_is_kept_however_little_it_moves() -> None:
    """A limit holds at once; without one the same change is not worth moving."""
    before = allocate(PORTFOLIO, U, R)
    spend = before.markets["BR"].spend
    for low, status in ((spend + 3, "optimal"), (spend - 3, "within_dead_band")):
        floor = msgspec.structs.replace(PORTFOLIO.markets["BR"], spend_low=low)
        portfolio = msgspec.structs.replace(PORTFOLIO, markets=PORTFOLIO.markets | {"BR": floor})
        answer = allocate(portfolio, U, R, before.markets)
        assert status == answer.status
        assert answer.markets["BR"].spend >= low - 1e-6


def test_growth_that_was_not_known_before_is_named() -> None:
    """It moved the money, and u, which hardly changed, did not."""
    before = allocate(PORTFOLIO, U, R | {"BR": None})
    answer = allocate(PORTFOLIO, U | {"BR": U["BR"] + 0.01}, R | {"BR": 0.1}, before.markets)
    assert "growth known now (.10 a day)" in answer.markets["BR"].reason


def test_a_robust_plan_has_the_better_worst_case_and_a_sampled_one_the_better_mean() -> None:
    """Over the same draws, for metrics of very different certainty."""
    errors = {code: 0.3 if code in ("CN", "US") else 0.01 for code in CODES}
    plans = {stance: allocate(PORTFOLIO, U, R, None, Precision({}, errors, {}), stance)
             for stance in ("point", "sampled", "robust")}  # fmt: skip
    known = {stance: one.uncertainty for stance, one in plans.items()}
    assert known["robust"].worst > known["point"].worst
    assert known["sampled"].expected >= known["point"].expected


def test_allocations_stored_before_these_fields_still_decode() -> None:
    """A plan without the newer fields is a previous plan like any other."""
    fields = (
        "spend",
        "promotion",
        "quality",
        "entry",
        "idle",
        "p",
        "q",
        "marginal_return",
        "change",
        "binding",
        "reason",
    )
    before = allocate(PORTFOLIO, U, R)
    old = msgspec.to_builtins(before)
    old = {
        name: old[name] for name in ("status", "adopted", "why", "budget", "spent", "gain", "marginal_value_of_budget")
    }
    old["markets"] = {
        code: {name: msgspec.to_builtins(getattr(one, name)) for name in fields} for code, one in before.markets.items()
    }
    decoded = msgspec.convert(old, Allocation)
    assert "within_dead_band" == allocate(PORTFOLIO, U, R, decoded.markets).status


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.1, 1.1])
def test_a_metric_that_is_none_is_refused(value: float) -> None:
    """NaN, infinite or out of range: a coded error, never a plan."""
    with pytest.raises(BadMetrics, match="u of BR"):
        allocate(PORTFOLIO, U | {"BR": value}, R)


def test_a_wrong_table_is_refused_with_its_field() -> None:
    """Unknown and missing fields are named."""
    with pytest.raises(BadPortfolio, match="nonsense"):
        portfolio_of({"markets": {"BR": {"nonsense": 1}}})


def test_a_market_that_nobody_hears_keeps_its_spend() -> None:
    """Whatever its numbers have become; not where the budget is too small for that, and never against a pin."""
    before = allocate(PORTFOLIO, U, R)
    quiet = {"BR": 0.2}
    moved = allocate(PORTFOLIO, U | quiet, R, before.markets)
    kept = allocate(PORTFOLIO, U | quiet | {"US": 0.5}, R, before.markets, unheard=("BR",))
    assert abs(moved.markets["BR"].change) > 1
    assert pytest.approx(0, abs=1e-6) == kept.markets["BR"].change
    assert (UNHEARD,) == kept.markets["BR"].binding
    assert abs(kept.markets["US"].change) > 1
    small = allocate(with_plan(budget=1_200.0), U, R, before.markets, unheard=tuple(U))
    assert "optimal" == small.status
    pinned = allocate(with_market("BR", pinned=100.0), U, R, before.markets, unheard=("BR",))
    assert 100.0 == pinned.markets["BR"].spend
