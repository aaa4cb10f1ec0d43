"""What earlier plans did: the cost of satisfaction, estimated anew from what u was after money went into quality.

A plan that pays quality Q_i in a period expects d phi(y) + (l/2) y = Q, u rising to u + y (1 - u). Whether it did is
seen when u is measured again. d is known up to a factor exp(k_i): k_i ~ normal around a common k (standard deviation
SPREAD), which is normal around 0 (standard deviation 1); the measured u around the expected one with its sampling
error and DRIFT, what else moves u. Penetration is not measured, so nothing is learnt of c. Proposals only: an operator
adopts them or not.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np

from marketpulse.contract.allocation import Allocation
from marketpulse.contract.portfolio import Portfolio
from marketpulse.contract.units import DAY_MS
from strategy.objective import Y_CAP, Vector
from strategy.portfolio import in_plan_currency

SPREAD = 0.5
DRIFT = 0.03
LEAST_DAYS = 1.0
FACTORS = np.linspace(-3.0, 3.0, 241)


class Outcome(msgspec.Struct, frozen=True):
    """Between two measurements of u: money that went into quality, and both measurements with their events."""

    market: str
    days: float
    quality: float
    u_before: float
    u_after: float
    n_before: int
    n_after: int


class Proposal(msgspec.Struct, frozen=True):
    """What d of a market seems to be, with its 95 % interval, beside what the table says; from so many outcomes.

    clear: whether the table's value lies outside the interval.
    """

    market: str
    d: float
    proposed: float
    low: float
    high: float
    outcomes: int
    clear: bool


def outcomes_of(answers: Iterable[tuple[int, Allocation]], period_days: float) -> list[Outcome]:
    """Outcomes at least LEAST_DAYS long, from all answers in the order of their times (epoch ms), adopted or not.

    Every answer measures u; the adopted one before it says what is spent per period meanwhile.
    """
    found = []
    begun: dict[str, tuple[int, float, int]] = {}  # market -> time, u, n
    money: dict[str, float] = {}
    spending: Mapping[str, float] = {}
    last: int | None = None
    for at, answer in answers:
        share = 0.0 if last is None else (at - last) / DAY_MS / period_days
        for market, rate in spending.items():
            money[market] = money.get(market, 0.0) + rate * share
        last = at
        for market, plan in answer.markets.items() if answer.certificate is not None else ():
            if plan.u is None or not plan.n:
                continue
            if market not in begun:
                begun[market], money[market] = (at, plan.u, plan.n), 0.0
                continue
            since, u, n = begun[market]
            days = (at - since) / DAY_MS
            if days >= LEAST_DAYS:
                found.append(Outcome(market, days, money.get(market, 0.0), u, plan.u, n, plan.n))
                begun[market], money[market] = (at, plan.u, plan.n), 0.0
        if answer.adopted:
            spending = {market: plan.quality for market, plan in answer.markets.items()}
    return found


def propose(portfolio: Portfolio, outcomes: Sequence[Outcome]) -> list[Proposal]:
    """d of every market with outcomes, shrunk towards what all markets together say; in the plan's currency."""
    portfolio = in_plan_currency(portfolio)
    evidence: dict[str, Vector] = {}
    counts: dict[str, int] = {}
    for one in outcomes:
        market = portfolio.markets.get(one.market)
        if market is None or market.d <= 0 or one.quality <= 0:
            continue
        expected = one.u_before + _bought(market.d, market.l / 2, one.quality) * (1 - one.u_before)
        spread = DRIFT**2 + _variance(one.u_before, one.n_before) + _variance(one.u_after, one.n_after)
        fit = -((one.u_after - expected) ** 2) / (2 * spread)
        evidence[one.market] = evidence.get(one.market, np.zeros(len(FACTORS))) + fit
        counts[one.market] = counts.get(one.market, 0) + 1
    if not evidence:
        return []
    near = -((FACTORS[:, None] - FACTORS) ** 2) / (2 * SPREAD**2)  # k_i by row, common k by column
    common = -(FACTORS**2) / 2
    for fit in evidence.values():
        common = common + np.log(np.exp(near + fit[:, None] - fit.max()).sum(axis=0))
    found = []
    for name, fit in sorted(evidence.items()):
        # without this market's own evidence, which must not count twice
        others = common - np.log(np.exp(near + fit[:, None] - fit.max()).sum(axis=0))
        prior = np.log(np.exp(near + (others - others.max())[None, :]).sum(axis=1))
        weight = np.exp(prior + fit - (prior + fit).max())
        weight /= weight.sum()
        low, high = np.interp([0.025, 0.975], np.cumsum(weight), FACTORS)
        d = portfolio.markets[name].d
        proposed = d * float(np.exp((weight * FACTORS).sum()))
        clear = not low <= 0 <= high
        found.append(Proposal(name, d, proposed, d * float(np.exp(low)), d * float(np.exp(high)), counts[name], clear))
    return found


def _bought(d: float, half_legal: float, money: float) -> Vector:
    """y (factors,) with d exp(k) phi(y) + (l/2) y = money, for every factor k."""
    low, high = np.zeros(len(FACTORS)), np.full(len(FACTORS), Y_CAP)
    for _ in range(50):
        middle = (low + high) / 2
        fits = -d * np.exp(FACTORS) * np.log1p(-middle) + half_legal * middle <= money
        low, high = np.where(fits, middle, low), np.where(fits, high, middle)
    return low


def _variance(u: float, n: int) -> float:
    return max(u * (1 - u), 0.01) / max(n, 1)
