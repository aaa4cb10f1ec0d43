"""Runs seeds: many at once with a summary, or one with its trace.

python -m tests.simulation.many --seeds 1000 [--first 0] [--redis real] [--processes 2]
python -m tests.simulation.many --seed 17
python -m tests.simulation.many --mutants
"""

import argparse
import multiprocessing
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from streams.dev.embedded.servers import EmbeddedRedis
from tests.simulation.fake_redis import FakeRedis
from tests.simulation.mutants import MUTANTS
from tests.simulation.real_redis import RealRedis
from tests.simulation.simulation import MakeStore, Result, Simulation


@contextmanager
def stores(kind: str) -> Iterator[MakeStore]:
    """What makes a run's Redis: the fake, or a real one of this process that is emptied for every run."""
    if kind == "fake":
        yield FakeRedis
        return
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedRedis(Path(folder))
        server.start()
        try:
            yield partial(RealRedis, server.url)
        finally:
            server.stop()


def run_seeds(seeds: Iterable[int], kind: str = "fake") -> Iterator[Result]:
    """One result after the other."""
    with stores(kind) as make_store:
        for seed in seeds:
            yield Simulation(seed, make_store).run()


def _share(job: tuple[range, str]) -> list[Result]:
    return list(run_seeds(*job))


def fault_kind(fault: str) -> str:
    """A fault without whom or which request it hit."""
    for begin in ("lost request", "lost reply", "ghost"):
        if fault.startswith(begin):
            return begin
    return fault.partition(" w")[0]


def summary(results: list[Result], seconds: float) -> str:
    """What happened, in a few lines."""
    faults: Counter[str] = Counter()
    for result in results:
        for kind, times in result.faults.items():
            faults[fault_kind(kind)] += times
    broken = [result for result in results if result.violation]
    runs = len(results)
    lines = [
        f"{runs} seeds in {seconds:.1f} s, {runs / seconds:.1f} a second; {len(broken)} broken",
        f"records {sum(one.records for one in results)}, steps {sum(one.steps for one in results)}, alerts "
        f"{sum(one.alerts for one in results)}, restarts {sum(one.restarts for one in results)}, virtual hours "
        f"{sum(one.seconds for one in results) / 3600:.1f}",
        f"faults {sum(faults.values())}, {sum(faults.values()) / runs:.1f} a seed; seconds until settled: mean "
        f"{sum(one.settled_s for one in results) / runs:.1f}, most {max(one.settled_s for one in results):.1f}",
        *(f"  {times:8d} {kind}" for kind, times in sorted(faults.items(), key=lambda pair: -pair[1])),
        *(f"seed {one.seed}: {one.violation}" for one in broken[:20]),
    ]
    return "\n".join(lines)


def run_many(
    first: int, count: int, kind: str, processes: int, say: Callable[[str], object] = lambda text: None
) -> list[Result]:
    """Run seeds in slices on several processes."""
    size = max(1, min(250, count // processes))
    slices = [(range(at, min(at + size, first + count)), kind) for at in range(first, first + count, size)]
    results: list[Result] = []
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for done in pool.imap_unordered(_share, slices):
            results += done
            say(f"{len(results)} of {count} seeds, {sum(bool(one.violation) for one in results)} broken")
    return sorted(results, key=lambda one: one.seed)


def _until_caught(name: str) -> str:
    mutant = next(one for one in MUTANTS if one.name == name)
    for seed in range(1_000):
        if violation := mutant.run(seed).violation:
            return f"{seed + 1:5d}  {name}: {violation:.80}"
    return f"never  {name}"


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, help="replay this one and print its trace")
    parser.add_argument("--seeds", type=int, default=1000, help="how many to run")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--redis", choices=("fake", "real"), default="fake")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--mutants", action="store_true", help="how many seeds until each mutant is caught")
    given = parser.parse_args()

    def say(text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    if given.mutants:
        with multiprocessing.get_context("spawn").Pool(given.processes) as pool:
            for line in pool.imap(_until_caught, [one.name for one in MUTANTS]):
                say(line)
        return 0
    if given.seed is None:
        started = time.monotonic()
        results = run_many(given.first, given.seeds, given.redis, given.processes, say)
        say(summary(results, time.monotonic() - started))
        return 1 if any(one.violation for one in results) else 0
    with stores(given.redis) as make_store:
        result = Simulation(given.seed, make_store, keep_trace=True).run()
    say("\n".join(result.trace))
    say(f"seed {result.seed}, trace {result.trace_hash}: {result.violation or 'everything held'}")
    return 1 if result.violation else 0


if __name__ == "__main__":
    sys.exit(main())
