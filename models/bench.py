"""A bare ONNX Runtime loop as the ceiling that serving is measured against."""

import time
from collections.abc import Sequence
from statistics import median

from models.onnx import OnnxClassifier


def bare_loop(classifier: OnnxClassifier, slices: Sequence[Sequence[str]]) -> float:
    """Seconds for tokenising and running the slices, nothing else: same texts, batches, session and threads."""
    started = time.perf_counter()
    for texts in slices:
        for _, ids, mask in classifier.batches(texts):
            classifier.run(ids, mask)
    return time.perf_counter() - started


def sliced(texts: Sequence[str], size: int) -> list[Sequence[str]]:
    """Texts in slices of a size, the last one shorter."""
    return [texts[at : at + size] for at in range(0, len(texts), size)]


def bench_classify(classifier: OnnxClassifier, texts: Sequence[str], size: int, rounds: int) -> dict[str, object]:
    """`OnnxClassifier.classify` against the bare loop, in turn; medians of the rounds and their spread."""
    slices = sliced(texts, size)
    bare_loop(classifier, slices[:2])
    bare, served = [], []
    for _ in range(rounds):
        bare.append(bare_loop(classifier, slices))
        started = time.perf_counter()
        for one in slices:
            classifier.classify(one, [None] * len(one))
        served.append(time.perf_counter() - started)
    return summary(len(texts), bare, served)


def summary(texts: int, bare: Sequence[float], measured: Sequence[float]) -> dict[str, object]:
    """Medians as events per second, and the median of the round-by-round ratios with its range."""
    ratios = sorted(b / m for b, m in zip(bare, measured, strict=True))
    return {
        "events_per_second": round(texts / median(measured), 1),
        "bare_events_per_second": round(texts / median(bare), 1),
        "ratio": round(median(ratios), 3),
        "ratio_range": [round(ratios[0], 3), round(ratios[-1], 3)],
        "rounds": len(ratios),
        "texts": texts,
    }
