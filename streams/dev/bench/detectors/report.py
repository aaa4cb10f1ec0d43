"""The comparison of detectors as figures, as a table and as a picture."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
from scipy.stats import chi2

from streams.contract.rules import SurgeRule
from streams.dev.bench.detectors.markets import (
    CLUSTERED,
    DAY,
    GRID,
    INCIDENT,
    USUAL_SHARE,
    Condition,
    logistic,
    logit,
    simulate,
    together,
)
from streams.dev.bench.detectors.provisional import ProvisionalReport, compare_provisional
from streams.dev.bench.detectors.rivals import Clairvoyant, Ewma, FixedThreshold, Surge, ZScore
from streams.dev.bench.detectors.runs import TRACE, Plan, Traced, alarm_blocks, of_arrays, trace_all, traced
from streams.dev.bench.detectors.study import (
    Maker,
    Trace,
    delays,
    false_alarms,
    fired,
    flaps,
    threshold_for,
)

TUNED_ON = range(1, 21)
REPORTED_ON = range(1601, 1827)  # 150 market-months of every condition, with 20 days of each
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
    provisional: ProvisionalReport


def compare(
    noise: Mapping[str, tuple[float, float]],
    rule: SurgeRule = SurgeRule(),
    tuned_on: Sequence[int] = TUNED_ON,
    reported_on: Sequence[int] = REPORTED_ON,
    days: int = 20,
    processes: int = 2,
    folder: Path | None = None,
) -> Report:
    """Choose each rival's variant on some seeds, then compare all on others, at the false alarms of `surge`.

    Args:
        noise: recall and false share per language; `all` is that of the grid.
        rule: of the surge detector.
        tuned_on, reported_on: seeds.
        days: of every market; half as many for the choice of variants.
        processes: that share the work.
        folder: where parts are kept as soon as they are done, and found again; None: nowhere.
    """
    plan = Plan(noise["all"], days, rule, processes=processes, folder=folder)
    makers = {f"{family}/{name}": maker for family, names in FAMILIES.items() for name, maker in names.items()}
    everyone: dict[str, Maker] = {"clairvoyant": Clairvoyant, "surge": partial(Surge, rule=rule), **makers}
    tuned = _judged(traced(everyone, tuned_on, replace(plan, days=days // 2)), rule)
    chosen = {
        family: min((name for name in tuned if name.startswith(f"{family}/")), key=lambda name: tuned[name].mean_ratio)
        for family in FAMILIES
    }
    finalists = {"clairvoyant": everyone["clairvoyant"], "surge": everyone["surge"]}
    finalists |= {name: everyone[name] for name in chosen.values()}
    found = traced(finalists, reported_on, plan)
    judged = _judged(found, rule)
    surge = found.traces["surge"]
    return Report(
        market_months=round(found.months, 1),
        incidents=len(found.of_incident),
        conditions=list(map(str, GRID)),
        results=judged,
        bursts=len(found.of_incident),
        burst_alarms=fired(surge.burst, surge.before, rule.threshold),
        plain_alarms=fired(surge.plain, surge.before, rule.threshold),
        languages=_languages(noise, rule, reported_on[: max(2, len(reported_on) // 5)], days),
        promises=promises(judged["surge"]),
        clusters=_clusters(reported_on, replace(plan, conditions=CLUSTERED)),
        provisional=compare_provisional(reported_on[: max(2, len(reported_on) // 3)], plan),
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


def _clusters(seeds: Sequence[int], plan: Plan) -> list[ClusterRow]:
    condition, blocks = alarm_blocks(seeds, plan)
    counted, months = false_alarms(blocks, plan.rule.threshold), len(seeds) * plan.days / 30
    rows = []
    for number, one in enumerate(plan.conditions):
        alarms = float(counted[condition == number].sum())
        rows.append(ClusterRow(str(one), round(months, 1), round(alarms / months, 3), _limit(alarms, months)))
    return rows


def _limit(alarms: float, months: float) -> float:
    """The most false alarms a market-month that a count of them leaves likely: 95 %, one-sided, Poisson."""
    return round(float(chi2.ppf(0.95, 2 * (alarms + 1))) / 2 / months, 3)


def _judged(found: Traced, rule: SurgeRule) -> dict[str, Result]:
    """All detectors at the false alarms that `surge` raises with its own threshold."""
    alarms = float(false_alarms(found.traces["surge"].blocks, rule.threshold).sum())
    thresholds = {
        name: rule.threshold if name == "surge" else threshold_for(one.blocks, alarms)
        for name, one in found.traces.items()
    }
    best = _means(found, "clairvoyant", thresholds)
    return {name: _result(found, name, thresholds[name], best, rule) for name in found.traces}


def _means(all_of: Traced, name: str, thresholds: Mapping[str, float]) -> list[float]:
    minutes = delays(all_of.traces[name], thresholds[name])
    return [float(np.nanmean(minutes[all_of.of_incident == number])) for number in range(len(GRID))]


def _result(all_of: Traced, name: str, threshold: float, best: Sequence[float], rule: SurgeRule) -> Result:
    found = all_of.traces[name]
    counted = false_alarms(found.blocks, threshold)
    minutes = delays(found, threshold)
    missed = found.highest[-1] < threshold
    rows = []
    for number in range(len(GRID)):
        ours, incidents = all_of.condition == number, all_of.of_incident == number
        delay = float(np.nanmean(minutes[incidents]))
        months = all_of.months * float(ours.mean())
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
        false_alarms=round(float(counted.sum()) / all_of.months, 3),
        upper_limit=_limit(float(counted.sum()), all_of.months),
        mean_ratio=round(float(np.mean([row.ratio for row in rows])), 3),
        missed=round(float(missed.mean()), 4),
        flaps=flaps(found, threshold, resolve),
        rows=rows,
    )


def _languages(
    noise: Mapping[str, tuple[float, float]], rule: SurgeRule, seeds: Sequence[int], days: int
) -> dict[str, LanguageRow]:
    """Every language's noise under one condition, and none at all, at the false alarms that `surge` raises there.

    Of markets alone, all languages side by side.
    """
    every = {"none": (1.0, 0.0), **noise}
    markets = together([simulate(seeds, days, errors, [LANGUAGE_CONDITION]) for errors in every.values()])
    makers: dict[str, Maker] = {"clairvoyant": Clairvoyant, "surge": partial(Surge, rule=rule)}
    found = of_arrays(trace_all(makers, markets, seeds[0], None), days)
    return {
        name: _language(*one, _only(found, number, len(every)), rule)
        for number, (name, one) in enumerate(every.items())
    }


def _only(found: Traced, number: int, numbers: int) -> Traced:
    """The markets of one condition."""
    markets, incidents = found.condition == number, found.of_incident == number
    traces = {
        name: Trace(*(getattr(one, part)[..., markets if part == "blocks" else incidents] for part in TRACE))
        for name, one in found.traces.items()
    }
    return Traced(found.months / numbers, found.condition[markets], found.of_incident[incidents], traces)


def _language(recall: float, false_share: float, found: Traced, rule: SurgeRule) -> LanguageRow:
    alarms = max(1.0, float(false_alarms(found.traces["surge"].blocks, rule.threshold).sum()))
    surge, best = (
        float(np.nanmean(delays(found.traces[which], threshold)))
        for which, threshold in (
            ("surge", rule.threshold),
            ("clairvoyant", threshold_for(found.traces["clairvoyant"].blocks, alarms)),
        )
    )
    p0, p1 = (
        false_share + (recall - false_share) * float(share)
        for share in (USUAL_SHARE, logistic(logit(USUAL_SHARE) + INCIDENT))
    )
    information = p1 * math.log(p1 / p0) + (1 - p1) * math.log((1 - p1) / (1 - p0))
    rho = LANGUAGE_CONDITION.rho * (recall - false_share) ** 2 * USUAL_SHARE * (1 - USUAL_SHARE) / (p0 * (1 - p0))
    a_minute = information * LANGUAGE_CONDITION.rate / (1 + (LANGUAGE_CONDITION.rate - 1) * rho)
    slots = 30 * DAY * found.months / alarms
    return LanguageRow(
        round(recall, 3),
        round(false_share, 3),
        (round(p0, 3), round(p1, 3)),
        round(information, 4),
        round(math.log(slots) / a_minute, 1),
        round(best, 1),
        round(surge, 1),
    )
