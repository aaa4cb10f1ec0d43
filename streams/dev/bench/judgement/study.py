"""How often intervals cover, how wide they are and how far off, on simulated market-weeks."""

from collections.abc import Callable
from typing import TypeVar

import msgspec
import numpy as np

from streams.dev.bench.judgement.rivals import RIVALS, in_use, labels_alone
from streams.dev.bench.judgement.weeks import Weeks, simulate
from streams.judgement.draw import SIZES
from streams.judgement.estimate import WORTH, Array, Judged, Numbers, Sample
from streams.judgement.raters import error_rate, without_error

RATER_ERROR = 0.1
SHOWN_TWICE = 100
"""Texts from which the rater's error is estimated."""
RATERS = 20
"""That the weeks are divided among, each with an estimate of its own."""
POOLED = (4, 13)
IN_USE = next(iter(RIVALS))
RATERS_ANSWERS = "rater's answers"

Pooled = TypeVar("Pooled", Array, Numbers)
Corrected = Callable[[Judged], Judged]


class Row(msgspec.Struct, frozen=True):
    """One method on one number of texts: what of the weeks it covers, how wide, how far off.

    `ratio` is the mean width over that of the first method of windows, or of the labels alone with the same correction;
    `miss` is the root mean square error.
    """

    what: str
    method: str
    texts: int
    weeks: int
    covered: float
    width: float
    ratio: float
    miss: float
    bias: float


def study(weeks: int = 2_000, seed: int = 1, rivals: bool = True) -> list[Row]:
    """Rows for u and each share, of the rater's answers and of the truth, of a week and of several pooled.

    Args:
        weeks: market-weeks.
        seed: of the simulation.
        rivals: whether the methods that were refused run too.
    """
    made = simulate(weeks, RATER_ERROR, seed)
    events = made.sample.counts.sum(axis=1).astype(np.float64)
    rows: list[Row] = []
    for texts in SIZES:
        sample = made.first(texts)
        alone = labels_alone(made.plain[:, :texts], made.sample.counts, WORTH["u"])
        for what, truth, corrected in _targets(made, events, seed):
            plain = corrected(alone)
            width = float(np.mean(plain.high - plain.low))
            # bounds of other shapes than value -+ t error are not to be stretched: those rivals have the first target
            methods = RIVALS if rivals and what == RATERS_ANSWERS else {IN_USE: in_use}
            for name, method in methods.items():
                rows.append(measured(what, name, texts, corrected(method(sample, WORTH["u"])), truth, width))
            rows.append(measured(what, "labels alone", texts, plain, truth, width))
        rows += _shares(made, texts, sample)
        rows += [_beyond(made, texts, users) for users in (False, True)]
    for size in POOLED:
        rows += _pooled(made, size, rivals)
    return rows


def _targets(made: Weeks, events: Array, seed: int) -> list[tuple[str, Array, Corrected]]:
    """What is to be covered: u of the rater's answers; of the truth, the rate known; the rate estimated; ignored."""
    true = made.true_shares @ WORTH["u"]
    rng = np.random.default_rng([seed, 2])
    raters = [error_rate(SHOWN_TWICE, int(rng.binomial(SHOWN_TWICE, _agreement(RATER_ERROR)))) for _ in range(RATERS)]
    rate, error = (np.resize(each, len(events)) for each in np.array(raters).T)
    return [
        (RATERS_ANSWERS, made.answered_shares @ WORTH["u"], lambda found: found),
        ("truth, rate known", true, lambda found: without_error(found, WORTH["u"], events, RATER_ERROR)),
        ("truth, rate estimated", true, lambda found: without_error(found, WORTH["u"], events, rate, error)),
        ("truth, rate ignored", true, lambda found: found),
    ]


def _agreement(rate: float) -> float:
    return (1 - rate) ** 2 + rate**2 / 2


def measured(what: str, method: str, texts: int, found: Judged, truth: Array, plain: float) -> Row:
    """A row, of those that have a number; `plain` is the mean width that is compared with."""
    known = np.isfinite(found.value)
    covered = (found.low <= truth) & (truth <= found.high)
    width = float(np.mean((found.high - found.low)[known]))
    return Row(
        what,
        method,
        texts,
        int(known.sum()),
        round(float(covered[known].mean()), 4),
        round(width, 4),
        round(width / plain, 3),
        round(float(np.sqrt(np.mean((found.value - truth)[known] ** 2))), 4),
        round(float((found.value - truth)[known].mean()), 4),
    )


def _shares(made: Weeks, texts: int, sample: Sample) -> list[Row]:
    rows = []
    for name in ("negative", "neutral", "positive"):
        worth = WORTH[name]
        plain = labels_alone(made.plain[:, :texts], made.sample.counts, worth)
        width = float(np.mean(plain.high - plain.low))
        truth = made.answered_shares @ worth
        for method, of_method in ((IN_USE, in_use), ("labels alone", None)):
            found = plain if of_method is None else of_method(sample, worth)
            rows.append(measured(f"share of {name}", method, texts, found, truth, width))
    return rows


def _beyond(made: Weeks, texts: int, users: bool) -> Row:
    """Of the market beyond those who spoke: true labels, an expectation over all users."""
    worth = WORTH["u"]
    alone = labels_alone(made.plain_truth[:, :texts], made.sample.counts, worth)
    found = in_use(made.first(texts, true=True, users=users), worth)
    truth = made.expected_shares @ worth
    width = float(np.mean(alone.high - alone.low))
    return measured(
        "the market beyond the week", "users given" if users else "users not given", texts, found, truth, width
    )


def _pooled(made: Weeks, size: int, rivals: bool) -> list[Row]:
    """Several weeks of 20 texts each as one population."""
    groups, texts = len(made.truth) // size, SIZES[0]
    if not groups:
        return []

    def together(values: Pooled) -> Pooled:
        return values[: groups * size].reshape(groups, -1)

    first = made.first(texts)
    events = together(made.sample.counts.sum(axis=1))
    of_week = events / events.sum(axis=1, keepdims=True)
    cells = first.cells + 3 * (np.arange(len(first.cells)) % size)[:, None]
    sample = Sample(
        together(first.labels),
        together(np.where(first.cells < 0, -1, cells)),
        together(first.scores),
        together(first.counts),
        (together(first.mean_score) * of_week).sum(axis=1),
    )
    worth = WORTH["u"]

    def row(what: str, name: str, found: Judged, shares: Array) -> Row:
        truth = (together(shares @ worth) * of_week).sum(axis=1)
        plain = float(np.mean(found.high - found.low)) if not rows else rows[0].width
        return measured(f"{what}, {size} weeks", name, texts * size, found, truth, plain)

    rows: list[Row] = []
    for name, method in (RIVALS if rivals else {IN_USE: in_use}).items():
        rows.append(row(RATERS_ANSWERS, name, method(sample, worth), made.answered_shares))
    true = without_error(in_use(sample, worth), worth, events.sum(axis=1).astype(np.float64), RATER_ERROR)
    return [*rows, row("truth, rate known", IN_USE, true, made.true_shares)]
