"""The delta of a batch equals counting its events one by one."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketpulse.contract.decode import Decoded
from marketpulse.contract.records import Excerpt
from streams.batches import DecodedBatch, Position, SourceMark
from streams.pipeline.classify.scored_batches import ScoredBatch
from streams.pipeline.classify.scores import scores_micro
from streams.pipeline.count import aggregate as aggregating
from streams.pipeline.count.aggregate import aggregate, characters
from streams.pipeline.count.cells import CellLayout
from streams.privacy.excerpt_order import speaker_of
from streams.privacy.user_hashes import UserHashes

TOPICS = ("price", "app")
HASHES = UserHashes(b"key")
LAYOUT = CellLayout(TOPICS, languages=("pt", "zh"))
EVENT = st.tuples(
    st.sampled_from(["BR", "CN"]), st.integers(0, 10**7), st.none() | st.sampled_from(["a", "b", "c"]),
    st.none() | st.integers(1, 5), st.integers(0, 2), st.integers(0, 1),
)  # fmt: skip


def scored(
    rows: Sequence[tuple[str, int, str | None, int | None, int, int]], first: int = 0, ids: str = "{}"
) -> ScoredBatch:
    """A batch that begins at an offset; `ids` has a place for an event's number in it."""
    events = [
        Decoded(ids.format(at - first), market, f"text {at}", ms, user, None, rating)
        for at, (market, ms, user, rating, _, _) in enumerate(rows, first)
    ]
    sentiment, topic = np.zeros((len(rows), 3), np.float32), np.zeros((len(rows), 2), np.float32)
    for at, row in enumerate(rows):
        sentiment[at, row[4]] = topic[at, row[5]] = 1
    position = Position(0, 1, "g", first, first + len(rows))
    records = [SimpleNamespace(offset=at) for at in range(first, first + len(rows))]
    batch = DecodedBatch(position, events, records, [], 0, b"", 0, SourceMark(), 0, 0)
    languages = [("pt", "zh", "tlh", "")[at % 4] for at in range(first, first + len(rows))]
    return ScoredBatch(batch, sentiment, topic, languages=languages)


@given(st.lists(EVENT, min_size=1, max_size=40))
def test_counts_equal_counting_one_by_one(rows: list[tuple[str, int, str | None, int | None, int, int]]) -> None:
    """Labels per (market, minute, topic), users and totals are those of a plain loop."""
    delta = aggregate(scored(rows), LAYOUT, UserHashes(b"key"))
    expected: Counter[str] = Counter()
    for at, (market, ms, user, _, label, topic) in enumerate(rows):
        language = ("pt", "zh", "other", "other")[at % 4]
        expected[f"{market}:{ms // 60_000}:{LAYOUT.sentiments[label]}@{language}"] += 1
        expected[f"{market}:{ms // 60_000}:confidence"] += 1_000_000
        expected[f"{market}:{ms // 60_000}:{LAYOUT.sentiments[label]}/{TOPICS[topic]}"] += 1
        if user is not None:
            expected[f"{market}:{ms // 60_000}:with_user"] += 1
    plain = {name: n for name, n in delta.counts.items() if not name.rpartition(":")[2].startswith("e")}
    assert dict(expected) == plain
    assert {(f"{m}:{ms // 3_600_000}", u) for m, ms, u, *_ in rows if u} == {
        (bucket, user)
        for bucket, hashes in delta.users.items()
        for user in ("a", "b", "c")
        if UserHashes(b"key").of(user, 0) in hashes
    }
    assert len(rows) == delta.totals["accepted"]


@given(st.lists(EVENT, min_size=2, max_size=40), st.data())
def test_two_batches_add_up_to_one(
    rows: list[tuple[str, int, str | None, int | None, int, int]], data: st.DataObject
) -> None:
    """Deltas are additive: where a stream is cut into batches changes nothing."""
    cut = data.draw(st.integers(1, len(rows) - 1))
    hasher = UserHashes(b"key")
    whole = aggregate(scored(rows), LAYOUT, hasher).counts
    parts = Counter(aggregate(scored(rows[:cut]), LAYOUT, hasher).counts)
    parts.update(aggregate(scored(rows[cut:], cut), LAYOUT, hasher).counts)
    assert {name: n for name, n in whole.items() if n} == {name: n for name, n in parts.items() if n}


@given(st.lists(EVENT, min_size=1, max_size=40), st.integers(0, 40))
def test_excerpts_are_the_same_wherever_the_stream_is_cut(
    rows: list[tuple[str, int, str | None, int | None, int, int]], cut: int
) -> None:
    """Negative ones first, then by lot: the best of two batches are those of one. At most three, one per user."""
    whole = aggregate(scored(rows), LAYOUT, HASHES).excerpts
    parts = [aggregate(scored(part, at), LAYOUT, HASHES).excerpts for part, at in ((rows[:cut], 0), (rows[cut:], cut))]
    for market, chosen in whole.items():
        best: dict[object, Excerpt] = {}
        for one in sorted((one for part in parts for one in part.get(market, [])), key=lambda one: one.order):
            best.setdefault(speaker_of(one.order) or one.text, one)
        assert list(best.values())[:3] == chosen
        authors = [rows[int(one.text.split()[1])][2] for one in chosen]
        assert len(set(authors) - {None}) == len(authors) - authors.count(None)
        assert (min(label for of, *_, label, _ in rows if of == market) == 0) == (chosen[0].label == "negative")
    assert {} == aggregate(scored(rows), LAYOUT, HASHES, excerpts=False).excerpts


def test_who_is_quoted_does_not_follow_from_ids() -> None:
    """Other ids change nothing, and ids that won before win no more: offsets are Kafka's choice, not the producer's."""
    rows = [("BR", 0, None, None, 0, 0)] * 30
    chosen = aggregate(scored(rows), LAYOUT, HASHES).excerpts
    assert chosen == aggregate(scored(rows, ids="another {}"), LAYOUT, HASHES).excerpts
    again = aggregate(scored(rows, first=30), LAYOUT, HASHES).excerpts
    won, wins = ({int(one.text.split()[1]) % 30 for one in rows["BR"]} for rows in (chosen, again))
    assert won != wins


def test_canaries_of_a_batch_are_one_cell() -> None:
    """Thousands of ids cost the ledger no more than one: the first is named, all are counted."""
    batch = replace(scored([]).batch, canaries=tuple(f"1790000000000-{at:08x}" for at in range(5_000)))
    delta = aggregate(ScoredBatch(batch, *(np.zeros((0, 1), np.float32),) * 2), LAYOUT, HASHES)
    assert {"*:0:canary/1790000000000-00000000": 5_000} == delta.counts
    assert {"canaries": 5_000} == delta.totals


@pytest.mark.parametrize(
    ("probabilities", "rating", "expected"),
    [
        ((0, 0, 1), np.nan, 1.0),
        ((0, 1, 0), np.nan, 0.5),
        ((1, 0, 0), 5.0, 0.5),
        ((0, 0, 1), 1.0, 0.5),
        ((0, 0, 1), 5.0, 1.0),
    ],
)
def test_score_is_the_formula(probabilities: tuple[float, ...], rating: float, expected: float) -> None:
    """e = P(positive) + P(neutral)/2, mixed half and half with a rating."""
    e, e2 = scores_micro(np.array([probabilities], np.float32), np.array([rating]))
    assert (round(expected * 1e6), round(expected**2 * 1e6)) == (e[0], e2[0])


def test_a_candidates_agreement_is_counted_by_pair_of_labels() -> None:
    """What the model in use said, and what the candidate said of the same events."""
    rows = [("BR", 0, None, None, label, 0) for label in (0, 0, 1, 2)]
    shadowed = replace(scored(rows), shadow=np.array([0, 1, 1, 2]))
    totals = aggregate(shadowed, LAYOUT, UserHashes(b"key")).totals
    assert {
        "shadow:negative>negative": 1, "shadow:negative>neutral": 1, "shadow:neutral>neutral": 1,
        "shadow:positive>positive": 1,
    } == {name: n for name, n in totals.items() if name.startswith("shadow:")}  # fmt: skip


def test_the_same_text_is_redacted_once_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many write the same to all markets, and redaction is the dearest part."""
    redacted: list[str] = []

    def once(text: str) -> str:
        redacted.append(text)
        return text

    monkeypatch.setattr(aggregating, "excerpt", once)
    rows: list[Any] = [(market, 0, user, None, 0, 0) for market in ("BR", "CN") for user in ("a", "b")]
    one = scored(rows)
    same = [event._replace(text="the same") for event in one.batch.events]
    delta = aggregate(replace(one, batch=replace(one.batch, events=same)), LAYOUT, HASHES)
    assert [2, 2] == [len(chosen) for chosen in delta.excerpts.values()]
    assert ["the same"] == redacted


@given(st.lists(EVENT, max_size=40))
def test_no_more_characters_are_redacted_than_is_known_before(
    rows: list[tuple[str, int, str | None, int | None, int, int]],
) -> None:
    """By them it is decided whether a batch is aggregated beside the event loop."""
    excerpts = aggregate(scored(rows), LAYOUT, HASHES).excerpts
    assert sum(len(one.text) for chosen in excerpts.values() for one in chosen) <= characters(scored(rows))


UNKNOWN = np.array([False, True, True])
UNMEASURED: list[Any] = [("BR", 0, None, None, 0, 0), ("BR", 0, None, None, 0, 1), ("BR", 0, None, None, 2, 1)]
"""Rows of which the last two have too many unknown pieces."""


def test_unmeasured_texts_count_once_more_by_label_and_topic_and_under_no_language() -> None:
    """All other cells are those of measured texts; a model that cannot tell counts none."""
    counts = aggregate(replace(scored(UNMEASURED), unmeasured=UNKNOWN), LAYOUT, HASHES).counts
    assert {
        "BR:0:negative@pt": 1, "BR:0:negative@unmeasured": 1, "BR:0:positive@unmeasured": 1,
        "BR:0:negative~app": 1, "BR:0:positive~app": 1,
    } == {name: n for name, n in counts.items() if "@" in name or "~" in name}  # fmt: skip
    plain = aggregate(scored(UNMEASURED), LAYOUT, HASHES).counts
    assert not any("unmeasured" in name or "~" in name for name in plain)
    assert {name: n for name, n in plain.items() if "/" in name} == {
        name: n for name, n in counts.items() if "/" in name
    }


def test_what_a_step_brings_tells_the_detectors_of_measured_texts_alone() -> None:
    """By topic: events and negatives; how many texts are unmeasured is a sum of the window."""
    cells = LAYOUT.step_zeros()
    for name, n in aggregate(replace(scored(UNMEASURED), unmeasured=UNKNOWN), LAYOUT, HASHES).counts.items():
        cells[LAYOUT.index(name.split(":", 2)[2])] += n
    assert {"price": (1, 1)} == LAYOUT.measured_topics(cells)
    kept = LAYOUT.read(cells[: LAYOUT.size])
    assert (3, 2) == (kept.n, kept.unmeasured)
