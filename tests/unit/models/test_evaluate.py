"""Scores: macro-F1 and confusion by their definitions."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.calibrate import LEAST_ROWS, fit_calibration
from models.calibration import Calibration, apply_calibration
from models.errors import BadArtifact
from models.evaluate import evaluate
from models.labels import SENTIMENTS, TOPICS
from models.scores import abstention_curve, brier_score, calibration_error, macro_f1
from models.stub import StubClassifier

LABELS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60)


@given(LABELS)
def test_macro_f1_is_the_mean_of_harmonic_means(pairs: list[tuple[int, int]]) -> None:
    """F1 = 2PR/(P + R) per class, by way of precision and recall."""
    truth, answer = (np.array(side) for side in zip(*pairs, strict=True))
    scores = []
    for label in range(3):
        hits = np.sum((truth == label) & (answer == label))
        precision = hits / max(1, np.sum(answer == label))
        recall = hits / max(1, np.sum(truth == label))
        scores.append(2 * precision * recall / (precision + recall) if hits else 0.0)
    assert macro_f1(truth, answer, range(3)) == pytest.approx(np.mean(scores))


def test_perfect_answers_score_one(tmp_path: Path) -> None:
    """Rows labelled by the stub itself are all right, in each language and both heads."""
    stub, file = StubClassifier(), tmp_path / "rows.jsonl"
    texts = [f"text number {number:,}" for number in range(3_000)]
    answer = stub.classify(texts, [None] * len(texts))
    rows = [
        {"text": text, "lang": ("en", "de")[at % 2], "label": SENTIMENTS[sentiment], "topic": TOPICS[topic]}
        for at, (text, sentiment, topic) in enumerate(
            zip(texts, answer.sentiment.argmax(axis=1), answer.topic.argmax(axis=1), strict=True)
        )
    ]
    file.write_text("\n".join(map(json.dumps, rows)))
    evaluation = evaluate(stub, file)
    assert (evaluation.mean_macro_f1, evaluation.topic_macro_f1) == (1.0, 1.0)
    for scores in evaluation.languages.values():
        assert scores.n == sum(scores.confusion[label][label] for label in range(3))


def simulated(rows: int = 3_000, sharpness: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and probabilities that lean to neutral and are too sure of themselves by a factor."""
    random = np.random.default_rng(5)
    truth = random.choice(3, rows, p=[0.5, 0.2, 0.3])
    logits = sharpness * (random.normal(size=(rows, 3)) + 1.2 * np.eye(3)[truth] + np.array([-0.4, 0.5, 0.0]))
    return truth, (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32)


def test_calibrated_shares_are_the_true_ones() -> None:
    """Each label is answered as often as it is true, in its own language and in an unknown one."""
    truth, probabilities = simulated()
    calibration = fit_calibration(probabilities, truth, ["en"] * len(truth))
    for tag in ("en-GB", None):
        adjusted = apply_calibration(probabilities, [tag] * len(truth), calibration)
        shares = np.bincount(adjusted.argmax(axis=1), minlength=3) / len(truth)
        assert shares == pytest.approx(np.bincount(truth) / len(truth), abs=0.02)
        assert adjusted.sum(axis=1) == pytest.approx(np.ones(len(truth)), abs=1e-5)


def test_the_temperature_makes_confidence_honest_and_changes_no_answer() -> None:
    """A model three times too sure is brought down; its calibration error falls below .03."""
    truth, probabilities = simulated(sharpness=3.0)
    calibration = fit_calibration(probabilities, truth, ["en"] * len(truth))
    adjusted = apply_calibration(probabilities, ["en"] * len(truth), calibration)
    assert calibration["en"].temperature > 1.5
    assert calibration_error(truth, probabilities) > 0.1
    assert calibration_error(truth, adjusted) < 0.03
    plain = {name: Calibration(one.biases) for name, one in calibration.items()}
    same = apply_calibration(probabilities, ["en"] * len(truth), plain)
    assert (same.argmax(axis=1) == adjusted.argmax(axis=1)).all()


def test_rare_languages_take_the_common_calibration() -> None:
    """A language with too few rows gets none of its own."""
    probabilities = np.full((LEAST_ROWS + 5, 3), 1 / 3, np.float32)
    languages = ["en"] * LEAST_ROWS + ["eo"] * 5
    assert {"", "en"} == set(fit_calibration(probabilities, np.zeros(len(languages), np.int64), languages))


def test_nothing_to_calibrate_on() -> None:
    """No rows is an error, not a calibration."""
    with pytest.raises(BadArtifact, match="Operator action"):
        fit_calibration(np.zeros((0, 3), np.float32), np.zeros(0, np.int64), [])


def test_scores_by_hand() -> None:
    """Four rows: calibration error, Brier score and abstention as on paper."""
    truth = np.array([0, 1, 2, 2])
    probabilities = np.array([[0.9, 0.1, 0], [0.2, 0.8, 0], [0.6, 0.2, 0.2], [0.1, 0.1, 0.8]], np.float32)
    # .9 right, .8 right twice, .6 wrong: each bin's |accuracy - confidence|, weighted by its rows
    assert calibration_error(truth, probabilities) == pytest.approx((0.1 + 2 * 0.2 + 0.6) / 4, abs=1e-6)
    assert brier_score(truth, probabilities) == pytest.approx((0.02 + 0.08 + 1.04 + 0.06) / 4, abs=1e-6)
    assert dict(abstention_curve(truth, probabilities))[1.0] == 0.75
    assert dict(abstention_curve(truth, probabilities))[0.7] == 1.0


@pytest.mark.parametrize(
    ("content", "why"), [(b"", "no row"), (b"{", "cannot be read"), (b'{"text": "a", "label": "x"}', "labels")]
)
def test_rows_that_cannot_be_used_are_said(tmp_path: Path, content: bytes, why: str) -> None:
    """An empty file, broken JSON, an unknown label: one message with what to do."""
    (tmp_path / "rows.jsonl").write_bytes(content)
    with pytest.raises(BadArtifact, match=why):
        evaluate(StubClassifier(), tmp_path / "rows.jsonl")
