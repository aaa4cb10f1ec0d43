"""How often intervals cover, how wide they are and how far off, on simulated market-weeks."""

from collections.abc import Callable
from dataclasses import replace

import msgspec
import numpy as np

from streams.dev.bench.judgement.rivals import RIVALS, in_use, labels_alone
from streams.dev.bench.judgement.weeks import Weeks, simulate
from streams.judgement.draw import SIZES
from streams.judgement.estimate import WORTH, Array, Judged, Sample
from streams.judgement.raters import error_rate, without_error

RATER_ERROR = 0.1
SHOWN_TWICE = 100
"""Texts from which the rater's error is estimated."""
RATERS = 20
"""That the weeks are divided among, each with an estimate of its own."""
POOLED = (4, 13)
IN_USE = next(iter(RIVALS))

Corrected = Callable[[Judged], Judged]


class Row(msgspec.Struct, frozen=True):
    """One method on one number of texts: what of the weeks it covers, how wide, how far off.

    `ratio` is the mean width over that of the labels alone with the same correction.
    """

    what: str
    method: str
    texts: int
    weeks: int
    covered: float
    width: float
    ratio: float
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
        methods = RIVALS if rivals else {IN_USE: in_use}
        for what, truth, corrected in _targets(made, events, seed):
            for name, method in methods.items():
                rows.append(_row(what, name, texts, corrected(method(sample, WORTH["u"])), truth, corrected, made))
            rows.append(_row(what, "labels alone", texts, corrected(_alone(made, texts)), truth, corrected, made))
        rows += _shares(made, texts, sample)
        rows += [_beyond(made, texts, users) for users in (False, True)]
    for size in POOLED:
        rows += _pooled(made, size)
    return rows


def _targets(made: Weeks, events: Array, seed: int) -> list[tuple[str, Array, Corrected]]:
    """What is to be covered: u of the rater's answers; of the truth, the rate known; the rate estimated; ignored."""
    true = made.true_shares @ WORTH["u"]
    rng = np.random.default_rng([seed, 2])
    raters = [error_rate(SHOWN_TWICE, int(rng.binomial(SHOWN_TWICE, _agreement(RATER_ERROR)))) for _ in range(RATERS)]
    rate, error = (np.resize(each, len(events)) for each in np.array(raters).T)
    return [
        ("rater's answers", made.answered_shares @ WORTH["u"], lambda found: found),
        ("truth, rate known", true, lambda found: without_error(found, WORTH["u"], events, RATER_ERROR)),
        ("truth, rate estimated", true, lambda found: without_error(found, WORTH["u"], events, rate, error)),
        ("truth, rate ignored", true, lambda found: found),
    ]


def _agreement(rate: float) -> float:
    return (1 - rate) ** 2 + rate**2 / 2


def _alone(made: Weeks, texts: int) -> Judged:
    return labels_alone(made.plain[:, :texts], made.sample.counts, WORTH["u"])


def _row(
    what: str, method: str, texts: int, found: Judged, truth: Array, corrected: Corrected, made: Weeks
) -> Row:
    plain = corrected(_alone(made, texts))
    return _measured(what, method, texts, found, truth, float(np.mean(plain.high - plain.low)))


def _measured(what: str, method: str, texts: int, found: Judged, truth: Array, plain: float) -> Row:
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
            rows.append(_measured(f"share of {name}", method, texts, found, truth, width))
    return rows


def _beyond(made: Weeks, texts: int, users: bool) -> Row:
    """Of the market rather than of the week: true labels, an expectation over users; no correction for what is left."""
    worth = WORTH["u"]
    alone = labels_alone(made.plain_truth[:, :texts], made.sample.counts, worth)
    found = in_use(made.first(texts, true=True, users=users), worth)
    name = "users known" if users else "users not known"
    truth = made.expected_shares @ worth
    return _measured("market beyond the week", name, texts, found, truth, float(np.mean(alone.high - alone.low)))


def _pooled(made: Weeks, size: int) -> list[Row]:
    """Several weeks of 20 texts each as one population."""
    groups = len(made.truth) // size
    texts = SIZES[0]
    if not groups:
        return []

    def together(values: Array) -> Array:
        return values[: groups * size].reshape(groups, -1)

    first = made.first(texts)
    events = together(made.sample.counts.sum(axis=1)).astype(np.float64)
    of_week = events / events.sum(axis=1, keepdims=True)
    cells = first.cells + 3 * (np.arange(len(first.cells)) % size)[:, None]
    sample = replace(
        first,
        labels=together(first.labels),
        cells=together(np.where(first.cells < 0, -1, cells)),
        scores=together(first.scores),
        counts=together(first.counts),
        mean_score=(together(first.mean_score) * of_week).sum(axis=1),
    )
    worth = WORTH["u"]
    found = in_use(sample, worth)
    rows = []
    for what, shares, each in (
        ("rater's answers", made.answered_shares, found),
        ("truth, rate known", made.true_shares, without_error(found, worth, events.sum(axis=1), RATER_ERROR)),
    ):
        truth = (together(shares @ worth) * of_week).sum(axis=1)
        width = float(np.mean(each.high - each.low))
        rows.append(_measured(f"{what}, {size} weeks", IN_USE, texts * size, each, truth, width))
    return rows
