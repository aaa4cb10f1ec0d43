"""Scores: macro-F1 and confusion by their definitions."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.calibrate import LEAST_ROWS, apply_biases, fit_biases
from models.errors import BadArtifact
from models.evaluate import evaluate, macro_f1
from models.labels import SENTIMENTS, TOPICS
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


def test_calibrated_shares_are_the_true_ones() -> None:
    """After the biases, each label is answered as often as it is true."""
    random = np.random.default_rng(5)
    truth = random.choice(3, 3_000, p=[0.5, 0.2, 0.3])
    logits = random.normal(size=(3_000, 3)) + 1.2 * np.eye(3)[truth] + np.array([-0.4, 0.5, 0.0])
    probabilities = (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32)
    biases = fit_biases(probabilities, truth, ["en"] * 3_000)
    adjusted = apply_biases(probabilities, np.tile(np.array(biases["en"], np.float32), (3_000, 1)))
    shares = np.bincount(adjusted.argmax(axis=1), minlength=3) / 3_000
    assert shares == pytest.approx(np.bincount(truth) / 3_000, abs=0.02)
    assert adjusted.sum(axis=1) == pytest.approx(np.ones(3_000), abs=1e-5)


def test_rare_languages_take_the_common_biases() -> None:
    """A language with too few rows gets no biases of its own."""
    probabilities = np.full((LEAST_ROWS + 5, 3), 1 / 3, np.float32)
    languages = ["en"] * LEAST_ROWS + ["eo"] * 5
    assert {"", "en"} == set(fit_biases(probabilities, np.zeros(len(languages), np.int64), languages))


def test_nothing_to_calibrate_on() -> None:
    """No rows is an error, not a calibration."""
    with pytest.raises(BadArtifact, match="Operator action"):
        fit_biases(np.zeros((0, 3), np.float32), np.zeros(0, np.int64), [])
