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
    assert (0.45, 1.0) == (pytest.approx(found.value[0]), pytest.approx(found.tuning[0]))
    assert found.error[0] == pytest.approx(0, abs=1e-9)


def test_a_population_read_whole_leaves_nothing_to_guess() -> None:
    """No interval, if every event has its label."""
    whole = replace(THIN, counts=np.array([[3, 3]]), mean_score=THIN.scores.mean(axis=1))
    found = estimate(whole, WORTH["u"])
    assert found.value[0] == pytest.approx(WORTH["u"][THIN.labels[0]].mean())
    assert found.low[0] == pytest.approx(found.high[0])


def test_shares_add_up_to_one_without_tuning() -> None:
    """And u is that of the shares."""
    shares = [estimate(THIN, WORTH[name], tuned=False).value[0] for name in ("negative", "neutral", "positive")]
    assert sum(shares) == pytest.approx(1)
    assert estimate(THIN, WORTH["u"], tuned=False).value[0] == pytest.approx(shares[1] / 2 + shares[2])


@pytest.mark.parametrize(("counts", "known"), [([60, 40, 5], False), ([60, 40, 0], True)])
def test_a_cell_with_events_and_without_texts_gives_no_number(counts: list[int], known: bool) -> None:
    """One without events asks for none."""
    found = estimate(replace(THIN, counts=np.array([counts])), WORTH["u"])
    assert known == bool(np.isfinite(found.value[0]))


def test_padding_changes_nothing() -> None:
    """A text of cell -1 is no text."""
    more = Sample(
        *(np.pad(each, ((0, 0), (0, 4)), constant_values=-1) for each in (THIN.labels, THIN.cells, THIN.scores)),
        THIN.counts,
        THIN.mean_score,
    )
    for field in ("value", "low", "high", "error"):
        assert getattr(estimate(THIN, WORTH["u"]), field) == pytest.approx(getattr(estimate(more, WORTH["u"]), field))


def test_texts_of_one_user_widen_it_and_never_narrow_it() -> None:
    """Two alike answers of one user count less than of two; two unlike ones not more."""
    alone = estimate(THIN, WORTH["u"])
    alike = estimate(replace(THIN, users=np.array([[1, 1, 2, 3, 4, 5]])), WORTH["u"])
    unlike = estimate(replace(THIN, users=np.array([[1, 2, 1, 3, 4, 5]])), WORTH["u"])
    assert alike.error[0] > alone.error[0]
    assert unlike.error[0] == pytest.approx(alone.error[0])
    assert alike.value[0] == alone.value[0]
