"""Intervals that were tried beside the one in use, and the estimate without a classifier."""

from collections.abc import Callable

import numpy as np
from scipy.special import stdtrit

from streams.judgement.estimate import Array, Judged, Numbers, Sample, estimate

Z95 = 1.959964
ROUNDS = 299
DRAWS = 400
JEFFREYS = "Jeffreys per cell"


def labels_alone(labels: Numbers, counts: Numbers, worth: Array) -> Judged:
    """Mean of a plain random sample (b, n), with Student's t: what anybody would do."""
    there = labels >= 0
    n = there.sum(axis=1)
    y = np.where(there, worth[np.where(there, labels, 0)], 0.0)
    mean = y.sum(axis=1) / n
    spread = (((y - mean[:, None]) * there) ** 2).sum(axis=1) / (n - 1)
    error = np.sqrt(spread / n * np.maximum(1 - n / counts.sum(axis=1), 0.0))
    return _within(mean, error * stdtrit(n - 1.0, 0.975), error)


def normal(sample: Sample, worth: Array) -> Judged:
    """PPI++ as published: normal quantiles, nothing known beforehand about a cell's variance."""
    found = estimate(sample, worth, 0.0)
    return _within(found.value, Z95 * found.error, found.error)


def student(sample: Sample, worth: Array) -> Judged:
    """PPI++ with Satterthwaite's t, nothing known beforehand about a cell's variance."""
    return estimate(sample, worth, 0.0)


def in_use(sample: Sample, worth: Array) -> Judged:
    """What `streams/judgement/estimate.py` gives."""
    return estimate(sample, worth)


def stratified(sample: Sample, worth: Array) -> Judged:
    """The same without the classifier's score: lambda 0."""
    return estimate(sample, worth, tuned=False)


def bootstrap_t(sample: Sample, worth: Array) -> Judged:
    """PPI++ with quantiles of the studentised estimate over texts drawn again within cells (Efron 1979)."""
    rng = np.random.default_rng(7)
    found = estimate(sample, worth, 0.0)
    ratios = np.zeros((ROUNDS, len(found.value)))
    order = np.argsort(sample.cells, axis=1, kind="stable")
    cells = np.take_along_axis(sample.cells, order, axis=1)
    starts = (cells[:, :, None] < cells[:, None, :]).sum(axis=1)  # of each text's cell
    sizes = (cells[:, :, None] == cells[:, None, :]).sum(axis=1)
    for number in range(ROUNDS):
        again = starts + (rng.random(cells.shape) * sizes).astype(np.int64)
        at = np.take_along_axis(order, again, axis=1)
        labels, scores = np.take_along_axis(sample.labels, at, axis=1), np.take_along_axis(sample.scores, at, axis=1)
        other = estimate(Sample(labels, cells, scores, sample.counts, sample.mean_score), worth, 0.0)
        ratios[number] = (other.value - found.value) / np.maximum(other.error, 1e-6)
    low, high = np.quantile(ratios, [0.975, 0.025], axis=0)
    return Judged(
        found.value,
        np.clip(found.value - low * found.error, 0, 1),
        np.clip(found.value - high * found.error, 0, 1),
        found.error,
        found.freedom,
        found.tuning,
    )


def dirichlet(sample: Sample, worth: Array) -> Judged:
    """Jeffreys' Dirichlet posterior of each cell's labels (a Beta for a share), drawn from; no score."""
    rng = np.random.default_rng(7)
    labels, drawn = _labels_of_cells(sample)
    share = sample.counts / sample.counts.sum(axis=1, keepdims=True)
    left = np.sqrt(1 - drawn / np.maximum(sample.counts, 1))
    shape = rng.standard_gamma(labels + 0.5, (DRAWS, *labels.shape))
    chances = shape / shape.sum(axis=-1, keepdims=True)
    middle = (labels + 0.5) / (drawn + 1.5)[..., None]
    means = middle @ worth + (chances @ worth - middle @ worth) * left
    drawn_means = (means * share).sum(axis=-1)
    low, high = np.quantile(drawn_means, [0.025, 0.975], axis=0)
    value = ((middle @ worth) * share).sum(axis=-1)
    return Judged(value, low, high, drawn_means.std(axis=0), np.full(len(value), np.inf), np.zeros(len(value)))


def wilson(sample: Sample, worth: Array) -> Judged:
    """Wilson's interval of each cell, combined by squares (MOVER, Zou and Donner 2008); no score."""
    labels, drawn = _labels_of_cells(sample)
    share = sample.counts / sample.counts.sum(axis=1, keepdims=True)
    n = np.maximum(drawn, 1e-9)
    mean = labels @ worth / n
    centre, scale = (mean + Z95**2 / (2 * n)) / (1 + Z95**2 / n), 1 / (1 + Z95**2 / n)
    half = Z95 * scale * np.sqrt(mean * (1 - mean) / n + Z95**2 / (4 * n**2))
    left = 1 - drawn / np.maximum(sample.counts, 1)
    below, above = (share**2 * left * (mean - centre + sign * half) ** 2 for sign in (1, -1))
    value = (share * mean).sum(axis=1)
    low, high = value - np.sqrt(below.sum(axis=1)), value + np.sqrt(above.sum(axis=1))
    spare = np.zeros(len(value))
    return Judged(value, np.maximum(low, 0), np.minimum(high, 1), (high - low) / (2 * Z95), spare + np.inf, spare)


RIVALS: dict[str, Callable[[Sample, Array], Judged]] = {
    "PPI++, t and a pseudo-text (in use)": in_use,
    "the same, lambda 0": stratified,
    "PPI++, t": student,
    "PPI++, normal": normal,
    "PPI++, bootstrap-t": bootstrap_t,
    JEFFREYS: dirichlet,
    "Wilson per cell": wilson,
}


def _labels_of_cells(sample: Sample) -> tuple[Array, Array]:
    """Texts by cell and label (b, k, 3), and by cell (b, k)."""
    of_cell = sample.cells[:, :, None] == np.arange(sample.counts.shape[1])
    labels = np.einsum("bnk,bnc->bkc", of_cell, sample.labels[:, :, None] == np.arange(3), dtype=np.float64)
    return labels, labels.sum(axis=2)


def _within(value: Array, half: Array, error: Array) -> Judged:
    spare = np.zeros(len(value))
    return Judged(value, np.maximum(value - half, 0.0), np.minimum(value + half, 1.0), error, spare + np.inf, spare)
