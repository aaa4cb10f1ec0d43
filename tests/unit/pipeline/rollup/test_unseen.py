"""The confusion of a language that nobody measured: as sure as the measured languages are alike."""

import numpy as np
import pytest

from streams.pipeline.rollup.correction import SCORE, Array, corrected_score
from streams.pipeline.rollup.unseen import MIN_LANGUAGES, TEXTS, model_confusion, next_language

MEAN = np.array([[0.65, 0.15, 0.2], [0.22, 0.55, 0.23], [0.07, 0.08, 0.85]])
ROWS = (190, 150, 430)  # of the development set by true label, as of the shipped model
TRUTH = np.array([0.25, 0.2, 0.55])


def languages(rng: np.random.Generator, weight: float, number: int) -> Array:
    """Confusions (number, 3, 3) of languages that are alike by so many texts."""
    return np.array([[rng.dirichlet(weight * row) for row in MEAN] for _ in range(number)])


def counted(rng: np.random.Generator, confusions: Array) -> Array:
    """What a development set shows of them."""
    return np.array([[rng.multinomial(n, row) for n, row in zip(ROWS, one, strict=True)] for one in confusions], float)


@pytest.mark.parametrize("weight", [15.0, 40.0, 120.0])
def test_the_weight_is_found_from_how_languages_differ(weight: float) -> None:
    """Of many languages: their mean, and how far they scatter about it beyond the chance in their counts."""
    rng = np.random.default_rng(1)
    mean, texts = next_language(counted(rng, languages(rng, weight, 120)))
    np.testing.assert_allclose(MEAN, mean, atol=0.04)
    np.testing.assert_allclose(np.full(3, weight), texts, rtol=0.4)


def test_languages_that_are_all_alike_say_most() -> None:
    """And unlike ones little: fewer than three, nothing."""
    alike = np.array([np.round(np.array(ROWS)[:, None] * MEAN)] * 11)
    assert (next_language(alike)[1] > 250).all()
    few = alike[: MIN_LANGUAGES - 1]
    assert [TEXTS[0]] * 3 == next_language(few)[1].tolist()
    unlike = alike[:3].copy()
    unlike[0, 0], unlike[1, 0] = unlike[0, 0, [1, 0, 2]], unlike[1, 0, [2, 1, 0]]
    assert next_language(unlike)[1][0] < 5


def test_a_model_has_its_languages_exactly_and_two_rows_for_the_rest() -> None:
    """Those of other languages and of unmeasured texts."""
    rng = np.random.default_rng(2)
    tables = counted(rng, languages(rng, 30.0, 3)).astype(int)
    found = model_confusion(dict(zip("abc", tables.tolist(), strict=True)))
    assert ((5, 3, 3), (5, 3)) == (found.mean.shape, found.weight.shape)
    assert np.isinf(found.weight[:3]).all()
    np.testing.assert_array_equal(found.mean[3], found.mean[4])
    assert (found.weight[3:] < 400).all()


@pytest.mark.parametrize("weight", [15.0, 40.0])
def test_the_interval_covers_a_language_that_was_not_measured(weight: float) -> None:
    """Its confusion is drawn from where those of the eleven came; taken as the languages' mean it covers a third."""
    rng = np.random.default_rng(3)
    exact: list[bool] = []
    widened: list[bool] = []
    for _ in range(30):
        known, unseen = np.split(languages(rng, weight, 21), [11])
        mean, texts = next_language(counted(rng, known))
        counts = np.array([rng.multinomial(3_000, TRUTH @ confusion) for confusion in unseen], float)
        for covered, given in ((exact, None), (widened, np.repeat(texts[None], 10, axis=0))):
            flat = np.full((10, 3), 1 / 3)
            score, error = corrected_score(counts, np.repeat(mean[None], 10, axis=0), flat, given)
            covered.extend((np.abs(score - TRUTH @ SCORE) < 1.96 * error).tolist())
    assert np.mean(exact) < 0.6
    assert 0.92 <= np.mean(widened) <= 0.99
