"""The judged mean: right on average, sure where all was read, wider for users who write often, silent if too thin."""

from dataclasses import replace

import numpy as np
import pytest

from streams.judgement.estimate import WORTH, Sample, estimate


def sample(labels: list[int], cells: list[int], scores: list[float], counts: list[int], mean: float) -> Sample:
    """One population."""
    return Sample(np.array([labels]), np.array([cells]), np.array([scores]), np.array([counts]), np.array([mean]))


THIN = sample([0, 0, 1, 2, 2, 1], [0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.3, 0.8, 0.7, 0.6], [60, 40], 0.45)


def test_without_tuning_it_is_the_stratified_mean() -> None:
    """Sum of N_cell/N times the cell's mean."""
    found = estimate(THIN, WORTH["u"], tuned=False)
    assert found.value[0] == pytest.approx(0.6 * (0.5 / 3) + 0.4 * (2.5 / 3))
    assert found.tuning[0] == 0


def test_by_hand() -> None:
    """lambda of each text from the others, then the mean and the error, as a loop would have it."""
    y, e, cell = np.array([0, 0, 0.5, 1, 1, 0.5]), THIN.scores[0], THIN.cells[0]
    share, left, r = np.array([0.6, 0.4]), 1 - 3 / np.array([60, 40]), []
    for text in range(6):
        covariance = variance = 0.0
        for k in range(2):
            others = (cell == k) & (np.arange(6) != text)
            importance = left[k] * share[k] ** 2 / 3
            covariance += importance * np.cov(y[others], e[others])[0, 1]
            variance += importance * np.var(e[others], ddof=1)
        r.append(y[text] - np.clip(covariance / variance, -1, 1) * (e[text] - 0.45))
    parts = [np.array(r)[cell == k] for k in range(2)]
    spreads = [(1 / 6 + ((part - part.mean()) ** 2).sum()) / 3 for part in parts]
    found = estimate(THIN, WORTH["u"])
    assert found.value[0] == pytest.approx(sum(w * part.mean() for w, part in zip(share, parts, strict=True)))
    assert found.error[0] ** 2 == pytest.approx(sum(left * share**2 / 3 * spreads))
    assert 3 <= found.freedom[0] <= 6


def test_a_score_that_is_the_truth_leaves_nothing_but_what_was_known_beforehand() -> None:
    """lambda is 1, the value is the population's mean score whatever was drawn."""
    perfect = replace(THIN, scores=WORTH["u"][THIN.labels] + 0.0)
    found = estimate(perfect, WORTH["u"], 0.0)
    assert pytest.approx([0.45, 1.0]) == [found.value[0], found.tuning[0]]
    assert found.error[0] == pytest.approx(0, abs=1e-9)


def test_a_population_read_whole_leaves_nothing_to_guess() -> None:
    """No interval, if every event has its label."""
    whole = replace(THIN, counts=np.array([[3, 3]]), mean_score=THIN.scores.mean(axis=1))
    found = estimate(whole, WORTH["u"])
    assert found.value[0] == pytest.approx(WORTH["u"][THIN.labels[0]].mean())
    assert found.low[0] == pytest.approx(found.high[0])


@pytest.mark.parametrize("tuned", [False, True])
def test_shares_add_up_to_one_and_u_is_theirs(tuned: bool) -> None:
    """With the classifier's score too, as long as no lambda is at its bound."""
    rng = np.random.default_rng(2)
    labels, cells = rng.integers(0, 3, 60).tolist(), rng.integers(0, 2, 60).tolist()
    many = sample(labels, cells, (WORTH["u"][labels] * 0.3 + rng.random(60) * 0.7).tolist(), [600, 400], 0.45)
    shares = [estimate(many, WORTH[name], tuned=tuned).value[0] for name in ("negative", "neutral", "positive")]
    assert sum(shares) == pytest.approx(1)
    assert estimate(many, WORTH["u"], tuned=tuned).value[0] == pytest.approx(shares[1] / 2 + shares[2])


@pytest.mark.parametrize(("counts", "known"), [([60, 40, 5], False), ([60, 40, 0], True)])
def test_a_cell_with_events_and_without_texts_gives_no_number(counts: list[int], known: bool) -> None:
    """One without events asks for none."""
    found = estimate(replace(THIN, counts=np.array([counts])), WORTH["u"])
    assert known == bool(np.isfinite(found.value[0]))


def test_padding_changes_nothing() -> None:
    """A text of cell -1 is no text."""
    room = ((0, 0), (0, 4))
    more = replace(
        THIN,
        labels=np.pad(THIN.labels, room, constant_values=-1),
        cells=np.pad(THIN.cells, room, constant_values=-1),
        scores=np.pad(THIN.scores, room, constant_values=-1),
    )
    for field in ("value", "low", "high", "error"):
        assert getattr(estimate(THIN, WORTH["u"]), field) == pytest.approx(getattr(estimate(more, WORTH["u"]), field))


def test_texts_of_one_user_widen_it_and_never_narrow_it() -> None:
    """For the market beyond the week: alike answers of one user tell less, unlike ones not more."""
    week = estimate(THIN, WORTH["u"])
    alone, alike, unlike = (
        estimate(replace(THIN, users=np.array([users])), WORTH["u"])
        for users in ([1, 2, 3, 4, 5, 6], [1, 1, 2, 3, 4, 5], [1, 2, 3, 1, 4, 5])
    )
    assert week.error[0] < alone.error[0] == unlike.error[0] < alike.error[0]
    assert week.value[0] == alike.value[0]
