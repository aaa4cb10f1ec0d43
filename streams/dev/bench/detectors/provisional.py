"""A rival that does not wait: it judges a minute while it runs. What this wins, and how many false alarms it costs.

Markets alone, without their topics: both rules see the same minutes and incidents.
"""

from collections.abc import Sequence
from functools import partial

import msgspec
import numpy as np

from streams.contract.rules import MinuteRule, SurgeRule
from streams.dev.bench.detectors.arrays import Array, Counts
from streams.dev.bench.detectors.markets import Markets, simulate
from streams.dev.bench.detectors.pager import as_released
from streams.dev.bench.detectors.rivals import Shares, Surge
from streams.dev.bench.detectors.runs import Arrays, Plan, in_parts
from streams.dev.bench.detectors.study import HORIZON, Incidents, false_alarms, joined, plant, threshold_for, through

PARTS = 4  # of a minute, after each of which it is judged


class Provisional(Surge):
    """Judges what a minute holds after each part of it; only the whole minute changes the state.

    `parts`: the statistic after each part of the last minute, (PARTS, series).
    """

    def __init__(self, markets: Markets, rule: SurgeRule, seed: int) -> None:
        super().__init__(markets, rule)
        self._rng = np.random.default_rng([seed, 3])
        self.parts = np.zeros((PARTS, len(markets.rho)))

    def _after(self, n: Array, x: Array, shares: Shares, rho: Array) -> tuple[Array, Array, Array]:
        negatives, others = (self._until(count) for count in (x, n - x))
        found = [
            np.maximum.reduce(super(Provisional, self)._after(more + less, less, shares, rho)) * self._in_usual
            for less, more in zip(negatives, others, strict=True)
        ]
        self.parts = np.stack(found)
        return super()._after(n, x, shares, rho)

    def _until(self, count: Array) -> Counts:
        """How many of the events of a minute have come after each part of it."""
        parts = self._rng.multinomial(count.astype(np.int64), [1 / PARTS] * PARTS)
        until: Counts = np.cumsum(parts, axis=-1).T
        return until

    def step(self, minute: Array | np.float64, n: Array, x: Array, q: Array) -> Array:
        """One minute; the largest statistic of its parts."""
        whole = super().step(minute, n, x, q)
        armed = (self._events - n >= self._rule.armed_events) & (minute >= self._rule.armed_minutes)
        self.parts = np.where(armed, self.parts, whole)
        self.parts[-1] = whole
        highest: Array = self.parts.max(axis=0)
        return highest


class ProvisionalRow(msgspec.Struct, frozen=True):
    """One condition: false alarms a market-month and minutes of delay, of whole minutes and of running ones.

    `equal_delay`: of running minutes, with the threshold that raises as many false alarms as whole minutes do.
    """

    condition: str
    false_alarms: float
    delay: float
    running_false_alarms: float
    running_delay: float
    equal_delay: float


class ProvisionalReport(msgspec.Struct, frozen=True):
    """Both rules at one threshold, and the threshold of running minutes that raises as many false alarms in all."""

    market_months: float
    threshold: float
    equal_threshold: float
    rows: list[ProvisionalRow]


def compare_provisional(seeds: Sequence[int], plan: Plan) -> ProvisionalReport:
    """Whole and running minutes on the same markets and incidents."""
    found = in_parts(partial(_both, plan=plan), "provisional", seeds, plan)
    whole, running, threshold = found["whole"], found["running"], plan.rule.threshold
    equal = threshold_for(running, float(false_alarms(whole, threshold).sum()))
    months = len(seeds) * plan.days / 30
    counted = [false_alarms(blocks, threshold) for blocks in (whole, running)]
    delays = (
        _delays(found["whole_after"], found["whole_before"], threshold, 1, found["more"]),
        *(
            _delays(found["running_after"], found["running_before"], level, PARTS, found["more"] - _GRACE)
            for level in (threshold, equal)
        ),
    )
    rows = []
    for number, condition in enumerate(plan.conditions):
        alarms = [float(alarm[found["condition"] == number].sum()) / months for alarm in counted]
        ours = found["of_incident"] == number
        minutes = [float(np.nanmean(delay[ours])) for delay in delays]
        rows.append(
            ProvisionalRow(
                str(condition),
                round(alarms[0], 3),
                round(minutes[0], 2),
                round(alarms[1], 3),
                round(minutes[1], 2),
                round(minutes[2], 2),
            )
        )
    return ProvisionalReport(round(months * len(rows), 1), threshold, round(equal, 3), rows)


_GRACE = MinuteRule().grace_ms / 60_000  # minutes; a running minute needs none


def _both(seeds: list[int], plan: Plan) -> Arrays:
    markets = as_released(simulate(seeds, plan.days, plan.noise, plan.conditions), seeds[0])
    incidents = plant(markets, seeds[0])
    found: Arrays = {"condition": markets.condition, "of_incident": markets.condition[incidents.market]}
    found["more"] = incidents.more
    whole, running = Surge(markets, plan.rule), Provisional(markets, plan.rule, seeds[0])
    found["whole"], found["whole_before"], copies = through(whole, markets, incidents)
    found["whole_after"] = _highest(joined(copies), incidents)
    found["running"], found["running_before"], own = through(running, markets, incidents)
    found["running_after"] = _highest(joined(own), incidents)
    return found


def _highest(detector: Surge, incidents: Incidents) -> Array:
    """The running maximum of the statistic from when each incident began, by minutes or parts of minutes."""
    seen = []
    rows = zip(incidents.n.astype(float), incidents.x.astype(float), incidents.q, strict=True)
    for after, row in enumerate(rows):
        shown = detector.step((incidents.began + after).astype(float), *row)
        seen.append(detector.parts if isinstance(detector, Provisional) else shown[None])
    highest: Array = np.maximum.accumulate(np.concatenate(seen).astype(np.float32))
    return highest


def _delays(highest: Array, before: Array, threshold: float, parts: int, more: Array) -> Array:
    """Minutes from when each incident begins to the record; nan where the alarm was on before."""
    hit = highest >= threshold
    minutes = np.where(hit.any(axis=0), (hit.argmax(axis=0) + 1.0) / parts, HORIZON) + more
    found: Array = np.where(before >= threshold, np.nan, minutes)
    return found
