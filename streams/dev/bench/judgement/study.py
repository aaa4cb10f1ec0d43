"""How often intervals cover, how wide they are and how far off, on simulated market-weeks."""

from collections.abc import Callable

import msgspec
import numpy as np

from streams.dev.bench.judgement.rivals import JEFFREYS, RIVALS, in_use, labels_alone
from streams.dev.bench.judgement.weeks import Weeks, simulate
from streams.judgement.draw import SIZES
from streams.judgement.estimate import WORTH, Array, Judged, Numbers, Sample
from streams.judgement.raters import error_rate, without_error

RATER_ERROR = 0.1
SHOWN_TWICE = 100
"""Texts from which the rater's error is estimated."""
RATERS = 20
"""That the weeks are divided among, each with an own estimate."""
POOLED = (4, 13)
SMALL = (20, 150)
"""Events of a small week, which labels may read whole."""
LOWEST = 0.15
MAX_GROUPS = 500
SLICE = 100  # groups at a time: what bounds the memory
IN_USE = next(iter(RIVALS))
RATERS_ANSWERS = "rater's answers"

Method = Callable[[Sample, Array], Judged]
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
    rows += _small(simulate(weeks, RATER_ERROR, seed, SMALL), seed)
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
    covered = (found.low <= truth + 1e-9) & (truth - 1e-9 <= found.high)  # rounding, where all was read
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


def _small(made: Weeks, seed: int) -> list[Row]:
    """Weeks that labels may read whole."""
    rows, counts = [], made.sample.counts
    targets = _targets(made, counts.sum(axis=1).astype(np.float64), seed)[:2]
    for texts in SIZES:
        answers = in_use(made.first(texts), WORTH["u"])
        alone = labels_alone(made.plain[:, :texts], counts, WORTH["u"])
        for what, truth, corrected in targets:
            plain = corrected(alone)
            name = f"weeks of {SMALL[0]} to {SMALL[1]} events: {what}"
            width = float(np.mean(plain.high - plain.low))
            rows.append(measured(name, IN_USE, texts, corrected(answers), truth, width))
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


def _pooled(made: Weeks, size: int) -> list[Row]:
    """Several weeks of 20 texts each as one population, of markets of like size: all, and those of the least u."""
    true = made.true_shares @ WORTH["u"]
    of_size = np.argsort(made.sample.counts.sum(axis=1), kind="stable")
    lowest = of_size[true[of_size] <= np.quantile(true, LOWEST)]
    rows: list[Row] = []
    for markets, weeks in (("", of_size), (f", lowest {LOWEST:.0%} of u".replace("%", " %"), lowest)):
        starts = range(0, len(weeks) - size + 1, max(1, len(weeks) // MAX_GROUPS))
        groups = np.array([weeks[start : start + size] for start in starts])
        if not len(groups):
            continue
        for name in (IN_USE, JEFFREYS):
            parts = [_together(made, part, RIVALS[name]) for part in np.array_split(groups, len(groups) // SLICE + 1)]
            answers, truth = (np.concatenate(each, axis=-1) for each in zip(*parts, strict=True))
            found = Judged(*answers)
            plain = rows[-1].width if name == JEFFREYS else float(np.mean(found.high - found.low))
            what = f"{size} weeks{markets}: "
            rows.append(measured(what + RATERS_ANSWERS, name, SIZES[0] * size, found, truth, plain))
    return rows


def _together(made: Weeks, groups: Numbers, method: Method) -> tuple[Array, Array]:
    """Of groups (g, weeks): what a method gives, (6, g), and the mean u of the rater's answers, (g,)."""
    first, worth, size = made.first(SIZES[0]), WORTH["u"], groups.shape[1]
    events = made.sample.counts.sum(axis=1)[groups]
    of_week = events / events.sum(axis=1, keepdims=True)
    cells = first.cells[groups] + 3 * np.arange(size)[:, None]
    sample = Sample(
        first.labels[groups].reshape(len(groups), -1),
        np.where(first.cells[groups] < 0, -1, cells).reshape(len(groups), -1),
        first.scores[groups].reshape(len(groups), -1),
        first.counts[groups].reshape(len(groups), -1),
        (first.mean_score[groups] * of_week).sum(axis=1),
    )
    found = method(sample, worth)
    truth = ((made.answered_shares @ worth)[groups] * of_week).sum(axis=1)
    return np.array([found.value, found.low, found.high, found.error, found.freedom, found.tuning]), truth
