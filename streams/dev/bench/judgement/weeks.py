"""Simulated market-weeks: users, a surge, a classifier with errors of the market's own, a rater with errors."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from streams.judgement.draw import SIZES, order_of_cells, spreads_within
from streams.judgement.estimate import WORTH, Array, Numbers, Sample

Flags = NDArray[np.bool_]

Values = TypeVar("Values", Numbers, Array)

TEXTS = max(SIZES)
TYPICAL = np.array([[0.72, 0.18, 0.10], [0.17, 0.62, 0.21], [0.08, 0.17, 0.75]])
"""Confusion by which texts are allotted to cells; no market's own."""
FRESH_USERS = 4_000


@dataclass(frozen=True)
class Weeks:
    """b market-weeks: the first TEXTS texts to show, those of a plain random draw, and what is true.

    Attributes:
        sample: texts with the rater's answers; of n texts, the first n are taken.
        truth: (b, n) true labels of the same texts.
        plain: (b, n) the rater's answers about a plain random sample; -1 = the week has fewer events.
        plain_truth: (b, n) true labels of those.
        true_shares: (b, 3) of all events of the week.
        answered_shares: (b, 3) of the rater's answers, had the rater been asked about every event.
        expected_shares: (b, 3) of the market: its users not drawn, but all there could be.
    """

    sample: Sample
    truth: Numbers
    plain: Numbers
    plain_truth: Numbers
    true_shares: Array
    answered_shares: Array
    expected_shares: Array

    def first(self, texts: int, true: bool = False, users: bool = False) -> Sample:
        """The sample of a number of texts, with the rater's answers or the true ones."""
        source = self.truth if true else self.sample.labels
        return Sample(
            source[:, :texts],
            self.sample.cells[:, :texts],
            self.sample.scores[:, :texts],
            self.sample.counts,
            self.sample.mean_score,
            None if self.sample.users is None or not users else self.sample.users[:, :texts],
        )


@dataclass(frozen=True)
class _Week:
    truth: Numbers
    answers: Numbers
    predicted: Numbers
    scores: Array
    users: Numbers
    expected: Array


def simulate(weeks: int, rater_error: float = 0.1, seed: int = 1, events: tuple[int, int] = (150, 8_000)) -> Weeks:
    """Market-weeks of different sizes, shares, classifiers and users, each with a surge of negatives inside.

    Args:
        weeks: how many.
        rater_error: share of wrong answers, each wrong label as likely.
        seed: the same one gives the same weeks.
        events: fewest and most of a week; spread evenly in logarithms.
    """
    rows = [_drawn(_week(rng, rater_error, events), rng) for rng in np.random.default_rng(seed).spawn(weeks)]
    labels, truth, cells, scores, users, plain, plain_truth, counts, mean, true, answered, expected = (
        np.array(column) for column in zip(*rows, strict=True)
    )
    sample = Sample(labels, cells, scores, counts, mean, users)
    return Weeks(sample, truth, plain, plain_truth, true, answered, expected)


def _week(rng: np.random.Generator, rater_error: float, events: tuple[int, int]) -> _Week:
    size = int(np.exp(rng.uniform(*np.log(events))))
    shares = np.log(rng.dirichlet([4.0, 3.0, 5.0]))
    hours, volume, odds = rng.uniform(6, 48), rng.uniform(1, 4), rng.uniform(2, 6)
    surging = rng.random(size) < hours * volume / (168 - hours + hours * volume)
    writers = max(5, int(size / rng.uniform(1.2, 5)))
    often = np.cumsum(rng.lognormal(0.0, 1.2, writers))
    users = np.searchsorted(often, rng.random(size) * often[-1])
    mood = rng.normal(0, 0.8, writers)
    truth = _labels(rng, shares, mood[users], surging, odds)
    fresh = _labels(rng, shares, rng.normal(0, 0.8, FRESH_USERS), rng.random(FRESH_USERS) < surging.mean(), odds)
    skill = rng.uniform(1.2, 3.0) * np.where(surging, rng.uniform(0.6, 1.0), 1.0)  # a surge has new words
    logits = rng.normal(0, 1, (size, 3)) + rng.normal(0, 0.4, 3)
    logits[np.arange(size), truth] += skill
    logits *= np.exp(rng.normal(0.2, 0.3))
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    wrong = rng.random(size) < rater_error
    answers = np.where(wrong, (truth + rng.integers(1, 3, size)) % 3, truth)
    return _Week(
        truth,
        answers,
        logits.argmax(axis=1),
        chances @ WORTH["u"],
        users,
        np.bincount(fresh, minlength=3) / FRESH_USERS,
    )


def _labels(rng: np.random.Generator, shares: Array, mood: Array, surging: Flags, odds: float) -> Numbers:
    """True labels (n,) of texts by users of a mood (n,), some of them in a surge of negatives."""
    logits = shares + np.column_stack([-mood + np.log(odds) * surging, np.zeros(len(mood)), mood])
    return np.asarray((logits + rng.gumbel(size=logits.shape)).argmax(axis=1), np.int64)


def _drawn(week: _Week, rng: np.random.Generator) -> tuple[object, ...]:
    """One row of each array of `Weeks`; places in the lottery are random here, as hashes are."""
    size = len(week.truth)
    lottery = rng.permutation(size)
    counts = np.bincount(week.predicted, minlength=3)
    spreads = spreads_within(TYPICAL, counts / size, WORTH["u"])
    order = order_of_cells(counts.tolist(), spreads.tolist(), TEXTS)
    waiting = [iter(lottery[week.predicted[lottery] == cell].tolist()) for cell in range(3)]
    chosen = np.array([next(waiting[cell]) for cell in order])
    plain = lottery[:TEXTS]

    def padded(values: Values, where: Numbers) -> Values:
        return np.pad(values[where], (0, TEXTS - len(where)), constant_values=-1)

    return (
        padded(week.answers, chosen),
        padded(week.truth, chosen),
        padded(week.predicted, chosen),
        padded(week.scores, chosen),
        padded(week.users, chosen),
        padded(week.answers, plain),
        padded(week.truth, plain),
        counts,
        week.scores.mean(),
        np.bincount(week.truth, minlength=3) / size,
        np.bincount(week.answers, minlength=3) / size,
        week.expected,
    )
