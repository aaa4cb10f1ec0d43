"""Runs of detectors on simulated markets, some seeds at a time; parts may be kept in files, to go on from there."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.contract.rules import SurgeRule
from streams.dev.bench.detectors.arrays import Counts
from streams.dev.bench.detectors.markets import DAY, GRID, Condition, Markets, simulate
from streams.dev.bench.detectors.pager import as_released, topic_blocks
from streams.dev.bench.detectors.rivals import Surge
from streams.dev.bench.detectors.study import Maker, Trace, market_blocks, plant, trace
from streams.pipeline.detect import surge as judged

SEEDS_TOGETHER = 25
TRACE = tuple(Trace.__dataclass_fields__)

Arrays = dict[str, NDArray[Any]]
"""By name; series or incidents in the last axis."""


@dataclass(frozen=True)
class Plan:
    """What is simulated: the classifier's noise, the days of each market, the conditions; and the rule of `surge`.

    `processes` share the work; parts are kept in `folder`, and found there again by who goes on, if there is one.
    """

    noise: tuple[float, float]
    days: int
    rule: SurgeRule
    conditions: tuple[Condition, ...] = GRID
    processes: int = 1
    folder: Path | None = None

    def key(self, what: str, seeds: Sequence[int]) -> str:
        """A name for one part, another one where the plan or the code is another."""
        files = sorted([*Path(__file__).parent.glob("*.py"), Path(judged.__file__)])
        code = b"".join(file.read_bytes() for file in files)
        plan = repr((self.noise, self.days, self.rule, self.conditions, what, seeds))
        return hashlib.sha256(plan.encode() + code).hexdigest()[:16]


@dataclass(frozen=True)
class Traced:
    """Traces of several detectors on the same markets and incidents."""

    months: float
    condition: Counts
    of_incident: Counts
    traces: dict[str, Trace]


def traced(makers: Mapping[str, Maker], seeds: Sequence[int], plan: Plan) -> Traced:
    """One market of every condition for each seed, and incidents in them."""
    what = f"traces of {sorted(makers)}"
    found = in_parts(partial(_traces, makers=dict(makers), plan=plan), what, seeds, plan)
    return of_arrays(found, plan.days)


def alarm_blocks(seeds: Sequence[int], plan: Plan) -> tuple[Counts, NDArray[np.float32]]:
    """Each market's condition, and what its pager's statistic was at most in every hour."""
    found = in_parts(partial(_blocks, plan=plan), "blocks", seeds, plan)
    return found["condition"], found["blocks"]


def trace_all(makers: Mapping[str, Maker], made: Markets, seed: int, topics_by: SurgeRule | None) -> Arrays:
    """All see the same minutes; of `surge` a market's topics count too, those of the others would be false alarms.

    Args:
        makers: of the detectors.
        made: markets before any event is late.
        seed: of what is random here.
        topics_by: rule of the topics; None: they are left out.
    """
    markets = as_released(made, seed)
    incidents = plant(markets, seed)
    traces = {name: trace(maker(markets), markets, incidents) for name, maker in makers.items()}
    if topics_by is not None:
        pager = np.maximum(traces["surge"].blocks, topic_blocks(markets, topics_by, seed))
        traces["surge"] = replace(traces["surge"], blocks=pager)
    found: Arrays = {"condition": markets.condition, "of_incident": markets.condition[incidents.market]}
    return found | {f"{name}|{part}": getattr(one, part) for name, one in traces.items() for part in TRACE}


def of_arrays(found: Arrays, days: int) -> Traced:
    """What `trace_all` found, as tables."""
    names = dict.fromkeys(name.partition("|")[0] for name in found if "|" in name)
    traces = {name: Trace(*(found[f"{name}|{part}"] for part in TRACE)) for name in names}
    months = len(found["condition"]) * days * DAY / (30 * DAY)
    return Traced(months, found["condition"], found["of_incident"], traces)


def _traces(seeds: list[int], makers: dict[str, Maker], plan: Plan) -> Arrays:
    return trace_all(makers, simulate(seeds, plan.days, plan.noise, plan.conditions), seeds[0], plan.rule)


def _blocks(seeds: list[int], plan: Plan) -> Arrays:
    markets = as_released(simulate(seeds, plan.days, plan.noise, plan.conditions), seeds[0])
    own = market_blocks(Surge(markets, plan.rule), markets)
    return {"condition": markets.condition, "blocks": np.maximum(own, topic_blocks(markets, plan.rule, seeds[0]))}


def in_parts(work: Callable[[list[int]], Arrays], what: str, seeds: Sequence[int], plan: Plan) -> Arrays:
    """What `work` finds for all seeds, some at a time: by name, markets or incidents in the last axis."""
    parts = [list(seeds[at : at + SEEDS_TOGETHER]) for at in range(0, len(seeds), SEEDS_TOGETHER)]
    one = partial(_part, work=work, what=what, plan=plan)
    if plan.processes == 1:
        found = [one(part) for part in parts]
    else:
        with ProcessPoolExecutor(plan.processes) as pool:
            found = list(pool.map(one, parts))
    return {name: np.concatenate([part[name] for part in found], axis=-1) for name in found[0]}


def _part(seeds: list[int], work: Callable[[list[int]], Arrays], what: str, plan: Plan) -> Arrays:
    if plan.folder is None:
        return work(seeds)
    file = plan.folder / f"{plan.key(what, seeds)}.npz"
    if file.exists():
        with np.load(file, allow_pickle=False) as kept:
            return dict(kept)
    found = work(seeds)
    plan.folder.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".part.npz")
    np.savez(unfinished, allow_pickle=False, **found)
    unfinished.replace(file)
    return found
