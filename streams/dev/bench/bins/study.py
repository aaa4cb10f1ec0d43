"""Today's detector and detectors on bins of P(negative), on the same simulated minutes of real answers.

Events and their true labels are simulated; what the model answers to one is drawn from its answers to real texts of
that language and label. All raise as many false alarms as today's detector does with its own threshold.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from streams.contract.rules import SurgeRule
from streams.dev.bench.bins.answers import Answers
from streams.dev.bench.bins.detector import BinnedSurge, Bins, nobody
from streams.dev.bench.bins.edges import label_shares, shares
from streams.dev.bench.detectors.arrays import Array, Counts
from streams.dev.bench.detectors.markets import DAY, Condition, Markets, simulate
from streams.dev.bench.detectors.pager import BLOCK, as_released
from streams.dev.bench.detectors.rivals import Surge
from streams.dev.bench.detectors.study import HORIZON, Incidents, false_alarms, joined, plant, threshold_for

TODAY = "labels"
ROUNDS = 1_000  # of resampling
MOST_DRAWN = 4_000_000  # counts of kinds of answers that are held at once

Edges = Mapping[str, Sequence[float]]
"""By the name of a detector."""


@dataclass(frozen=True)
class Kinds:
    """What distinguishes an answer: its hard label, and its bin for every detector.

    `members`: by detector, which kinds are in each bin, (bins, kinds); today's has the bins "otherwise" and "negative".
    """

    edges: Edges
    cuts: Array
    members: dict[str, NDArray[np.float32]]

    @staticmethod
    def of(edges: Edges) -> "Kinds":
        """Those of detectors with these edges."""
        cuts = np.sort(np.concatenate([np.asarray(of) for of in edges.values()]))  # as many for all edges
        labels = np.arange(2 * (len(cuts) + 1)) % 2
        members = {TODAY: _members(labels, 2)}
        for name, one in edges.items():
            bins = np.searchsorted(one, np.concatenate([[-1.0], cuts]), side="right")
            members[name] = _members(np.repeat(bins, 2), len(one) + 1)
        return Kinds(edges, cuts, members)

    def shares(self, found: Answers, negative: bool) -> Array:
        """How often each kind is what a model answered, of true negatives or of others: (kinds,)."""
        chosen = found.of(found.negative == negative)
        kinds = 2 * np.searchsorted(self.cuts, chosen.p, side="right") + chosen.answered
        counts: Array = np.bincount(kinds, minlength=2 * (len(self.cuts) + 1)) / len(kinds)
        return counts


def _members(bins: NDArray[np.int64], count: int) -> NDArray[np.float32]:
    members: NDArray[np.float32] = (bins == np.arange(count)[:, None]).astype(np.float32)
    return members


@dataclass(frozen=True)
class Group:
    """Markets whose answers come from `drawn`, while detectors believe the model to be as in `believed`.

    `bucket`: groups of one bucket share their thresholds.
    """

    bucket: str
    kinds: Kinds
    believed: Answers
    drawn: Answers


class Compared(msgspec.Struct, frozen=True):
    """One bucket: false alarms a market-month, and for each detector the minutes of delay.

    `ratios`: of the mean delay to today's, with 95 % limits (markets resampled). `missed`: shares of the incidents.
    `alarms`: false ones.
    `common`: the ratios with thresholds that all buckets share, at which they raise as many false alarms together.
    """

    name: str
    incidents: int
    false_alarms: float
    delays: dict[str, float]
    ratios: dict[str, tuple[float, float, float]]
    missed: dict[str, float]
    alarms: dict[str, int]
    common: dict[str, float] = {}


class Columns:
    """Every simulated market with every group's answers: column = market * groups + group."""

    def __init__(self, groups: Sequence[Group], markets: int) -> None:
        self.groups = groups
        self.group = np.tile(np.arange(len(groups)), markets)
        self.market = np.repeat(np.arange(markets), len(groups))
        self._drawn = [
            np.stack([group.kinds.shares(group.drawn, label) for group in groups]) for label in (True, False)
        ]
        self._alike = {id(group.kinds): group.kinds for group in groups}

    def detectors(self, rule: SurgeRule) -> dict[str, Surge]:
        """Today's, and one for each set of edges."""
        recall, false_share = (
            np.array(
                [label_shares(group.believed.answered[group.believed.negative == label])[1] for group in self.groups]
            )
            for label in (True, False)
        )
        found: dict[str, Surge] = {
            TODAY: Surge(nobody(len(self.group), recall[self.group], false_share[self.group]), rule)
        }
        for name in self.groups[0].kinds.edges:
            negative, other = (
                np.stack(
                    [shares(group.believed.p[group.believed.negative == label], group.kinds.edges[name])
                     for group in self.groups], axis=1,
                )[:, self.group]
                for label in (True, False)
            )  # fmt: skip
            found[name] = BinnedSurge(Bins(negative, other), rule)
        return found

    def minutes(
        self, rng: np.random.Generator, negative: Counts, other: Counts, source: Counts, group: Counts
    ) -> Iterator[dict[str, Array]]:
        """By detector, what it sees of each minute: (columns,) answered negative, or (bins, columns).

        Args:
            rng: of the answers.
            negative, other: events by true label, (minutes, sources).
            source, group: of each column.
        """
        of_negative, of_other = (drawn[group] for drawn in self._drawn)
        together = max(1, MOST_DRAWN // of_negative.size)
        alike = [
            (np.flatnonzero(np.array([id(self.groups[number].kinds) == key for number in group])), kinds)
            for key, kinds in self._alike.items()
        ]
        for first in range(0, len(negative), together):
            rows = slice(first, first + together)
            drawn = rng.multinomial(negative[rows, source], of_negative) + rng.multinomial(
                other[rows, source], of_other
            )
            counts = drawn.astype(np.float32)
            found: dict[str, Array] = {}
            for name in self.groups[0].kinds.members:
                bins = len(self.groups[0].kinds.members[name])
                seen = np.empty((len(counts), bins, len(group)))
                for columns, kinds in alike:
                    seen[:, :, columns] = (counts[:, columns] @ kinds.members[name].T).swapaxes(1, 2)
                found[name] = seen[:, 1] if name == TODAY else seen
            yield from ({name: seen[row] for name, seen in found.items()} for row in range(len(counts)))


def compare(
    groups: Sequence[Group],
    condition: Condition,
    seeds: Sequence[int],
    each: int = 10,
    days: int = 20,
    rule: SurgeRule = SurgeRule(),
) -> list[Compared]:
    """Every bucket of the groups, in the order in which they come.

    Args:
        groups: all with detectors of the same names.
        condition: of all markets.
        seeds: one simulated market each, seen by every group.
        each: incidents in every market, each alone.
        days: of every market.
        rule: of all detectors.
    """
    markets = as_released(simulate(seeds, days, (1.0, 0.0), (condition,)), seeds[0])
    incidents = plant(markets, seeds[0], each)
    columns = Columns(groups, len(markets.rho))
    blocks, before, copies = _through(columns, markets, incidents, rule)
    blocks = {name: of[DAY // BLOCK :] for name, of in blocks.items()}  # on its first day a market is learned
    buckets = list(dict.fromkeys(group.bucket for group in groups))
    of_group = np.array([buckets.index(group.bucket) for group in groups])
    thresholds = {name: np.zeros(len(groups)) for name in blocks}  # the least, for today's too: all are judged alike
    for number in range(len(buckets)):
        ours = of_group[columns.group] == number
        today = int(false_alarms(blocks[TODAY][:, ours], rule.threshold).sum())
        for name in blocks:
            thresholds[name][of_group == number] = threshold_for(blocks[name][:, ours], today)
    everywhere = int(false_alarms(blocks[TODAY], rule.threshold).sum())
    one = {name: np.full(len(groups), threshold_for(of, everywhere)) for name, of in blocks.items()}
    delays = _delays(columns, incidents, copies, before, (thresholds, one))
    found = []
    for number, bucket in enumerate(buckets):
        ours = of_group[columns.group] == number
        alarms = {
            name: int(false_alarms(of[:, ours], float(thresholds[name][of_group == number][0])).sum())
            for name, of in blocks.items()
        }
        own, common = delays[..., of_group == number]
        row = _compared(bucket, own, list(blocks), incidents.market, float(ours.sum()) * (days - 1) / 30, alarms)
        found.append(replace(row, common=_ratios(common, list(blocks))))
    return found


def _through(
    columns: Columns, markets: Markets, incidents: Incidents, rule: SurgeRule
) -> tuple[dict[str, NDArray[np.float32]], dict[str, Array], dict[str, Surge]]:
    """Largest statistic of every hour; just before each incident (incidents * groups,); and the detectors there."""
    rng = np.random.default_rng([len(markets.n), len(columns.groups)])
    detectors = columns.detectors(rule)
    other = markets.n - markets.x
    blocks = {name: np.zeros((markets.minutes // BLOCK, len(columns.group)), np.float32) for name in detectors}
    statistic = {name: np.zeros(len(columns.group)) for name in detectors}
    copies: dict[str, list[Surge]] = {name: [] for name in detectors}
    before: dict[str, list[Array]] = {name: [] for name in detectors}
    count, planted = len(columns.groups), 0
    for minute, seen in enumerate(columns.minutes(rng, markets.x, other, columns.market, columns.group)):
        while planted < len(incidents.began) and incidents.began[planted] == minute:
            series = incidents.market[planted] * count + np.arange(count)
            for name, detector in detectors.items():
                copies[name].append(detector.of(series))
                before[name].append(statistic[name][series])
            planted += 1
        n = markets.n[minute, columns.market].astype(float)
        for name, detector in detectors.items():
            statistic[name] = detector.step(np.float64(minute), n, seen[name], n)
            np.maximum(blocks[name][minute // BLOCK], statistic[name], out=blocks[name][minute // BLOCK],
                       casting="same_kind")  # fmt: skip
    return blocks, {name: np.concatenate(of) for name, of in before.items()}, {
        name: joined(of) for name, of in copies.items()
    }  # fmt: skip


def _delays(
    columns: Columns,
    incidents: Incidents,
    detectors: Mapping[str, Surge],
    before: Mapping[str, Array],
    thresholds: Sequence[Mapping[str, Array]],
) -> Array:
    """Minutes from when each incident begins to the record of its alert: (thresholds, detectors, incidents, groups).

    nan where an alarm was on before; an incident that is missed counts with the whole horizon. Columns leave when all
    detectors have fired.
    """
    rng = np.random.default_rng([1, len(columns.groups)])
    count, names = len(columns.groups), list(detectors)
    size = len(incidents.began) * count
    delays = np.full((len(thresholds), len(names), size), np.nan)
    column = np.arange(size)  # those that still wait
    left = dict(detectors)
    levels = np.stack([[np.tile(of[name], len(incidents.began)) for name in names] for of in thresholds])
    was_on = np.stack([before[name] for name in names]) >= levels
    for hour in range(0, HORIZON, BLOCK):
        incident, group, places = column // count, column % count, np.arange(len(column))
        n, negative = (of[hour : hour + BLOCK, incident] for of in (incidents.n, incidents.x))
        for after, seen in enumerate(columns.minutes(rng, negative, n - negative, places, group), start=hour):
            minute, events = (incidents.began[incident] + after).astype(float), n[after - hour].astype(float)
            for number, name in enumerate(names):
                shown = left[name].step(minute, events, seen[name], events)
                for known, level in zip(delays[:, number], levels[:, number], strict=True):
                    fires = (shown >= level[column]) & np.isnan(known[column])
                    known[column[fires]] = after + 1.0
        waiting = np.isnan(delays[..., column]).any(axis=(0, 1))
        left = {name: detector.of(np.flatnonzero(waiting)) for name, detector in left.items()}
        column = column[waiting]
        if not len(column):
            break
    minutes = np.where(np.isnan(delays), HORIZON, delays) + np.repeat(incidents.more, count)
    found: Array = np.where(was_on, np.nan, minutes).reshape(len(thresholds), len(names), len(incidents.began), count)
    return found


def _ratios(delays: Array, names: list[str]) -> dict[str, float]:
    judged = ~np.isnan(delays).any(axis=0)
    means = {name: float(one[judged].mean()) for name, one in zip(names, delays, strict=True)}
    return {name: mean / means[TODAY] for name, mean in means.items()}


def _compared(
    name: str, delays: Array, names: list[str], market: Counts, months: float, alarms: dict[str, int]
) -> Compared:
    """Delays (detectors, incidents, groups) as figures, over incidents at which no detector's alarm was on before."""
    judged = ~np.isnan(delays).any(axis=0)
    _, place = np.unique(market, return_inverse=True)
    sums = np.stack([np.bincount(place, np.where(judged, minutes, 0.0).sum(axis=1)) for minutes in delays])
    drawn = np.random.default_rng(7).integers(sums.shape[1], size=(ROUNDS, sums.shape[1]))
    resampled = sums[:, drawn].sum(axis=-1)  # markets: incidents of one share its drift
    today, means = names.index(TODAY), [float(minutes[judged].mean()) for minutes in delays]
    ratios = {}
    for number, other in enumerate(names):
        low, high = np.quantile(resampled[number] / resampled[today], [0.025, 0.975])
        ratios[other] = (means[number] / means[today], float(low), float(high))
    missed = [float((minutes[judged] > HORIZON - 1).mean()) for minutes in delays]  # less what `more` takes off
    return Compared(
        name=name,
        incidents=int(judged.sum()),
        false_alarms=alarms[TODAY] / months,
        delays=dict(zip(names, means, strict=True)),
        ratios=ratios,
        missed=dict(zip(names, missed, strict=True)),
        alarms=alarms,
    )
