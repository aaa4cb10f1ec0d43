"""The stub is a function of the text that an independent oracle can do again."""

import time
import zlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.load import load_classifier
from models.stub import StubClassifier
from tests.unit.models.conftest import SHIPPED


@given(st.lists(st.text(max_size=30), max_size=20))
def test_labels_follow_the_hash(texts: list[str]) -> None:
    """Sentiment is CRC-32 modulo 3, topic the next digit to base 12; both certain."""
    answer = StubClassifier().classify(texts, [None] * len(texts))
    hashes = [zlib.crc32(text.encode()) for text in texts]
    assert [one % 3 for one in hashes] == answer.sentiment.argmax(axis=1).tolist()
    assert [one // 3 % 12 for one in hashes] == answer.topic.argmax(axis=1).tolist()
    assert np.array_equal(answer.sentiment.sum(axis=1), np.ones(len(texts)))


def test_it_is_never_the_bottleneck() -> None:
    """Even on a busy machine it labels half a million texts a second."""
    texts = [f"text {number}" for number in range(50_000)]
    stub = StubClassifier()
    best = min(_seconds(stub, texts) for _ in range(5))
    assert len(texts) / best >= 500_000


def test_lone_surrogates_are_taken() -> None:
    """No text fails."""
    assert StubClassifier().classify(["\ud800"], [None]).sentiment.shape == (1, 3)


def test_choice_by_name() -> None:
    """`stub` needs no folder."""
    assert load_classifier("stub", SHIPPED).info.id == "stub"


def _seconds(stub: StubClassifier, texts: list[str]) -> float:
    started = time.perf_counter()
    stub.classify(texts, [])
    return time.perf_counter() - started
