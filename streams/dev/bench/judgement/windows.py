"""Windows that nobody labelled: u corrected by the measured confusion, by labels as evidence, by a constant shift."""

import numpy as np

from streams.dev.bench.judgement.study import RATER_ERROR, Row, measured
from streams.dev.bench.judgement.weeks import TYPICAL
from streams.judgement.draw import order_of_cells, spreads_within
from streams.judgement.estimate import Array, Judged, Numbers
from streams.judgement.evidence import Evidence, confusions, evidence
from streams.pipeline.rollup.correction import SCORE, corrected_score

MARKETS = 20
WEEKS = 6
TEXTS = 50
EVENTS = 3_000
DEVELOPMENT = np.array([[0.78, 0.14, 0.08], [0.14, 0.68, 0.18], [0.07, 0.13, 0.80]])
"""What a development set says, of easier texts than the stream's, whose confusions lie around TYPICAL."""
ALIKE = (30.0, 80.0, 250.0)
"""How alike the markets' confusions truly are, in texts a row."""
Z95 = 1.96


def study_windows(worlds: int = 50, seed: int = 1) -> list[Row]:
    """For each of ALIKE, worlds of 20 markets, labelled for six weeks, then judged in a window with other shares."""
    rows = []
    for alike in ALIKE:
        found: dict[str, list[Array]] = {}
        for rng in np.random.default_rng([seed, int(alike)]).spawn(worlds):
            for name, each in _world(rng, alike).items():
                found.setdefault(name, []).append(each)
        plain = 0.0
        for name, values in found.items():
            score, error, truth = np.concatenate(values, axis=1)
            half, no_number = Z95 * error, np.zeros(len(score))
            judged = Judged(score, score - half, score + half, error, no_number, no_number)
            plain = plain or float(np.mean(2 * half))
            what = f"windows that nobody labelled, markets alike by {alike:.0f} texts"
            rows.append(measured(what, name, TEXTS * WEEKS, judged, truth, plain))
    return rows


def _world(rng: np.random.Generator, alike: float) -> dict[str, Array]:
    names = [f"M{number}" for number in range(MARKETS)]
    own = np.array([[rng.dirichlet(alike * row) for row in TYPICAL] for _ in names])
    labelled, shifts = {}, []
    for name, confusion in zip(names, own, strict=True):
        weeks = [_labelled(rng, confusion, age) for age in range(WEEKS, 0, -1)]
        labelled[name] = [each for each, _ in weeks]
        shifts.append(np.mean([shift for _, shift in weeks]))
    known = confusions(DEVELOPMENT, labelled, names, RATER_ERROR)
    shares = rng.dirichlet([3.0, 2.0, 3.0], MARKETS)
    counts = np.array([rng.multinomial(EVENTS, pi @ m) for pi, m in zip(shares, own, strict=True)], np.float64)
    baseline = (counts + 1) / (counts + 1).sum(axis=1, keepdims=True)
    measured = np.broadcast_to(DEVELOPMENT, own.shape)
    truth = shares @ SCORE
    answered = counts @ SCORE / EVENTS
    plain = np.sqrt((counts @ SCORE**2 / EVENTS - answered**2) / EVENTS)
    return {
        "as measured": np.array([*corrected_score(counts, measured, baseline), truth]),
        "labels as evidence": np.array([*corrected_score(counts, known.mean, baseline, known.weight), truth]),
        "a constant shift": np.array([answered + np.array(shifts), plain, truth]),
        "confusion known": np.array([*corrected_score(counts, own, baseline), truth]),
    }


def _labelled(rng: np.random.Generator, confusion: Array, age: int) -> tuple[Evidence, float]:
    """A week of labels as evidence, and by how much their mean differs from the answered one."""
    shares = rng.dirichlet([12.0, 8.0, 12.0])
    events = int(rng.integers(300, 5_000))
    joint = rng.multinomial(events, (shares[:, None] * confusion).ravel()).reshape(3, 3)
    counts = joint.sum(axis=0)
    order = order_of_cells(counts.tolist(), spreads_within(TYPICAL, counts / events, SCORE).tolist(), TEXTS)
    drawn = np.bincount(order, minlength=3)
    true = np.column_stack([rng.multivariate_hypergeometric(joint[:, cell], drawn[cell]) for cell in range(3)])
    labels = _answers(rng, true)
    means = SCORE @ (labels / np.maximum(drawn, 1))
    shift = float((means - SCORE) @ counts / events)
    return evidence(labels, drawn, counts, float(age)), shift


def _answers(rng: np.random.Generator, true: Numbers) -> Numbers:
    """Labels by [answered by the rater][predicted], some of them wrong."""
    wrong = np.full((3, 3), RATER_ERROR / 2)
    np.fill_diagonal(wrong, 1 - RATER_ERROR)
    labels: Numbers = np.sum([rng.multinomial(true[label], wrong[label]).T for label in range(3)], axis=0)
    return labels
