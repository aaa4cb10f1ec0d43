"""Random decisions of every kind, for the allocator's tests."""

from collections.abc import Callable

import numpy as np
import pytest

from strategy.objective import Terms
from strategy.problem import Problem


def make_problem(rng: np.random.Generator, n: int, optional: float = 0.0, linear: bool = True) -> Problem:
    """n markets, up to 5 capped regions, bounds, pinned markets, pieces without logarithmic or linear cost."""
    u, p_max = rng.uniform(0.05, 0.95, n), rng.uniform(0.3, 0.9, n)
    p0 = p_max * rng.uniform(0, 0.9, n)
    worth = 10 ** rng.uniform(-1, 2, n)
    value = np.stack([worth * np.exp(rng.uniform(-1, 1, n)) * u * (p_max - p0), worth * (1 - u)])
    log = np.stack([rng.uniform(5, 100, n), rng.uniform(5, 60, n)])
    slope = np.stack([rng.uniform(0, 60, n), rng.uniform(0, 20, n)])
    if linear:
        for rows in (log, slope, value):
            rows[rng.random((2, n)) < 0.05] = 0
    maybe = rng.random(n) < optional
    low = np.where(rng.random(n) < 0.3, rng.uniform(0, 40, n), 0.0)
    high = np.where(rng.random(n) < 0.3, low + rng.uniform(0, 100, n), np.inf)
    high = np.where(rng.random(n) < 0.05, low, high)
    least = np.where(maybe, 0.0, low)
    budget = float(least.sum() + 10 ** rng.uniform(-1, 1) * n * 20)
    k = int(rng.integers(0, 6))
    region = rng.integers(0, k + 1, n)
    caps = np.bincount(region, least, k + 1)[:k] * (1 + 1e-9) + rng.uniform(0.01, 1, k) * budget / (k + 1) * 2
    return Problem(
        terms=Terms(tuple(f"{at:04}" for at in range(n)), value, log, slope, p0, p_max, u),
        low=low,
        high=np.maximum(np.minimum(high, budget), low),
        fixed=np.where(maybe, rng.uniform(1, 150, n), 0.0),
        optional=maybe,
        region=region,
        caps=np.append(caps, np.inf),
        budget=budget,
    )


@pytest.fixture(scope="session")
def random_problem() -> Callable[..., Problem]:
    """`make_problem`."""
    return make_problem
