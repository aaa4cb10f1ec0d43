"""Texts of too many unknown pieces are unmeasured, whatever the model answers."""

import json
from pathlib import Path

import numpy as np

from models.cache import CachedClassifier
from models.classifier import MAX_UNKNOWN, Predictions
from models.evaluate import score
from models.onnx import OnnxClassifier
from models.rows import LabelledText
from models.stub import StubClassifier

THAI = "แอปนี้แย่มาก"
SENTENCES = json.loads((Path(__file__).parents[2] / "data" / "languages.json").read_text("utf-8"))


def test_the_share_is_of_all_pieces_but_the_marks(shipped: OnnxClassifier) -> None:
    """A text of a script that the vocabulary lacks is unknown as a whole."""
    unknown = shipped.classify([THAI, "good", ""], [None] * 3).unknown
    assert unknown is not None
    assert [1.0, 0.0, 0.0] == unknown.tolist()


def test_a_text_is_unmeasured_above_a_tenth(shipped: OnnxClassifier) -> None:
    """Not at it: one unknown piece of ten is as in the texts that the model was measured on."""
    shares = np.array([0.0, 1 / 10, 1 / 9, 1.0], np.float32)
    assert [False, False, True, True] == Predictions(
        np.eye(4, 3, dtype=np.float32), np.eye(4, 1, dtype=np.float32), shares
    ).unmeasured.tolist()
    words = "good " * 9
    answer = shipped.classify([words + THAI, "good " + words + THAI, "good"], [None] * 3)
    assert answer.unknown is not None
    assert MAX_UNKNOWN >= answer.unknown[0] > answer.unknown[1]
    assert [False] * 3 == answer.unmeasured.tolist()
    assert [True] == shipped.classify(["good " * 8 + THAI], [None]).unmeasured.tolist()


def test_a_remembered_answer_says_so_too(shipped: OnnxClassifier) -> None:
    """The cache gives what the model gave."""
    cached = CachedClassifier(shipped, 10)
    for _ in range(2):
        assert [True, False] == cached.classify([THAI, "good"], [None] * 2).unmeasured.tolist()


def test_a_model_that_cannot_tell_says_of_no_text_that_it_is() -> None:
    """None of its vocabulary is known."""
    assert [False, False] == StubClassifier().classify([THAI, "good"], [None] * 2).unmeasured.tolist()


def test_the_evaluation_says_what_is_unknown_by_language(shipped: OnnxClassifier) -> None:
    """Mean share of unknown pieces, and share of unmeasured texts; nothing where the model cannot tell."""
    rows = [LabelledText(text, "negative", lang) for lang in ("th", "ko", "nl") for text in SENTENCES[lang]]
    texts = [row.text for row in rows]
    found = score(rows, shipped.classify(texts, [None] * len(texts)), shipped.info.sentiments, shipped.info.topics)
    for lang in ("th", "ko"):
        unknown, unmeasured_share = found.languages[lang].unknown, found.languages[lang].unmeasured
        assert unknown is not None
        assert (unknown > MAX_UNKNOWN, unmeasured_share) == (True, 1.0)
    assert (0.0, 0.0) == (found.languages["nl"].unknown, found.languages["nl"].unmeasured)
    stub = StubClassifier()
    blind = score(rows, stub.classify(texts, [None] * len(texts)), stub.info.sentiments, stub.info.topics)
    assert {(None, None)} == {(one.unknown, one.unmeasured) for one in blind.languages.values()}
