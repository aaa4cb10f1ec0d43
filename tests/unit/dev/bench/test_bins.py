"""Bins of P(negative): their edges, the detector on them, and the comparison with hard labels."""

import msgspec
import numpy as np
import pytest

from streams.contract.rules import SurgeRule
from streams.dev.bench.bins.answers import Answers
from streams.dev.bench.bins.detector import BinnedSurge, Bins
from streams.dev.bench.bins.edges import best_edges, information_of
from streams.dev.bench.bins.information import information
from streams.dev.bench.bins.page import BEGIN, END, written
from streams.dev.bench.bins.report import CHOSEN, Information, Report
from streams.dev.bench.bins.study import TODAY, Compared, Group, Kinds, compare
from streams.dev.bench.detectors.markets import Condition, simulate
from streams.dev.bench.detectors.rivals import Surge

NEGATIVE, OTHER = (0.05, 0.15, 0.8), (0.8, 0.15, 0.05)
"""How often P(negative) is in three thirds of [0, 1]; within each it says nothing."""


def answers(texts: int = 6_000, recall: float = 0.66, false_share: float = 0.11) -> Answers:
    """Texts of one language, half of them negative, with P(negative) in the thirds and labels that know less."""
    rng = np.random.default_rng(3)
    negative = np.arange(texts) % 2 == 0
    third = np.where(negative, rng.choice(3, texts, p=NEGATIVE), rng.choice(3, texts, p=OTHER))
    answered = rng.uniform(size=texts) < np.where(negative, recall, false_share)
    names = np.full(texts, "xx")
    return Answers((third + rng.uniform(size=texts)) / 3, answered, negative, names, names)


def test_edges_are_where_the_answers_change() -> None:
    """Three bins end at the thirds; they say more than two, and four bins no more than three."""
    found = answers()
    edges = best_edges(found, 3)
    assert edges == pytest.approx([1 / 3, 2 / 3], abs=0.03)
    two, three, four = (information_of(found, best_edges(found, bins)) for bins in (2, 3, 4))
    assert two < three == pytest.approx(float(information(1e6 * np.array(NEGATIVE), 1e6 * np.array(OTHER))), rel=0.1)
    assert four == pytest.approx(three, rel=0.1)


def test_hard_labels_as_two_bins_are_judged_as_by_the_detector_in_use() -> None:
    """The same statistic, minute by minute, through a surge and its adoption."""
    conditions = [Condition(2.5, 0.02, 0.2), Condition(20, 0.0, 0.0), Condition(200, 0.02, 0.2)]
    markets = simulate([1], 2, (0.65, 0.11), conditions)
    x = markets.x.copy()
    x[1_800:2_600] = np.minimum(markets.n, markets.x + markets.x // 2)[1_800:2_600]
    rule = SurgeRule(adopt_minutes=300)
    labels = Surge(markets, rule)
    bins = BinnedSurge(Bins(np.outer([0.35, 0.65], np.ones(3)), np.outer([0.89, 0.11], np.ones(3))), rule)
    for minute in range(markets.minutes):
        n, negative = markets.n[minute].astype(float), x[minute].astype(float)
        expected = labels.step(np.float64(minute), n, negative, n)
        assert bins.step(np.float64(minute), n, np.stack([n - negative, negative]), n) == pytest.approx(
            expected, abs=0.05
        )


def test_every_kind_of_answer_is_in_one_bin_of_every_detector() -> None:
    """And kinds are drawn as often as the model gave them."""
    found = answers()
    kinds = Kinds.of({"2 bins": [0.5], "3 bins": [0.3, 0.7]})
    drawn = kinds.shares(found, negative=True)
    for members in kinds.members.values():
        assert (members.sum(axis=0) == 1).all()
    assert (kinds.members["3 bins"] @ drawn)[2] == pytest.approx((found.p[found.negative] >= 0.7).mean())
    assert (kinds.members[TODAY] @ drawn)[1] == pytest.approx(found.answered[found.negative].mean())


def test_bins_that_know_more_find_incidents_sooner_at_as_many_false_alarms() -> None:
    """And bins that are the labels at the same minute."""
    found, sure = answers(), answers()
    kinds = Kinds.of({CHOSEN: [1 / 3, 2 / 3]})
    alike = Answers(sure.answered.astype(float), sure.answered, sure.negative, sure.language, sure.family)
    groups = [Group(name, kinds, one, one) for name, one in (("more", found), ("alike", alike))]
    more, same = compare(groups, Condition(20, 0.0, 0.0), range(1, 9), each=6, days=5)
    assert more.ratios[CHOSEN][0] < 0.8
    assert same.ratios[CHOSEN][0] == pytest.approx(1.0, abs=0.2)
    for one in (more, same):
        assert one.name == msgspec.to_builtins(one)["name"]
        assert one.alarms[CHOSEN] <= one.alarms[TODAY]
        assert 40 <= one.incidents <= 48


def test_the_page_keeps_all_but_the_figures() -> None:
    """What is around the marks stays."""
    row = Compared("xx", 1_000, 0.5, {TODAY: 40.0, CHOSEN: 30.0}, {TODAY: (1.0, 1.0, 1.0), CHOSEN: (0.75, 0.7, 0.8)},
                   {TODAY: 0.0, CHOSEN: 0.0}, {TODAY: 5, CHOSEN: 5}, {CHOSEN: 0.76})  # fmt: skip
    edges = {f"{bins} bins": [0.5] * (bins - 1) for bins in (2, 3, 4, 5)}
    ratios = dict.fromkeys(edges, 1.2)
    page = written(
        f"before\n{BEGIN}\nSTALE\n{END}\nafter\n",
        Report(edges, {"xx": Information(100, 30, 0.03, ratios, 1.25)}, [row], [row]),
    )
    assert ("before", "after") == (page.splitlines()[0], page.splitlines()[-1])
    assert "STALE" not in page
    assert "| xx | 1,000 | 0.50 | 40.0 | 30.0 | 0.75 | 0.70 to 0.80 | 0.76 | 0.00% | 0.00% |" in page
