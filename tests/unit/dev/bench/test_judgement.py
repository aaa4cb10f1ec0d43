"""Judgement on simulated market-weeks: intervals cover, tighter than labels alone; evidence beats a constant shift."""

import numpy as np
import pytest

from streams.dev.bench.judgement.page import BEGIN, END, written
from streams.dev.bench.judgement.study import IN_USE, Row, study
from streams.dev.bench.judgement.weeks import simulate
from streams.dev.bench.judgement.windows import study_windows


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """Of 300 market-weeks."""
    return study(300, rivals=False)


def one(rows: list[Row], what: str, method: str, texts: int) -> Row:
    """The row of a method."""
    [found] = [row for row in rows if (row.what, row.method, row.texts) == (what, method, texts)]
    return found


@pytest.mark.parametrize("texts", [20, 50, 100])
@pytest.mark.parametrize("what", ["rater's answers", "truth, rate known", "truth, rate estimated"])
def test_intervals_cover_and_are_tighter_than_labels_alone(rows: list[Row], what: str, texts: int) -> None:
    """By what 300 weeks can tell (three standard errors beyond 94 to 97 %); off by less than a hundredth."""
    found = one(rows, what, IN_USE, texts)
    assert 0.90 <= found.covered <= (1.0 if texts == 20 else 0.995)
    assert found.ratio < 1
    assert abs(found.bias) < 0.012


def test_an_ignored_error_of_the_rater_is_seen(rows: list[Row]) -> None:
    """The truth is covered less often, the more texts there are."""
    ignored = [one(rows, "truth, rate ignored", IN_USE, texts).covered for texts in (20, 100)]
    assert ignored[1] < one(rows, "truth, rate known", IN_USE, 100).covered


def test_the_same_seed_gives_the_same_weeks() -> None:
    """And each week has a surge, errors of the rater, and texts of every cell that has events."""
    made, again = simulate(20, seed=3), simulate(20, seed=3)
    np.testing.assert_array_equal(made.sample.scores, again.sample.scores)
    drawn = made.sample.cells >= 0
    assert 0.05 < (made.truth != made.sample.labels)[drawn].mean() < 0.15
    texts = np.stack([(made.sample.cells[:, :20] == cell).sum(axis=1) for cell in range(3)], axis=1)
    assert (texts >= np.minimum(made.sample.counts, 4)).all()


def test_labels_are_evidence_for_windows_that_nobody_labelled() -> None:
    """They cover where the confusion of the development set does not, nearer the truth than a constant shift."""
    rows = study_windows(6)
    assert 12 == len(rows)
    for start in range(0, 12, 4):
        measured, labels, shift, _ = rows[start : start + 4]
        assert labels.covered > 0.88
        assert measured.covered < 0.7
        assert labels.miss < 0.9 * min(measured.miss, shift.miss)


def test_a_page_is_updated_between_its_marks() -> None:
    """One table for each thing that is to be covered, what surrounds them stays."""
    row = Row("u", "labels alone", 20, 2_000, 0.9375, 0.4, 1.0, 0.1, -0.004)
    page = written(f"before {BEGIN} old {END} after", [row, row])
    assert page.startswith(f"before {BEGIN}\n\n**u**\n")
    assert page.endswith(f"{END} after")
    assert 2 == page.count("| labels alone | 20 | 2,000 | 93.8 % | 0.400 | 1.00 | 0.100 | -0.0040 |")
    assert 1 == page.count("| method |")
    assert "old" not in page
