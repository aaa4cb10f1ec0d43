"""The allocator: the founding figures, its laws, its certificate, an oracle."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from strategy.allocate import Allocation, allocate
from strategy.costs import entry_money, entry_ranking_cost
from strategy.errors import BadMetrics, BadPortfolio
from strategy.objective import terms_of
from strategy.portfolio import Portfolio, load_portfolio, portfolio_of

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
    shuffled = msgspec.structs.replace(PORTFOLIO, markets={code: PORTFOLIO.markets[code] for code in sorted(order)})
    assert allocate(PORTFOLIO, u, R) == allocate(shuffled, {code: u[code] for code in order}, R)


@settings(max_examples=20, deadline=None)
@given(METRICS)
def test_the_change_limit_holds(u: dict[str, float]) -> None:
    """No market moves by more than max(20, half of what it had)."""
    before = allocate(PORTFOLIO, U, R)
    for code, one in allocate(PORTFOLIO, u, R, before.markets).markets.items():
        assert abs(one.change) <= max(20.0, 0.5 * before.markets[code].spend) + 1e-6


@pytest.mark.parametrize("seed", range(5))
def test_no_general_solver_finds_a_better_plan(seed: int) -> None:
    """SLSQP over z and y, started from our answer and from afar, does not beat it."""
    rng = np.random.default_rng(seed)
    u = {code: float(rng.uniform(0.1, 0.9)) for code in CODES}
    answer = allocate(PORTFOLIO, u, R)
    terms = terms_of(PORTFOLIO, CODES, u, R)
    n = len(CODES)

    def loss(x: np.ndarray) -> float:
        return -float(terms.gain(x[:n], x[n:]).sum())

    def rest(x: np.ndarray) -> float:
        return PORTFOLIO.plan.budget - float((terms.promotion(x[:n]) + terms.quality(x[n:])).sum())

    bounds = [(0, 0.99)] * n + [(0, 0.95)] * n
    found = minimize(
        loss, np.full(2 * n, 0.1), bounds=bounds, constraints={"type": "ineq", "fun": rest}, method="SLSQP"
    )
    assert -found.fun <= answer.gain * (1 + 1e-6)


def test_within_the_dead_band_the_previous_plan_stays() -> None:
    """A change too small to be worth moving money is rejected and says so."""
    before = allocate(PORTFOLIO, U, R)
    answer = allocate(PORTFOLIO, U | {"BR": 0.655}, R, before.markets)
    assert ("within_dead_band", False) == (answer.status, answer.adopted)
    assert "dead-band" in answer.why


def test_an_infeasible_plan_names_the_nearest_budget() -> None:
    """Lower bounds beyond the budget: nothing is adopted, and the message says what would do."""
    answer: Allocation = allocate(with_market("BR", spend_low=2_500.0, spend_high=3_000.0), U, R)
    assert not answer.adopted or answer.spent <= 2_000


def test_a_candidate_enters_only_when_it_pays() -> None:
    """Entry money is paid out of the budget; a market nobody lives in does not enter."""
    poor = with_market("BR", status="candidate", population=1.0, income=1.0)
    assert "BR" not in allocate(poor, U, R).markets
    cheap = with_market("CN", status="candidate", c=1.0, d=1.0, l=0.0, f=0.0, o=0.0)
    assert 2.0 == allocate(cheap, U, R).markets["CN"].entry


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.1, 1.1])
def test_a_metric_that_is_none_is_refused(value: float) -> None:
    """NaN, infinite or out of range: a coded error, never a plan."""
    with pytest.raises(BadMetrics, match="u of BR"):
        allocate(PORTFOLIO, U | {"BR": value}, R)


def test_a_wrong_table_is_refused_with_its_field() -> None:
    """Unknown and missing fields are named."""
    with pytest.raises(BadPortfolio, match="nonsense"):
        portfolio_of({"markets": {"BR": {"nonsense": 1}}})
