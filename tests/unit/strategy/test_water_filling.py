"""The solver: 1,000 random instances with their proof, its laws, and three general solvers that do not beat it."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, NonlinearConstraint, linprog, minimize

from strategy.certificate import certify
from strategy.objective import LEAST_LEFT, Terms
from strategy.problem import Problem
from strategy.water_filling import Filled, fill

SEEDS = st.integers(0, 2**32 - 1)
Make = Callable[..., Problem]


def gain(problem: Problem, filled: Filled) -> float:
    return float(problem.terms.gains(filled.left).sum())


def with_terms(problem: Problem, **rows: np.ndarray) -> Problem:
    return replace(problem, terms=replace(problem.terms, **rows))


@pytest.mark.parametrize("part", range(10))
def test_a_thousand_random_instances_carry_their_proof(random_problem: Make, part: int) -> None:
    """3 to 1,000 markets, all kinds of constraints: feasible, stationary, relative gap at most 1e-8."""
    rng = np.random.default_rng(part)
    for _ in range(100):
        problem = random_problem(rng, round(3 * (1000 / 3) ** rng.random()))
        proof = certify(problem, fill(problem))
        assert proof.overspent <= 1e-9
        assert proof.kkt_residual <= 1e-6
        assert proof.duality_gap <= 1e-8


def test_the_certificate_convicts_a_worse_plan(random_problem: Make) -> None:
    """Money moved from one market to another shows in the residual and in the gap."""
    problem = replace(random_problem(np.random.default_rng(3), 5, linear=False), low=np.zeros(5), high=np.full(5, 1e9))
    filled = fill(problem)
    order = np.argsort(filled.spend)
    spend = filled.spend.copy()
    spend[order[-1]] -= 0.2 * filled.spend[order[-1]]
    spend[order[0]] += 0.2 * filled.spend[order[-1]]
    pinned = replace(problem, low=spend, high=spend, budget=float(spend.sum()) * (1 + 1e-9), caps=np.full(6, np.inf))
    worse = fill(pinned)
    proof = certify(problem, replace(filled, spend=worse.spend, left=worse.left))
    assert proof.kkt_residual > 1e-3
    assert proof.duality_gap > 1e-6


@pytest.mark.parametrize("method", ["SLSQP", "trust-constr"])
@pytest.mark.parametrize("seed", range(3))
def test_no_general_solver_finds_a_better_plan(random_problem: Make, method: str, seed: int) -> None:
    """SciPy's solvers over z, y with analytic gradients, from afar: never better than 1e-8, and they come near."""
    problem = random_problem(np.random.default_rng(seed), 8, linear=False)
    terms, n = problem.terms, 8
    regions = [np.flatnonzero(problem.region == at) for at in range(len(problem.caps) - 1)]
    rows = np.array(
        [np.ones(n), *(np.isin(np.arange(n), one).astype(float) for one in regions), *np.eye(n), *-np.eye(n)]
    )
    limits = np.array([problem.budget, *problem.caps[:-1], *problem.high, *np.full(n, np.inf)])
    kept = np.isfinite(limits)  # lower bounds of spend may be idle: they only take money from the others
    rows, limits = rows[kept], limits[kept]

    # in t = phi(z), s = phi(y) everything is smooth: z = 1 - exp(-t), cost = c t + S (1 - exp(-t))
    def rest(x: np.ndarray) -> np.ndarray:
        return limits - rows @ terms.costs(np.exp(-x.reshape(2, n))).sum(axis=0)

    def rest_gradient(x: np.ndarray) -> np.ndarray:
        steep = terms.log + terms.linear * np.exp(-x.reshape(2, n))
        return -np.hstack([rows * steep[0], rows * steep[1]])

    def rest_curvature(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return np.diag((weights @ rows * terms.linear * np.exp(-x.reshape(2, n))).ravel())

    free = replace(problem, low=np.zeros(n))
    constraint = NonlinearConstraint(rest, 0, np.inf, jac=rest_gradient, hess=rest_curvature)
    found = minimize(
        lambda x: -float(terms.gains(np.exp(-x.reshape(2, n))).sum()),
        np.full(2 * n, 0.05),
        jac=lambda x: -(terms.value * np.exp(-x.reshape(2, n))).ravel(),
        bounds=Bounds(np.zeros(2 * n), np.repeat(-np.log(LEAST_LEFT), n)),
        constraints=[constraint if method == "trust-constr" else {"type": "ineq", "fun": rest, "jac": rest_gradient}],
        method=method,
        hess=(lambda x: np.diag((terms.value * np.exp(-x.reshape(2, n))).ravel())) if method != "SLSQP" else None,
        options={"maxiter": 1_000} | ({"ftol": 1e-12} if method == "SLSQP" else {}),
    )
    filled = fill(free)
    x = np.clip(found.x, 0, np.repeat(-np.log(LEAST_LEFT), n))
    theirs = float(terms.gains(np.exp(-x.reshape(2, n))).sum())
    ours, stolen = gain(free, filled), max(0.0, -float(rest(x).min()))
    assert stolen <= 1e-5
    assert theirs <= ours * (1 + 1e-8) + stolen * float(filled.own_price.sum())
    assert theirs >= ours * (1 - 1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_highs_on_an_outer_linearisation_is_an_upper_bound_that_we_reach(random_problem: Make, seed: int) -> None:
    """Cutting planes of the costs, solved by HiGHS until they are tight: the same gain to 1e-7."""
    problem = random_problem(np.random.default_rng(seed), 12)
    terms, n = problem.terms, 12
    # variables z, y, then the cost of each, then spend
    value = np.concatenate([terms.value.ravel(), np.zeros(3 * n)])
    spend = np.arange(4 * n, 5 * n)
    fixed = np.zeros((n + len(problem.caps), 5 * n))
    limits = np.zeros(n + len(problem.caps))
    for at in range(n):
        fixed[at, [2 * n + at, 3 * n + at]], fixed[at, spend[at]] = 1, -1
    for at in range(len(problem.caps) - 1):
        fixed[n + at, spend[problem.region == at]], limits[n + at] = 1, problem.caps[at]
    fixed[-1, spend], limits[-1] = 1, problem.budget
    cuts, heights = [], []
    at_points = np.zeros(2 * n)
    for _ in range(60):
        left = 1 - at_points.reshape(2, n)
        cost, steep = terms.costs(left).ravel(), (terms.log / left + terms.linear).ravel()
        for index in range(2 * n):
            row = np.zeros(5 * n)
            row[index], row[2 * n + index] = steep[index], -1
            cuts.append(row)
            heights.append(steep[index] * at_points[index] - cost[index])
        found = linprog(
            -value,
            A_ub=np.vstack([fixed, cuts]),
            b_ub=np.concatenate([limits, heights]),
            bounds=[*([(0, 0.99)] * n), *([(0, 0.95)] * n), *([(0, None)] * 2 * n),
                    *zip(problem.low, problem.high, strict=True)],
            method="highs",
        )  # fmt: skip
        at_points = found.x[: 2 * n]
    ours = gain(problem, fill(problem))
    assert -found.fun >= ours * (1 - 1e-8)
    assert -found.fun <= ours * (1 + 1e-7)


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, more=st.floats(0, 500))
def test_more_budget_never_hurts(random_problem: Make, seed: int, more: float) -> None:
    """The gain grows with the budget."""
    problem = random_problem(np.random.default_rng(seed), 12)
    richer = replace(problem, budget=problem.budget + more)
    assert gain(richer, fill(richer)) >= gain(problem, fill(problem)) * (1 - 1e-11)


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, who=st.integers(0, 11), factor=st.floats(1, 5))
def test_more_value_never_lowers_the_spend(random_problem: Make, seed: int, who: int, factor: float) -> None:
    """A higher a_i or m_i (they enter as a product) never lowers x_i."""
    problem = random_problem(np.random.default_rng(seed), 12, linear=False)
    value = problem.terms.value.copy()
    value[0, who] *= factor
    dearer = with_terms(problem, value=value)
    assert fill(dearer).spend[who] >= fill(problem).spend[who] - 1e-7 * problem.budget


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, factor=st.floats(1, 5))
def test_who_returns_more_everywhere_gets_no_less(random_problem: Make, seed: int, factor: float) -> None:
    """V_i' >= V_j' everywhere (all values scaled by one factor), equal bounds, no caps: x_i >= x_j."""
    problem = random_problem(np.random.default_rng(seed), 6, linear=False)
    rows = {name: getattr(problem.terms, name).copy() for name in ("value", "log", "linear")}
    for name, row in rows.items():
        row[:, 1] = row[:, 0] * (factor if name == "value" else 1)
    low, high = problem.low.copy(), problem.high.copy()
    low[1], high[1] = low[0], high[0]
    twin = replace(with_terms(problem, **rows), low=low, high=high, caps=np.full(len(problem.caps), np.inf))
    twin = replace(twin, budget=max(twin.budget, float(low.sum())))
    spend = fill(twin).spend
    assert spend[1] >= spend[0] - 1e-9 * twin.budget


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS)
def test_the_gradient_of_the_gain_is_the_price(random_problem: Make, seed: int) -> None:
    """Finite difference of the best gain by the budget = marginal value of budget, where money is scarce."""
    problem = random_problem(np.random.default_rng(seed), 9, linear=False)
    step = 1e-5 * problem.budget
    lower, upper = (fill(replace(problem, budget=problem.budget + sign * step)) for sign in (0, 1))
    slope = (gain(problem, upper) - gain(problem, lower)) / step
    assert upper.price * (1 - 1e-4) - 1e-9 <= slope <= lower.price * (1 + 1e-4) + 1e-9


def test_what_costs_nothing_is_bought_and_what_is_worth_nothing_is_not() -> None:
    """Free penetration goes to its cap at no cost; a worthless market gets only its lower bound, idle."""
    terms = Terms(
        ("A", "B"), np.array([[5.0, 0.0], [5.0, 0.0]]), np.array([[0.0, 10.0], [10.0, 10.0]]),
        np.array([[0.0, 1.0], [1.0, 1.0]]), np.zeros(2), np.full(2, 0.5), np.full(2, 0.5),
    )  # fmt: skip
    low, high, nothing = np.array([0.0, 3.0]), np.array([9.0, 9.0]), np.zeros(2)
    filled = fill(Problem(terms, low, high, nothing, np.zeros(2, bool), np.zeros(2, int), np.array([np.inf]), 8.0))
    assert LEAST_LEFT[0, 0] == filled.left[0, 0]
    assert [1.0, 1.0] == filled.left[:, 1].tolist()
    assert pytest.approx([5.0, 3.0]) == filled.spend
    assert pytest.approx([0.0, 3.0]) == filled.idle
