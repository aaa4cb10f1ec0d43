"""Labels as evidence on the confusion: weighted by how they were drawn, shared by markets, forgotten with age."""

import numpy as np
import pytest

from streams.judgement.confusion import Confusion
from streams.judgement.evidence import (
    ALIKE,
    ALIKE_UNKNOWN,
    DEVELOPMENT_TEXTS,
    HALF_LIFE_WEEKS,
    NOTHING,
    Evidence,
    confusions,
    confusions_by_market,
    evidence,
)

DEVELOPMENT = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]])
POOR = np.array([[0.6, 0.2, 0.2], [0.2, 0.5, 0.3], [0.1, 0.3, 0.6]])
MEASURED = Confusion(np.stack([DEVELOPMENT] * 2), np.full((2, 3), np.inf))


def drawn_from(confusion: np.ndarray, drawn: list[int], age: float = 0.0, events: int = 10_000) -> Evidence:
    """Labels as they are on average, of even true shares, with that many texts of each predicted label."""
    joint = confusion / 3
    answered = joint.sum(axis=0)
    return evidence(joint / answered * drawn, np.array(drawn), np.round(events * answered), age)


def test_how_many_were_drawn_of_each_answer_does_not_matter() -> None:
    """Plain counts would show 60 texts of one answer as if it were given the more often."""
    for drawn in ([100, 100, 100], [300, 30, 30]):
        rows = drawn_from(POOR, drawn).rows()
        np.testing.assert_allclose(POOR, rows / rows.sum(axis=1, keepdims=True), atol=1e-3)


def test_uneven_weights_make_texts_worth_less() -> None:
    """As many texts, worth fewer; even ones are worth their number."""
    even, uneven = drawn_from(POOR, [120, 120, 120]).rows().sum(), drawn_from(POOR, [300, 30, 30]).rows().sum()
    assert uneven < 0.7 * even
    plain = evidence(np.array([[5, 0, 0], [0, 5, 0], [0, 0, 5]]), np.full(3, 5), np.full(3, 100), 0.0)
    np.testing.assert_allclose(np.eye(3) * 5, plain.rows())


def test_labels_are_forgotten() -> None:
    """After a half-life they are worth half as many texts, and say the same."""
    new, old = drawn_from(POOR, [50, 50, 50]).rows(), drawn_from(POOR, [50, 50, 50], HALF_LIFE_WEEKS).rows()
    np.testing.assert_allclose(new / 2, old)


def test_the_raters_error_is_moved_back() -> None:
    """What 10 % of wrong answers make of a confusion leads back to it, worth fewer texts."""
    joint = POOR / 3
    answers = 0.85 * joint + 0.05 * joint.sum(axis=0)
    seen = evidence(answers / answers.sum(axis=0) * 100, np.full(3, 100), np.round(10_000 * answers.sum(axis=0)), 0.0)
    rows = seen.rows(0.1)
    np.testing.assert_allclose(POOR, rows / rows.sum(axis=1, keepdims=True), atol=1e-3)
    assert rows.sum() == pytest.approx(seen.rows().sum() * 0.85**2)


def test_without_labels_it_is_the_measured_confusion_and_not_sure_of_it() -> None:
    """Also for a market whose weeks have none."""
    found = confusions(DEVELOPMENT, {"BR": []}, ["BR", "DE"])
    np.testing.assert_allclose([DEVELOPMENT] * 2, found.mean)
    np.testing.assert_allclose(np.full((2, 3), ALIKE_UNKNOWN), found.weight)


def test_many_labels_of_a_market_speak_for_it() -> None:
    """And little for another, whose own say something else."""
    labels = {"BR": [drawn_from(POOR, [2_000] * 3)], "DE": [drawn_from(DEVELOPMENT, [2_000] * 3)]}
    found = confusions(DEVELOPMENT, labels, ["BR", "DE"])
    np.testing.assert_allclose([POOR, DEVELOPMENT], found.mean, atol=0.02)
    assert (found.weight > 1_500).all()


def test_a_market_without_labels_has_what_others_tell() -> None:
    """Between the development set and the others' labels, as many of each as there are, and rather sure of it."""
    labels = {f"M{number}": [drawn_from(POOR, [60] * 3)] for number in range(8)}
    found = confusions(DEVELOPMENT, labels, ["DE"])
    texts = sum((sum(weeks, NOTHING).rows() for weeks in labels.values()), np.zeros((3, 3)))
    expected = DEVELOPMENT_TEXTS * DEVELOPMENT + texts
    np.testing.assert_allclose(expected / expected.sum(axis=1, keepdims=True), found.mean[0], rtol=0.02)
    assert 200 < found.weight[0, 0] <= ALIKE[-1]


def test_markets_that_differ_tell_less_of_each_other() -> None:
    """The weight of the others' labels is what the labels themselves make most probable."""
    rng = np.random.default_rng(4)
    labels = {}
    for number in range(40):
        own = np.array([rng.dirichlet(20 * row) for row in POOR])
        labels[f"M{number}"] = [drawn_from(own, [100] * 3)]
    [weight] = confusions(DEVELOPMENT, labels, ["DE"]).weight
    assert 12 < weight[0] < 35


def test_each_language_has_its_own_evidence() -> None:
    """By market, in the order of the languages; none without labels."""
    labels = {"BR": {0: [drawn_from(POOR, [2_000] * 3)]}, "AR": {1: [drawn_from(POOR, [20] * 3)]}}
    found = confusions_by_market(MEASURED, labels)
    assert ["AR", "BR"] == list(found)
    np.testing.assert_allclose([POOR, DEVELOPMENT], found["BR"].mean, atol=0.1)
    assert (found["BR"].weight[0] > 20 * found["BR"].weight[1]).all()
    np.testing.assert_array_equal(
        confusions(DEVELOPMENT, {"BR": [], "AR": labels["AR"][1]}, ["AR"]).mean[0], found["AR"].mean[1]
    )
    assert {} == confusions_by_market(MEASURED, {})


def test_what_nobody_measured_or_labelled_stays_as_unsure_as_it_is() -> None:
    """Labels of one language do not make another one known; its own do."""
    measured = Confusion(MEASURED.mean, np.array([[np.inf] * 3, [20.0, 15.0, 40.0]]))
    silent = confusions_by_market(measured, {"BR": {0: [drawn_from(POOR, [50] * 3)]}})["BR"]
    np.testing.assert_array_equal([20.0, 15.0, 40.0], silent.weight[1])
    spoken = confusions_by_market(measured, {"BR": {1: [drawn_from(POOR, [500] * 3)]}})["BR"]
    assert (spoken.weight[1] > 300).all()
    np.testing.assert_allclose(POOR, spoken.mean[1], atol=0.05)
