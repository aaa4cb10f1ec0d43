"""What bins of P(negative) are worth: by language, and with the model measured on other sources."""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from streams.dev.bench.bins.answers import Answers
from streams.dev.bench.bins.edges import best_edges, information_of
from streams.dev.bench.bins.study import Compared, Group, Kinds, compare
from streams.dev.bench.detectors.markets import Condition
from streams.errors import BadInput

CONDITION = Condition(20.0, 0.02, 0.2)
COUNTS = (2, 3, 4, 5)
COMPARED = (3, 4)
CHOSEN = "3 bins"
LEAST_ROWS = 30  # truly negative ones, and others, of a language and family: fewer are no measurement
FIRST_SEED = 2_001
SPLIT_SEED = 7


class Information(msgspec.Struct, frozen=True):
    """One language: nats an event of hard labels, and how much more bins have, by their number.

    `own`: of three bins with edges of the language's own. Edges are chosen on one half of the texts, measured on the
    other, both ways.
    """

    texts: int
    negatives: int
    labels: float
    bins: dict[str, float]
    own: float


class Report(msgspec.Struct, frozen=True):
    """`edges`: by number of bins, of all rows. The comparison by language, and by source left out."""

    edges: dict[str, list[float]]
    information: dict[str, Information]
    languages: list[Compared]
    left_out: list[Compared]


def report(
    answers: Answers,
    kept: Mapping[str, Answers],
    markets: int = 26,
    each: int = 20,
    days: int = 8,
) -> Report:
    """Measure all.

    Args:
        answers: of the model, to labelled texts that it was not trained on.
        kept: answers to families of sources by models that never saw them, by name.
        markets: simulated for every language.
        each: incidents in every market.
        days: of every market.
    """
    seeds = range(FIRST_SEED, FIRST_SEED + markets)
    both_ways = _both_ways(answers)
    of_languages = [
        Group(language, kinds, believed.of(believed.language == language), drawn)
        for kinds, believed, other in both_ways
        for language, drawn in other.languages()
    ]
    left_out = _left_out(answers, kept)
    return Report(
        edges={_name(bins): best_edges(answers, bins) for bins in COUNTS},
        information=_information(answers),
        languages=compare(of_languages, CONDITION, seeds, each, days),
        left_out=compare(left_out, CONDITION, seeds[: max(1, markets // 2)], 5 * each // 2, days) if left_out else [],
    )


def _name(bins: int) -> str:
    return f"{bins} bins"


def _both_ways(answers: Answers) -> list[tuple[Kinds, Answers, Answers]]:
    """What edges and beliefs come from, and what answers are drawn from: each half of the texts once."""
    first, second = answers.halves(SPLIT_SEED)
    if not all(best_edges(half, bins) for half in (first, second) for bins in COMPARED):
        raise BadInput(
            f"{len(answers.p)} texts are too few, or their answers are too much alike, to choose bins by. "
            "Operator action: give more labelled texts."
        )
    return [
        (Kinds.of({_name(bins): best_edges(one, bins) for bins in COMPARED}), one, other)
        for one, other in ((first, second), (second, first))
    ]


def _left_out(answers: Answers, kept: Mapping[str, Answers]) -> list[Group]:
    """Each language and family with rows enough: detectors know the model's answers to all other families only."""
    groups = []
    sources = [(family, answers.of(answers.family == family)) for family in sorted(set(answers.family.tolist()))]
    for name, drawn in [*sources, *kept.items()]:
        others = answers.of(~np.isin(answers.family, drawn.family))
        kinds = None
        for language, texts in drawn.languages():
            believed = others.of(others.language == language)
            if min(_rows(texts), _rows(believed)) >= LEAST_ROWS:
                kinds = kinds or Kinds.of({CHOSEN: best_edges(others, int(CHOSEN[0]))})
                groups.append(Group(f"{language}, {name}", kinds, believed, texts))
    return groups


def _rows(answers: Answers) -> int:
    return int(min(answers.negative.sum(), (~answers.negative).sum()))


def _information(answers: Answers) -> dict[str, Information]:
    halves = answers.halves(SPLIT_SEED)
    ways = [(halves[0], halves[1]), (halves[1], halves[0])]
    edges = [{_name(bins): best_edges(one, bins) for bins in COUNTS} for one, _ in ways]
    found = {}
    for language, texts in answers.languages():
        pairs = [[half.of(half.language == language) for half in way] for way in ways]
        labels = [information_of(other, None) for _, other in pairs]
        own = [information_of(other, best_edges(one, int(CHOSEN[0]))) for one, other in pairs]
        bins = {
            name: [information_of(other, of[name]) for of, (_, other) in zip(edges, pairs, strict=True)]
            for name in edges[0]
        }
        found[language] = Information(
            texts=len(texts.p),
            negatives=int(texts.negative.sum()),
            labels=float(np.mean(labels)),
            bins={name: _ratio(of, labels) for name, of in bins.items()},
            own=_ratio(own, labels),
        )
    return found


def _ratio(values: Sequence[float], to: Sequence[float]) -> float:
    return float(np.sum(values) / np.sum(to))
