"""The comparison of detectors as figures, as a table and as a picture."""

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import msgspec
import numpy as np
from scipy.stats import chi2

from streams.contract.rules import SurgeRule
from streams.dev.bench.detectors.arrays import Counts
from streams.dev.bench.detectors.markets import (
    CLUSTERED,
    DAY,
    GRID,
    INCIDENT,
    USUAL_SHARE,
    Condition,
    Markets,
    logistic,
    logit,
    simulate,
)
from streams.dev.bench.detectors.pager import as_released, topic_blocks
from streams.dev.bench.detectors.rivals import Clairvoyant, Ewma, FixedThreshold, Surge, ZScore
from streams.dev.bench.detectors.study import (
    Maker,
    Trace,
    delays,
    false_alarms,
    fired,
    flaps,
    market_blocks,
    plant,
    threshold_for,
    trace,
)

TUNED_ON = range(1, 21)
REPORTED_ON = range(101, 214)  # 75 market-months of every condition, with 20 days of each
SEEDS_TOGETHER = 25
LANGUAGE_CONDITION = Condition(20.0, 0.02, 0.2)
FAMILIES: dict[str, dict[str, Maker]] = {
    "fixed threshold": {
        f"share over {window} min above a line for {hold} min": partial(FixedThreshold, window=window, hold=hold)
        for window, hold in ((5, 5), (15, 5), (60, 10))
    },
    "z-score": {f"share over {window} min": partial(ZScore, window=window) for window in (15, 60, 180)},
    "EWMA": {
        f"half-life {half} min against {base} min": partial(Ewma, half_life=half, base_half_life=base)
        for half, base in ((10, 360), (40, 720), (40, 1_440), (160, 1_440))
    },
}


Found = TypeVar("Found")
MOST_ON_AVERAGE, MOST_ANYWHERE = 1.0, 2.0  # false alarms a market-month
MOST_DELAY = 1.5  # times the least


class Row(msgspec.Struct, frozen=True):
    """One detector under one condition: false alarms per market-month, minutes of delay, its ratio to the least.

    `upper_limit` of the false alarms: 95 %, one-sided, of a Poisson count.
    """

    false_alarms: float
    upper_limit: float
    delay: float
    ratio: float
    missed: float


class Result(msgspec.Struct, frozen=True):
    """One detector: its variant and threshold, all conditions together and each."""

    variant: str
    threshold: float
    false_alarms: float
    upper_limit: float
    mean_ratio: float
    missed: float
    flaps: int
    rows: list[Row]


class Promise(msgspec.Struct, frozen=True):
    """What is promised of the surge detector, what was measured, and whether it holds."""

    what: str
    most: float
    measured: float
    holds: bool


class ClusterRow(msgspec.Struct, frozen=True):
    """False alarms of surge where events hang together for longer than a minute; no promise."""

    condition: str
    market_months: float
    false_alarms: float
    upper_limit: float


class LanguageRow(msgspec.Struct, frozen=True):
    """One language's noise: what .2 -> .4 looks like through it, delay in minutes beside what is possible."""

    recall: float
    false_share: float
    seen: tuple[float, float]
    information: float
    bound: float
    clairvoyant: float
    delay: float


class Report(msgspec.Struct, frozen=True):
    """The whole comparison.

    `burst_alarms` of so many `bursts` of two hours at three-fold volume and the usual share, and `plain_alarms` of the
    same hours without: of surge.
    """

    market_months: float
    incidents: int
    conditions: list[str]
    results: dict[str, Result]
    bursts: int
    burst_alarms: int
    plain_alarms: int
    languages: dict[str, LanguageRow]
    promises: list[Promise]
    clusters: list[ClusterRow]


@dataclass(frozen=True)
class Traced:
    """Traces of several detectors on the same markets and incidents."""

    months: float
    condition: Counts
    of_incident: Counts
    traces: dict[str, Trace]


def compare(
    noise: Mapping[str, tuple[float, float]],
    rule: SurgeRule = SurgeRule(),
    tuned_on: Sequence[int] = TUNED_ON,
    reported_on: Sequence[int] = REPORTED_ON,
    days: int = 20,
    processes: int = 2,
) -> Report:
    """Choose each rival's variant on some seeds, then compare all on others, at the false alarms of `surge`.

    Args:
        noise: recall and false share per language; `all` is that of the grid.
        rule: of the surge detector.
        tuned_on, reported_on: seeds.
        days: of every market; half as many for the choice of variants.
        processes: that share the work.
    """
    makers = {f"{family}/{name}": maker for family, names in FAMILIES.items() for name, maker in names.items()}
    everyone: dict[str, Maker] = {"clairvoyant": Clairvoyant, "surge": partial(Surge, rule=rule), **makers}
    tuned = _judged(_traced(everyone, noise["all"], tuned_on, days // 2, processes, rule), rule)
    chosen = {
        family: min((name for name in tuned if name.startswith(f"{family}/")), key=lambda name: tuned[name].mean_ratio)
        for family in FAMILIES
    }
    finalists = {"clairvoyant": everyone["clairvoyant"], "surge": everyone["surge"]}
    finalists |= {name: everyone[name] for name in chosen.values()}
    traced = _traced(finalists, noise["all"], reported_on, days, processes, rule)
    judged = _judged(traced, rule)
    surge = traced.traces["surge"]
    return Report(
        market_months=round(traced.months, 1),
        incidents=len(traced.of_incident),
        conditions=[str(one) for one in GRID],
        results=judged,
        bursts=len(traced.of_incident),
        burst_alarms=fired(surge.burst, surge.before, rule.threshold),
        plain_alarms=fired(surge.plain, surge.before, rule.threshold),
        languages=_languages(noise, rule, reported_on[: max(2, len(reported_on) // 5)], days),
        promises=promises(judged["surge"]),
        clusters=_clusters(noise["all"], rule, reported_on, days, processes),
    )


def promises(surge: Result) -> list[Promise]:
    """The three of them; each names its worst condition where there is one."""
    at = max(range(len(GRID)), key=lambda number: surge.rows[number].false_alarms)
    found = [
        ("false alarms a market-month, on average", MOST_ON_AVERAGE, surge.false_alarms),
        (f"false alarms a market-month, anywhere (most at {GRID[at]})", MOST_ANYWHERE, surge.rows[at].false_alarms),
        ("delay, times the least", MOST_DELAY, surge.mean_ratio),
    ]
    return [Promise(what, most, measured, measured <= most) for what, most, measured in found]


def _clusters(
    noise: tuple[float, float], rule: SurgeRule, seeds: Sequence[int], days: int, processes: int
) -> list[ClusterRow]:
    work = partial(_cluster_part, noise=noise, rule=rule, days=days)
    parts = [list(seeds[at : at + SEEDS_TOGETHER]) for at in range(0, len(seeds), SEEDS_TOGETHER)]
    counted = np.sum(_all_of(work, parts, processes), axis=0)
    months = len(seeds) * days / 30
    return [
        ClusterRow(str(one), round(months, 1), round(float(alarms) / months, 3), _limit(float(alarms), months))
        for one, alarms in zip(CLUSTERED, counted, strict=True)
    ]


def _cluster_part(seeds: list[int], noise: tuple[float, float], rule: SurgeRule, days: int) -> Counts:
    """False alarms of the pager under each of the clustered conditions."""
    markets = as_released(simulate(seeds, days, noise, CLUSTERED), seeds[0])
    blocks = np.maximum(market_blocks(Surge(markets, rule), markets), topic_blocks(markets, rule, seeds[0]))
    counted = false_alarms(blocks, rule.threshold)
    return np.array([counted[markets.condition == number].sum() for number in range(len(CLUSTERED))])


def _all_of(work: Callable[[list[int]], Found], parts: Sequence[list[int]], processes: int) -> list[Found]:
    if processes == 1:
        return [work(part) for part in parts]
    with ProcessPoolExecutor(processes) as pool:
        return list(pool.map(work, parts))


def _limit(alarms: float, months: float) -> float:
    """The most false alarms a market-month that so many of them leave likely: 95 %, one-sided, Poisson."""
    return round(float(chi2.ppf(0.95, 2 * (alarms + 1))) / 2 / months, 3)


def _traced(
    makers: Mapping[str, Maker],
    noise: tuple[float, float],
    seeds: Sequence[int],
    days: int,
    processes: int,
    rule: SurgeRule,
) -> Traced:
    parts = [list(seeds[at : at + SEEDS_TOGETHER]) for at in range(0, len(seeds), SEEDS_TOGETHER)]
    found = _all_of(partial(_part, makers=dict(makers), noise=noise, days=days, rule=rule), parts, processes)
    return Traced(
        months=sum(one.months for one in found),
        condition=np.concatenate([one.condition for one in found]),
        of_incident=np.concatenate([one.of_incident for one in found]),
        traces={
            name: Trace(
                *(
                    np.concatenate([getattr(one.traces[name], part) for one in found], axis=-1)
                    for part in Trace.__dataclass_fields__
                )
            )
            for name in makers
        },
    )


def _part(seeds: list[int], makers: dict[str, Maker], noise: tuple[float, float], days: int, rule: SurgeRule) -> Traced:
    return _trace_all(makers, simulate(seeds, days, noise), seeds[0], rule)


def _trace_all(makers: Mapping[str, Maker], made: Markets, seed: int, rule: SurgeRule) -> Traced:
    """All see the same minutes; of `surge` a market's topics count too, those of the others would be false alarms."""
    markets = as_released(made, seed)
    incidents = plant(markets, seed)
    traces = {name: trace(maker(markets), markets, incidents) for name, maker in makers.items()}
    pager = np.maximum(traces["surge"].blocks, topic_blocks(markets, rule, seed))
    traces["surge"] = replace(traces["surge"], blocks=pager)
    of_incident = markets.condition[incidents.market]
    return Traced(markets.months, markets.condition, of_incident, traces)


def _judged(traced: Traced, rule: SurgeRule) -> dict[str, Result]:
    """All detectors at the false alarms that `surge` raises with its own threshold."""
    alarms = float(false_alarms(traced.traces["surge"].blocks, rule.threshold).sum())
    thresholds = {
        name: rule.threshold if name == "surge" else threshold_for(one.blocks, alarms)
        for name, one in traced.traces.items()
    }
    best = _means(traced, "clairvoyant", thresholds)
    return {name: _result(traced, name, thresholds[name], best, rule) for name in traced.traces}


def _means(traced: Traced, name: str, thresholds: Mapping[str, float]) -> list[float]:
    minutes = delays(traced.traces[name], thresholds[name])
    return [float(np.nanmean(minutes[traced.of_incident == number])) for number in range(len(GRID))]


def _result(traced: Traced, name: str, threshold: float, best: Sequence[float], rule: SurgeRule) -> Result:
    found = traced.traces[name]
    counted = false_alarms(found.blocks, threshold)
    minutes = delays(found, threshold)
    missed = found.highest[-1] < threshold
    rows = []
    for number in range(len(GRID)):
        ours, incidents = traced.condition == number, traced.of_incident == number
        delay = float(np.nanmean(minutes[incidents]))
        months = traced.months * float(ours.mean())
        rows.append(
            Row(
                round(float(counted[ours].sum()) / months, 3),
                _limit(float(counted[ours].sum()), months),
                round(delay, 2),
                round(delay / best[number], 3),
                round(float(missed[incidents].mean()), 4),
            )
        )
    resolve = rule.resolve_at * threshold if name in ("surge", "clairvoyant") else threshold
    return Result(
        variant=name.partition("/")[2],
        threshold=round(threshold, 3),
        false_alarms=round(float(counted.sum()) / traced.months, 3),
        upper_limit=_limit(float(counted.sum()), traced.months),
        mean_ratio=round(float(np.mean([row.ratio for row in rows])), 3),
        missed=round(float(missed.mean()), 4),
        flaps=flaps(found, threshold, resolve),
        rows=rows,
    )


def _languages(
    noise: Mapping[str, tuple[float, float]], rule: SurgeRule, seeds: Sequence[int], days: int
) -> dict[str, LanguageRow]:
    """Every language's noise under one condition, and none at all, at the false alarms that `surge` raises there."""
    found = {}
    for name, one in {"none": (1.0, 0.0), **noise}.items():
        markets = simulate(seeds, days, one, [LANGUAGE_CONDITION])
        makers: dict[str, Maker] = {"clairvoyant": Clairvoyant, "surge": partial(Surge, rule=rule)}
        traced = _trace_all(makers, markets, seeds[0], rule)
        alarms = max(1.0, float(false_alarms(traced.traces["surge"].blocks, rule.threshold).sum()))
        surge, best = (
            float(np.nanmean(delays(traced.traces[which], threshold)))
            for which, threshold in (
                ("surge", rule.threshold),
                ("clairvoyant", threshold_for(traced.traces["clairvoyant"].blocks, alarms)),
            )
        )
        recall, false_share = one
        p0, p1 = (
            false_share + (recall - false_share) * float(share)
            for share in (USUAL_SHARE, logistic(logit(USUAL_SHARE) + INCIDENT))
        )
        information = p1 * math.log(p1 / p0) + (1 - p1) * math.log((1 - p1) / (1 - p0))
        rho = LANGUAGE_CONDITION.rho * (recall - false_share) ** 2 * USUAL_SHARE * (1 - USUAL_SHARE) / (p0 * (1 - p0))
        a_minute = information * LANGUAGE_CONDITION.rate / (1 + (LANGUAGE_CONDITION.rate - 1) * rho)
        slots = 30 * DAY * markets.months / alarms
        found[name] = LanguageRow(
            round(recall, 3),
            round(false_share, 3),
            (round(p0, 3), round(p1, 3)),
            round(information, 4),
            round(math.log(slots) / a_minute, 1),
            round(best, 1),
            round(surge, 1),
        )
    return found
