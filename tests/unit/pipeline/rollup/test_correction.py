"""The corrected u finds the true label shares behind a biased classifier, with an interval that covers."""

import numpy as np
from scipy.optimize import minimize

from streams.pipeline.rollup.correction import PRIOR_EVENTS, SCORE, confusion_of, corrected_score

BIASED = {"hi": [[60, 20, 20], [20, 60, 20], [25, 15, 60]]}
FLAT = np.full((1, 3), 1 / 3)


def test_confusions_are_shares_of_what_was_answered_per_true_label() -> None:
    """Never zero: one pseudo-count a cell."""
    tables = confusion_of({"pt": [[8, 1, 1], [0, 10, 0], [0, 0, 10]], "zh": [[2, 4, 4], [0, 10, 0], [0, 0, 10]]})
    assert (2, 3, 3) == tables.shape
    np.testing.assert_allclose(np.array([8, 1, 1]) + 1, tables[0, 0] * 13)
    assert (tables > 0).all()


def test_true_shares_are_found_behind_a_biased_classifier() -> None:
    """With many events the answer is that of the true labels, where the raw one is far off."""
    confusion = confusion_of(BIASED)[:1]
    truth = np.array([0.5, 0.1, 0.4])
    counts = 100_000 * truth @ confusion[0]
    [score], [error] = corrected_score(counts[None], confusion, FLAT)
    assert abs(score - truth @ SCORE) < 0.002
    assert abs(counts / counts.sum() @ SCORE - truth @ SCORE) > 0.02
    assert 0 < error < 0.01


def test_the_interval_covers_as_often_as_it_says() -> None:
    """Of 400 simulated samples about 95 % lie within 1.96 standard errors."""
    rng = np.random.default_rng(5)
    confusion = np.repeat(confusion_of(BIASED)[:1], 400, axis=0)
    truth = np.array([0.3, 0.3, 0.4])
    counts = rng.multinomial(600, truth @ confusion[0], size=400).astype(float)
    score, error = corrected_score(counts, confusion, np.repeat(truth[None], 400, axis=0))
    covered = float(np.mean(np.abs(score - truth @ SCORE) < 1.96 * error))
    assert 0.93 <= covered <= 1.0


def test_em_reaches_the_posterior_mode_of_an_optimiser() -> None:
    """The same shares as maximising the posterior directly (with exponents 20 baseline)."""
    confusion, baseline = confusion_of(BIASED)[:1], np.array([[0.2, 0.3, 0.5]])
    counts = np.array([[30.0, 12.0, 8.0]])

    def loss(free: np.ndarray) -> float:
        shares = np.exp([0, *free]) / np.exp([0, *free]).sum()
        return -float(counts[0] @ np.log(shares @ confusion[0]) + PRIOR_EVENTS * baseline[0] @ np.log(shares))

    best = minimize(loss, np.zeros(2), tol=1e-10).x
    shares = np.exp([0, *best]) / np.exp([0, *best]).sum()
    np.testing.assert_allclose(shares @ SCORE, corrected_score(counts, confusion, baseline)[0][0], atol=1e-4)


def test_without_events_the_baseline_stands() -> None:
    """No data, no opinion of its own."""
    [score], _ = corrected_score(np.zeros((1, 3)), confusion_of(BIASED)[:1], np.array([[0.2, 0.2, 0.6]]))
    assert abs(score - 0.7) < 1e-9


def test_a_confusion_known_from_few_texts_widens_the_interval() -> None:
    """Of 400 confusions drawn from what is known of them, about 95 % lead to a truth that is covered; else half."""
    rng = np.random.default_rng(6)
    known, weight, truth = confusion_of(BIASED)[0], np.full((400, 3), 60.0), np.array([0.2, 0.2, 0.6])
    drawn = np.array([[rng.dirichlet(60 * row) for row in known] for _ in range(400)])
    counts = np.array([rng.multinomial(5_000, truth @ confusion) for confusion in drawn], float)
    given = counts, np.repeat(known[None], 400, axis=0), np.repeat(truth[None], 400, axis=0)
    covered = []
    for score, error in (corrected_score(*given), corrected_score(*given, weight)):
        covered.append(float(np.mean(np.abs(score - truth @ SCORE) < 1.96 * error)))
    assert covered[0] < 0.6
    assert 0.92 <= covered[1] <= 0.99


def test_the_spread_of_the_confusion_goes_through_the_em_as_a_finite_difference_says() -> None:
    """Row by row: its Dirichlet covariance about the slope of u."""
    confusion, counts, baseline = (
        confusion_of(BIASED)[:1],
        np.array([[300.0, 120.0, 80.0]]),
        np.array([[0.2, 0.3, 0.5]]),
    )
    slope = np.zeros((3, 3))
    for true, answered in np.ndindex(3, 3):
        scores = []
        for step in (1e-5, -1e-5):
            moved = confusion.copy()
            moved[0, true, answered] += step
            scores.append(corrected_score(counts, moved, baseline)[0][0])
        slope[true, answered] = (scores[0] - scores[1]) / 2e-5
    weight = np.array([[30.0, 50.0, 90.0]])
    added = 0.0
    for row, about, texts in zip(confusion[0], slope, weight[0], strict=True):
        added += about @ (np.diag(row) - np.outer(row, row)) @ about / (texts + 1)
    exact, widened = (corrected_score(counts, confusion, baseline, given)[1][0] for given in (None, weight))
    np.testing.assert_allclose(widened**2 - exact**2, added, rtol=1e-3)
    assert exact == corrected_score(counts, confusion, baseline, np.full((1, 3), np.inf))[1][0]
