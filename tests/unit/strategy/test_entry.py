"""Entry and minimum viable spend: exact against enumeration, near the bound for many, reproducible."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from strategy.entry import choose
from strategy.problem import Problem
from strategy.water_filling import fill

Make = Callable[..., Problem]


def gain_of(problem: Problem, on: np.ndarray) -> float:
    part = problem.take(on)
    return float(part.terms.gains(fill(part).left).sum()) if part.feasible else -np.inf


def enumerated(problem: Problem) -> float:
    """The best gain over every choice of optional markets."""
    maybe = np.flatnonzero(problem.optional)
    best = -np.inf
    for bits in itertools.product([False, True], repeat=len(maybe)):
        on = ~problem.optional
        on[maybe] = bits
        best = max(best, gain_of(problem, on))
    return best


@pytest.mark.parametrize("seed", range(25))
def test_the_choice_is_exact(random_problem: Make, seed: int) -> None:
    """Up to 9 markets that may stay out, with regions and linear pieces: the gain of enumeration to 1e-9."""
    problem = random_problem(np.random.default_rng(seed), 3 + seed % 7, optional=0.8)
    choice = choose(problem)
    assert 0.0 == choice.gap
    assert enumerated(problem) == pytest.approx(gain_of(problem, choice.on), rel=1e-9, abs=1e-9)


def test_the_choice_is_exact_for_fifteen(random_problem: Make) -> None:
    """All 32,768 choices of 15 candidates."""
    problem = random_problem(np.random.default_rng(7), 15, optional=1.0, linear=False)
    assert 15 == problem.optional.sum()
    assert enumerated(problem) == pytest.approx(gain_of(problem, choose(problem).on), rel=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_two_hundred_candidates_are_decided_to_a_thousandth(random_problem: Make, seed: int) -> None:
    """Within the limit on subproblems the gap is at most .1 %; two runs agree bit for bit."""
    problem = random_problem(np.random.default_rng(seed), 200, optional=1.0)
    choice = choose(problem)
    assert choice.gap <= 1e-3
    assert choice.on.tolist() == choose(problem).on.tolist()


def test_a_choice_cut_short_says_how_far_from_the_best_it_may_be(random_problem: Make) -> None:
    """With one subproblem only, the gap reported covers the true distance."""
    gaps = []
    for seed in range(30):
        problem = random_problem(np.random.default_rng(seed), 8, optional=1.0)
        short, best = choose(problem, nodes=1), gain_of(problem, choose(problem).on)
        gaps.append(short.gap)
        assert gain_of(problem, short.on) >= best * (1 - short.gap) - 1e-9
    assert max(gaps) > 0
