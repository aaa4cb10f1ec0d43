"""The paired bootstrap tells a real difference from chance."""

import numpy as np
import pytest

from models.compare import compare
from models.scores import macro_f1


def answers(truth: np.ndarray, right: float, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    return np.where(random.random(len(truth)) < right, truth, random.integers(0, 3, len(truth)))


TRUTH = np.random.default_rng(1).integers(0, 3, 4_000)
LANGUAGES = ["en", "pt"] * 2_000


def test_scores_are_those_of_the_answers() -> None:
    """Point values are plain macro-F1, per language and as their mean."""
    first, second = answers(TRUTH, 0.7, 2), answers(TRUTH, 0.6, 3)
    found = compare(TRUTH, first, second, LANGUAGES)
    english = np.array(LANGUAGES) == "en"
    assert found.languages["en"].first == pytest.approx(macro_f1(TRUTH[english], first[english], range(3)))
    assert found.mean.second == pytest.approx(np.mean([one.second for one in found.languages.values()]))
    assert found.mean.difference == pytest.approx(found.mean.first - found.mean.second)


def test_a_real_difference_is_seen_and_none_is_not() -> None:
    """Ten points apart: better, and worse the other way round. A classifier against itself: no difference."""
    first, second = answers(TRUTH, 0.7, 2), answers(TRUTH, 0.6, 3)
    assert "better" == compare(TRUTH, first, second, LANGUAGES).mean.verdict
    assert "worse" == compare(TRUTH, second, first, LANGUAGES).mean.verdict
    itself = compare(TRUTH, first, first, LANGUAGES).mean
    assert ("no difference seen", 0.0, 0.0) == (itself.verdict, itself.low, itself.high)


def test_the_interval_covers_as_often_as_it_says() -> None:
    """Two equally good classifiers: about one in twenty intervals misses 0."""
    missed = 0
    for seed in range(200):
        truth = np.random.default_rng(seed).integers(0, 3, 600)
        one = compare(truth, answers(truth, 0.6, 2 * seed + 1_000), answers(truth, 0.6, 2 * seed + 1_001), ["en"] * 600)
        missed += not one.mean.low <= 0 <= one.mean.high
    assert 2 <= missed <= 22
