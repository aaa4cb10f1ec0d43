"""The bench measures what it says: same texts on both sides, in turn."""

import pytest

from models.bench import bare_loop, bench_classify, sliced, summary
from models.onnx import OnnxClassifier

TEXTS = [f"Order {number} came late and the box was broken" for number in range(120)]


def test_both_sides_are_measured(shipped: OnnxClassifier) -> None:
    """All texts, as many rounds as asked for, and a ratio within its range."""
    result = bench_classify(shipped, TEXTS, size=50, rounds=3)
    assert (result["texts"], result["rounds"]) == (len(TEXTS), 3)
    assert isinstance(result["ratio_range"], list)
    assert isinstance(result["ratio"], float)
    assert result["ratio_range"][0] <= result["ratio"] <= result["ratio_range"][1]


def test_bare_loop_takes_time(shipped: OnnxClassifier) -> None:
    """A run over real texts takes some time."""
    assert bare_loop(shipped, sliced(TEXTS, 50)) > 0


def test_slices_are_the_texts() -> None:
    """No text is lost or doubled by slicing."""
    slices = sliced(TEXTS, 50)
    assert [len(one) for one in slices] == [50, 50, 20]
    assert [text for one in slices for text in one] == TEXTS


def test_summary_of_known_times() -> None:
    """Medians, and the ratio bare / measured of each round."""
    result = summary(100, [1.0, 2.0, 3.0], [2.0, 2.0, 4.0])
    assert result["events_per_second"] == pytest.approx(50.0)
    assert result["bare_events_per_second"] == pytest.approx(50.0)
    assert (result["ratio"], result["ratio_range"]) == (0.75, [0.5, 1.0])
