"""A market-week from the records of `feedback.classified`: exact counts, the same draw, the next text to show."""

import random

import pytest
from msgspec.structs import replace

from marketpulse.contract.operators import LABELS, Answer
from marketpulse.contract.records import ClassifiedRecord
from streams.judgement import frame as frames
from streams.judgement.draw import MAX_TICKETS, Lottery, begin_of_week, smallest
from streams.judgement.frame import Census, Frame, Round, sample_of

WEEK = 2_969
LOTTERY = Lottery(b"key of this test")


def record(number: int, **changes: object) -> ClassifiedRecord:
    """Event `number` of the week; every third has each label."""
    one = ClassifiedRecord(
        f"p.feedback-{number % 4}-{number}", 7, "BR", begin_of_week(WEEK) + number, LABELS[number % 3], "app", {},
        number % 3 / 2, "m", lang="pt-BR",
    )  # fmt: skip
    return replace(one, **changes)


def frame_of(records: list[ClassifiedRecord]) -> Frame:
    census = Census("BR", WEEK)
    for one in records:
        census.take(one)
    return census.frame(LOTTERY)


def test_each_event_of_the_market_week_counts_once() -> None:
    """Whatever the order, however often it was written; the record of the highest claim says its label."""
    records = [record(number) for number in range(600)]
    found = frame_of(records)
    assert ((200, 200, 200), 0.5, {"m": (200, 200, 200)}) == (found.counts, found.mean_score, found.by_model)
    others = [
        *records[:50],
        record(0, claim=6, label="positive", score=1.0),
        record(1, market="DE"),
        record(2, occurred_at=begin_of_week(WEEK) - 1),
        record(2, occurred_at=begin_of_week(WEEK + 1)),
    ]
    mixed = [*records, *others]
    random.Random(1).shuffle(mixed)
    assert found == frame_of(mixed)
    assert (199, 200, 201) == frame_of([*records, record(0, claim=8, label="positive", model="n")]).counts


def test_any_number_of_languages_is_counted() -> None:
    """A producer chooses the tags of its events: they stop nobody from labelling."""
    found = frame_of([record(number, lang=f"x{number}") for number in range(33_000)])
    assert 33_000 == found.events


def test_the_draw_is_that_of_the_smallest_places() -> None:
    """Of each cell, as many as there are tickets, with what a label needs of each."""
    found = frame_of([record(number) for number in range(600)])
    ids = [f"p.feedback-{number % 4}-{number}" for number in range(1, 600, 3)]
    expected = smallest([], [(LOTTERY.place("BR", WEEK, name), name) for name in ids])
    assert [name for _, name in expected] == [drawn.id for drawn in found.drawn[1]]
    assert [MAX_TICKETS] * 3 == [len(rows) for rows in found.drawn]
    first = found.drawn[1][0]
    assert (f"p.feedback-{first.partition}-{first.offset}", 1, 0.5, "pt", "m") == (
        first.id, first.cell, first.score, first.language, first.model,
    )  # fmt: skip


def test_a_week_without_events_has_an_empty_frame() -> None:
    """Nothing is drawn, and nothing is shown."""
    found = frame_of([])
    assert (0, (0, 0, 0), ((), (), ())) == (found.events, found.counts, found.drawn)
    assert Round(found, [0.3] * 3, 20, {}).next() is None


def test_a_week_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read into memory."""
    monkeypatch.setattr(frames, "MAX_FRAME_EVENTS", 2)
    with pytest.raises(OverflowError, match="more than 2 events"):
        frame_of([record(number) for number in range(3)])


def shown(found: Frame, texts: int, answers: dict[str, Answer], answer: Answer = "neutral") -> list[str]:
    """The events of one round, all answered alike."""
    round_, names = Round(found, [0.3] * 3, texts, answers), []
    while (drawn := round_.next()) is not None:
        names.append(drawn.id)
        answers[drawn.id] = answer
    return names


def test_a_second_round_goes_on_where_the_first_stopped() -> None:
    """20 texts and 30 more are the 50 that one round would have shown."""
    found, answers = frame_of([record(number) for number in range(600)]), dict[str, Answer]()
    names = [*shown(found, 20, answers), *shown(found, 30, answers)]
    assert 50 == len({*names})
    assert {*names} == {*shown(found, 50, {})}


def test_a_text_that_cannot_be_judged_is_replaced_by_its_cells_next() -> None:
    """At once, and in a later round; as many are answered as were asked for, while there are texts."""
    found = frame_of([record(number) for number in range(600)])
    round_ = Round(found, [0.3] * 3, 3, {})
    first = round_.next()
    round_.replace()
    second = round_.next()
    assert first == found.drawn[0][0]
    assert second == found.drawn[0][1]
    assert first is not None
    names = shown(found, 3, {first.id: "unclear"})
    assert [rows[0 if cell else 1].id for cell, rows in enumerate(found.drawn)] == names
    assert 9 == len(shown(frame_of([record(number) for number in range(9)]), 20, {}))


def test_the_sample_is_what_people_labelled() -> None:
    """Not what is unclear, nor what is no longer among the drawn."""
    found = frame_of([record(number) for number in range(600)])
    ids = [rows[0].id for rows in found.drawn]
    sample = sample_of(found, {ids[0]: "positive", ids[1]: "unclear", ids[2]: "neutral", "p.feedback-9-9": "neutral"})
    assert ([[2, 1]], [[0, 2]], [[0.0, 1.0]]) == (
        sample.labels.tolist(), sample.cells.tolist(), sample.scores.tolist(),
    )  # fmt: skip
    assert ([[200, 200, 200]], [0.5]) == (sample.counts.tolist(), sample.mean_score.tolist())
