"""How fast the allocator is, beside a general solver on the same decisions in the same run."""

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import msgspec
import numpy as np
from scipy.optimize import Bounds, NonlinearConstraint, minimize

from marketpulse.contract.allocation import Certificate
from marketpulse.contract.portfolio import Portfolio
from strategy.allocate import allocate
from strategy.certificate import certify
from strategy.objective import LEAST_LEFT, Terms, Vector
from strategy.portfolio import load_portfolio
from strategy.problem import Problem
from strategy.water_filling import fill

SIZES = (10, 100, 249, 1_000)
ROUNDS = 15


def bench_allocate(rounds: int = ROUNDS, slsqp_markets: int = 100) -> dict[str, object]:
    """Milliseconds (median) for solving with proof, and for whole answers with a sentence per market, by number of
    markets; and the ratio to SLSQP with analytic gradients.

    Args:
        rounds: decisions per size.
        slsqp_markets: size at which both are compared, in turn, on the same decisions.
    """
    result: dict[str, object] = {}
    for size in SIZES:
        problems = [random_decision(seed, size) for seed in range(rounds)]
        times = [_timed(partial(_proven, problem)) for problem in problems]
        result[f"milliseconds_{size}"] = round(1e3 * statistics.median(times), 3)
    for size in SIZES[2:]:
        portfolio = _many(size)
        u = dict.fromkeys(portfolio.markets, 0.6)
        times = [_timed(partial(allocate, portfolio, u, {})) for _ in range(rounds)]
        result[f"answer_milliseconds_{size}"] = round(1e3 * statistics.median(times), 3)
    ratios = []
    for seed in range(3):
        problem = random_decision(seed, slsqp_markets)
        ours = min(_timed(partial(_proven, problem)) for _ in range(5))
        ratios.append(_timed(partial(slsqp, problem)) / ours)
    return result | {
        "slsqp_markets": slsqp_markets,
        "times_faster_than_slsqp": round(statistics.median(ratios), 1),
        "worst_gap": max(
            certify(one, fill(one)).duality_gap for one in (random_decision(s, 249) for s in range(rounds))
        ),
    }


def random_decision(seed: int, markets: int) -> Problem:
    """Markets of founding-table costs and values, half of the money that would buy everything, three regions."""
    rng = np.random.default_rng(seed)
    u, p0, p_max = rng.uniform(0.1, 0.9, markets), np.full(markets, 0.05), np.full(markets, 0.6)
    worth = 10 ** rng.uniform(0, 2, markets)
    value = np.stack([worth * u * 0.55, worth * (1 - u)])
    log = np.stack([rng.uniform(60, 100, markets), rng.uniform(30, 60, markets)])
    linear = np.stack([rng.uniform(20, 40, markets), rng.uniform(7, 18, markets)])
    terms = Terms(tuple(f"{at:04}" for at in range(markets)), value, log, linear, p0, p_max, u)
    budget = 200.0 * markets
    low = np.where(rng.random(markets) < 0.2, rng.uniform(0, 40, markets), 0.0)
    high = np.where(rng.random(markets) < 0.2, low + rng.uniform(50, 200, markets), budget)
    nothing = np.zeros(markets)
    caps = np.array([0.4 * budget, 0.3 * budget, 0.2 * budget, np.inf])
    return Problem(terms, low, high, nothing, np.zeros(markets, np.bool_), rng.integers(0, 4, markets), caps, budget)


def _many(markets: int) -> Portfolio:
    """The shipped table's markets, again and again with other populations, and their budget."""
    shipped, rng = load_portfolio(), np.random.default_rng(0)
    rows = list(shipped.markets.values())
    populations = 10 ** rng.uniform(6, 9, markets)
    plan = msgspec.structs.replace(shipped.plan, budget=200.0 * markets)
    return Portfolio(
        plan,
        {f"{at:04}": msgspec.structs.replace(rows[at % len(rows)], population=float(populations[at]))
         for at in range(markets)},
    )  # fmt: skip


def slsqp(problem: Problem) -> float:
    """The same decision by SciPy's SLSQP over phi(z) and phi(y), in which everything is smooth; the gain it finds."""
    problem = replace(problem, low=np.zeros(len(problem.low)))
    terms, n = problem.terms, len(problem.low)
    regions = [(problem.region == at).astype(float) for at in range(len(problem.caps) - 1)]
    rows = np.array([np.ones(n), *regions, *np.eye(n)])
    limits = np.array([problem.budget, *problem.caps[:-1], *problem.high])

    def loss(x: Vector) -> float:
        return -float(terms.gains(np.exp(-x.reshape(2, n))).sum())

    def gradient(x: Vector) -> Vector:
        result: Vector = -(terms.value * np.exp(-x.reshape(2, n))).ravel()
        return result

    def rest(x: Vector) -> Vector:
        result: Vector = limits - rows @ terms.costs(np.exp(-x.reshape(2, n))).sum(axis=0)
        return result

    def rest_gradient(x: Vector) -> Vector:
        steep = terms.log + terms.linear * np.exp(-x.reshape(2, n))
        return -np.hstack([rows * steep[0], rows * steep[1]])

    most = np.repeat(-np.log(LEAST_LEFT[:, 0]), n)
    found = minimize(
        loss,
        np.full(2 * n, 0.05),
        jac=gradient,
        bounds=Bounds(np.zeros(2 * n), most),
        constraints=NonlinearConstraint(rest, 0, np.inf, jac=rest_gradient),
        method="SLSQP",
        options={"maxiter": 300},
    )
    return -float(found.fun)


def _proven(problem: Problem) -> Certificate:
    return certify(problem, fill(problem))


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
