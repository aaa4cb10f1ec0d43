"""Learning from outcomes: what is true is found, little evidence says little, nothing is adopted."""

import msgspec
import numpy as np
import pytest

from marketpulse.contract.units import DAY_MS
from strategy.allocate import allocate
from strategy.learning import Outcome, outcomes_of, propose
from strategy.objective import Y_CAP
from strategy.portfolio import load_portfolio
from strategy.uncertainty import Precision

PORTFOLIO = load_portfolio()
U = dict.fromkeys(PORTFOLIO.markets, 0.6)


def outcome(market: str, factor: float, money: float, rng: np.random.Generator, n: int = 2_000) -> Outcome:
    """What follows when d is really `factor` times the table's."""
    one = PORTFOLIO.markets[market]
    grid = np.linspace(0, Y_CAP, 20_001)
    y = grid[np.searchsorted(factor * one.d * -np.log1p(-grid) + one.l / 2 * grid, money) - 1]
    after = 0.5 + y * 0.5 + float(rng.normal(0, 0.03))
    return Outcome(market, 5.0, money, 0.5, float(np.clip(after, 0, 1)), n, n)


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_what_is_true_is_found(factor: float) -> None:
    """Forty outcomes per market: the interval holds the truth for nearly every market, and is narrow."""
    rng = np.random.default_rng(5)
    outcomes = [outcome(code, factor, float(rng.uniform(10, 60)), rng) for code in PORTFOLIO.markets for _ in range(40)]
    proposals = propose(PORTFOLIO, outcomes)
    assert [40] * 10 == [one.outcomes for one in proposals]
    assert sum(one.low <= factor * one.d <= one.high for one in proposals) >= 9
    assert all(pytest.approx(factor * one.d, rel=0.15) == one.proposed for one in proposals)
    assert (factor != 1.0) == any(one.clear for one in proposals)


def test_little_evidence_says_little() -> None:
    """One outcome leaves a wide interval, and a market's neighbours speak for it; no outcome, no proposal."""
    rng = np.random.default_rng(1)
    [alone] = propose(PORTFOLIO, [outcome("BR", 2.0, 30.0, rng)])
    others = [outcome(code, 2.0, 30.0, rng) for code in ("CN", "US", "IN", "DE") for _ in range(20)]
    with_others, *known = propose(PORTFOLIO, [*others, outcome("BR", 2.0, 30.0, rng)])
    assert ("BR", 1) == (with_others.market, with_others.outcomes)
    assert alone.high / alone.low > 2 * max(one.high / one.low for one in known)
    assert with_others.low > alone.low
    assert [] == propose(PORTFOLIO, [])
    assert [] == propose(PORTFOLIO, [msgspec.structs.replace(others[0], quality=0.0)])


def test_outcomes_come_from_the_answers_kept() -> None:
    """u of one answer, the quality money of the adopted plan until the next measurement, and u of that one."""
    precision = Precision(dict.fromkeys(U, 500), {}, {})
    first = allocate(PORTFOLIO, U, {}, None, precision)
    second = allocate(PORTFOLIO, U | {"BR": 0.7}, {}, first.markets, precision)
    soon = allocate(PORTFOLIO, U | {"BR": 0.65}, {}, first.markets, precision)
    found = {one.market: one for one in outcomes_of([(0, first), (DAY_MS // 4, soon), (3 * DAY_MS, second)], 30.0)}
    assert set(PORTFOLIO.markets) == set(found)
    rates = (first.markets["BR"].quality, (soon if soon.adopted else first).markets["BR"].quality)
    assert (
        Outcome("BR", 3.0, pytest.approx((0.25 * rates[0] + 2.75 * rates[1]) / 30), 0.6, 0.7, 500, 500) == found["BR"]
    )
