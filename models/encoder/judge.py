"""Scores on families left out, with intervals over parallel groups, and one method's lead over another."""

from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.encoder.families import CHOOSING, Fold
from models.labels import SENTIMENTS
from models.scores import macro_f1

ROUNDS = 2_000
CLASSES = len(SENTIMENTS)
NEUTRAL = SENTIMENTS.index("neutral")

Answers = NDArray[np.int64]


class Interval(msgspec.Struct, frozen=True):
    """A value and its 95 % percentile interval over resampled parallel groups."""

    value: float
    low: float
    high: float


class FamilyScore(msgspec.Struct, frozen=True):
    """Scores of one method on one family.

    `macro_f1`: pooled over the family's languages; `native`, `translated`: of these rows alone, None where there are
    none; `neutral`: share of rows that are (first) and that are answered (second) neutral.
    """

    n: int
    groups: int
    macro_f1: Interval
    native: Interval | None
    translated: Interval | None
    languages: dict[str, float]
    neutral: tuple[float, float]


class MethodScore(msgspec.Struct, frozen=True):
    """`mean` over the families judged, `choosing` over those that plans are chosen by; None where none was judged."""

    families: dict[str, FamilyScore]
    mean: Interval
    choosing: Interval | None


class Lead(msgspec.Struct, frozen=True):
    """How far one method's macro-F1 lies above another's, paired; the mean is over the families that both judged."""

    families: dict[str, Interval]
    mean: Interval


class Judgement(msgspec.Struct, frozen=True):
    """By method; leads as `first > second`. `training`: rows of each family and language by fold."""

    methods: dict[str, MethodScore]
    leads: dict[str, Lead]
    training: dict[str, dict[str, int]] = {}


def judge(folds: Mapping[str, Fold], answers: Mapping[str, Mapping[str, Answers]], seed: int = 0) -> Judgement:
    """Score all methods on the folds that they have answers for.

    Each family's parallel groups are resampled, the same draws for every method; families are drawn independently.

    Args:
        folds: by family.
        answers: class numbers (n,) of a fold's judged rows, by method and family.
        seed: of the resampling.
    """
    samples = {name: _samples(fold, answers, seed + place) for place, (name, fold) in enumerate(folds.items())}
    methods = {}
    for method, given in answers.items():
        families = {name: _family(folds[name], given[name], samples[name]["all"][method], samples[name], method)
                    for name in folds if name in given}  # fmt: skip
        if families:
            chosen = [name for name in families if name in CHOOSING]
            methods[method] = MethodScore(
                families,
                _interval(np.mean([samples[name]["all"][method] for name in families], axis=0)),
                _interval(np.mean([samples[name]["all"][method] for name in chosen], axis=0)) if chosen else None,
            )
    leads = {}
    names = list(methods)
    for place, first in enumerate(names):
        for second in names[place + 1 :]:
            both = [name for name in methods[first].families if name in methods[second].families]
            gaps = {name: samples[name]["all"][first] - samples[name]["all"][second] for name in both}
            if gaps:
                of_families = {name: _interval(gap) for name, gap in gaps.items()}
                leads[f"{first} > {second}"] = Lead(of_families, _interval(np.mean(list(gaps.values()), axis=0)))
    return Judgement(methods, leads)


Samples = dict[str, dict[str, NDArray[np.float64]]]


def _samples(fold: Fold, answers: Mapping[str, Mapping[str, Answers]], seed: int) -> Samples:
    """macro-F1 (1 + rounds,) of every method on all rows, native and translated ones; the first is the rows' own.

    What a group adds to the confusion tables decides its kind; resampling groups is a multinomial draw of kinds.
    """
    translated = np.array([row.translated for row in fold.judged])
    found: Samples = {}
    for part, rows in (("all", np.full(len(translated), True)), ("native", ~translated), ("translated", translated)):
        given = {method: of[fold.name][rows] for method, of in answers.items() if fold.name in of}
        found[part] = _resampled(fold.truth[rows], given, fold.groups[rows], seed) if rows.any() else {}
    return found


def _resampled(
    truth: Answers, given: Mapping[str, Answers], groups: NDArray[np.int64], seed: int
) -> dict[str, NDArray[np.float64]]:
    if not given:
        return {}
    _, numbers = np.unique(groups, return_inverse=True)
    cells = CLASSES**2
    size = int(numbers.max()) + 1
    tables = np.stack(
        [
            np.bincount(numbers * cells + truth * CLASSES + answer, minlength=size * cells).reshape(size, cells)
            for answer in given.values()
        ],
        axis=1,
    )
    kinds, counts = np.unique(tables.reshape(len(tables), -1), axis=0, return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(len(tables), counts / counts.sum(), size=ROUNDS)
    sums = np.concatenate([counts[None], drawn]) @ kinds
    scores = macro_f1_of(sums.reshape(-1, len(given), CLASSES, CLASSES))
    return {method: scores[:, place] for place, method in enumerate(given)}


def macro_f1_of(tables: NDArray[np.int64]) -> NDArray[np.float64]:
    """macro-F1 (...,) of confusion tables (..., true, answered); a class neither true nor answered counts 0."""
    hits = np.diagonal(tables, axis1=-2, axis2=-1)
    involved = tables.sum(axis=-2) + tables.sum(axis=-1)
    scores: NDArray[np.float64] = (2 * hits / np.maximum(involved, 1)).mean(axis=-1)
    return scores


def _family(fold: Fold, answer: Answers, sampled: NDArray[np.float64], samples: Samples, method: str) -> FamilyScore:
    languages = np.array([row.lang for row in fold.judged])
    parts = {part: samples[part].get(method) for part in ("native", "translated")}
    return FamilyScore(
        n=len(answer),
        groups=int(fold.groups.max()) + 1,
        macro_f1=_interval(sampled),
        native=None if parts["native"] is None else _interval(parts["native"]),
        translated=None if parts["translated"] is None else _interval(parts["translated"]),
        languages={
            name: round(macro_f1(fold.truth[languages == name], answer[languages == name], range(CLASSES)), 4)
            for name in sorted(set(languages.tolist()))
        },
        neutral=(round(float((fold.truth == NEUTRAL).mean()), 4), round(float((answer == NEUTRAL).mean()), 4)),
    )


def _interval(samples: NDArray[np.float64]) -> Interval:
    low, high = np.quantile(samples[1:], [0.025, 0.975])
    return Interval(round(float(samples[0]), 4), round(float(low), 4), round(float(high), 4))
