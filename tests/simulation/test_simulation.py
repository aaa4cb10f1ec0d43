"""Seeds of the simulation: nothing lost, nothing counted twice while faults go on, and all is counted afterwards."""

import os
import subprocess
import sys
from functools import partial

import pytest

from tests.simulation.many import run_many, summary
from tests.simulation.mutants import MUTANTS, Mutant
from tests.simulation.nemesis import KINDS
from tests.simulation.real_redis import RealRedis
from tests.simulation.simulation import Simulation

SEEDS = 300
FOUND_BY = (2_432, 7_585)
"""Seeds beyond those that found a fault once: a step published without its users."""
REAL_SEEDS = 20
MOST_SEEDS_OF_A_MUTANT = 400


@pytest.mark.timeout(400)  # 50 s alone, two other processes beside it
def test_seeds_hold_on_the_fake() -> None:
    """Both phases of every seed, and every kind of fault is among them."""
    results = run_many(0, SEEDS, "fake", 2)
    assert [] == [(one.seed, one.violation) for one in results if one.violation], "make simulation SEED=..."
    seen = {kind for one in results for kind in one.faults}
    for kind in (*KINDS, "lost request commit", "lost reply commit", "ghost of commit", "slow", "session expired"):
        assert any(fault.startswith(kind) for fault in seen), kind
    assert sum(one.alerts for one in results) > 0
    assert f"{SEEDS} seeds" in summary(results, 1.0)


@pytest.mark.parametrize("seed", FOUND_BY)
def test_what_found_a_fault_holds(seed: int) -> None:
    """Rare ones, which the first seeds do not see."""
    assert "" == Simulation(seed).run().violation


def test_seeds_hold_on_a_real_redis(redis_url: str) -> None:
    """The real Lua holds too, and takes the same way through every seed as the fake."""
    for seed in range(REAL_SEEDS):
        real, fake = Simulation(seed, partial(RealRedis, redis_url)).run(), Simulation(seed).run()
        assert ("", fake.trace_hash) == (real.violation, real.trace_hash), f"make simulation REDIS=real SEED={seed}"


def test_a_seed_is_one_trace_in_every_process() -> None:
    """Two processes with another hash order each print the same trace."""
    traces = [
        subprocess.run(
            [sys.executable, "-m", "tests.simulation.many", "--seed", "45"],
            capture_output=True, check=True, timeout=60, env=os.environ | {"PYTHONHASHSEED": hash_seed},
        ).stdout
        for hash_seed in ("1", "2")
    ]  # fmt: skip
    assert traces[0] == traces[1]
    assert traces[0].count(b"\n") > 50


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: one.name)
def test_a_mutant_is_caught(mutant: Mutant) -> None:
    """A fault planted in the commit path is seen within a bounded number of seeds; one that sees it is tried first."""
    seeds = (mutant.seed, *range(MOST_SEEDS_OF_A_MUTANT))
    violation = next(filter(None, (mutant.run(seed).violation for seed in seeds)), "")
    assert "" != violation
    assert "Warning" not in violation  # which tests turn into errors: it would stand for every mutant
