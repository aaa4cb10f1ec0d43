"""A model with other topics or languages: sums stay, topics that are gone are `general`, the journal replays."""

from dataclasses import replace

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from marketpulse.contract.units import MICRO
from models.classifier import LanguageQuality, ModelInfo
from models.labels import SENTIMENTS
from streams.contract.journal import JudgedWeek
from streams.judgement.draw import week_of
from streams.ledger.types import CutStep, PartitionCut
from streams.pipeline.count.cells import CellLayout
from streams.pipeline.count.layouts import layout_of
from streams.pipeline.detect.market_state import MarketState
from streams.pipeline.rollup.leader import measured_confusion
from streams.pipeline.rollup.step import RollUp
from streams.pipeline.rollup.step_record import Spending, StepContext
from streams.pipeline.rollup.step_writes import MODEL_FIELD, layout_of_state

MINUTE = 29_880_007
SAME = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
BEFORE = ModelInfo("before", "0", "cpu", "p", SENTIMENTS, ("general", "price", "app"))
AFTER = replace(BEFORE, id="after", topics=("general", "app", "refund"))
WITHOUT_GENERAL = CellLayout(("price",))
PT, DE = (LanguageQuality(0.9, 0.9, SAME),) * 2
BY_LANGUAGE = {"de": DE, "pt": PT}
CONTEXT = StepContext(Spending({}, {}, 2000.0, (0.25, 0.25, 0.25, 0.25)), "before")


def step(number: int, counts: dict[str, int]) -> CutStep:
    """A step with these cells of one minute of BR."""
    newest = PartitionCut(number, MINUTE * 60_000, rose_ms=1, seen_ms=1)
    return CutStep(number, 1_000, {f"BR:{MINUTE}:{cell}": n for cell, n in counts.items()}, {}, {0: newest})


@given(st.lists(st.integers(0, 99), min_size=40, max_size=40))
def test_sums_stay_and_topics_that_are_gone_are_general(numbers: list[int]) -> None:
    """Per label, of e and its square, of users; what both models know keeps its counts."""
    before, after = layout_of(BEFORE), layout_of(AFTER)
    cells = np.array(numbers[: before.size], np.int64)
    found = after.relaid(before, cells)
    assert before.read(cells) == after.read(found)
    old, new = before.by_topic(cells), after.by_topic(found)
    assert old.get("app") == new.get("app")
    expected = sum(old[topic].n for topic in ("general", "price") if topic in old)
    assert expected == (new["general"].n if "general" in new else 0)


def test_a_model_without_general_has_what_is_gone_in_its_first_topic() -> None:
    """As a model with one topic."""
    before = layout_of(BEFORE)
    assert 3 == WITHOUT_GENERAL.by_topic(WITHOUT_GENERAL.relaid(before, np.ones(before.size, np.int64)))["price"].n / 3


def test_languages_that_are_gone_are_other_and_none_is_lost() -> None:
    """Also where the model before did not count by language at all: its events are under `other`."""
    plain, both = layout_of(BEFORE), layout_of(replace(BEFORE, languages=BY_LANGUAGE))
    one = layout_of(replace(BEFORE, languages={"pt": PT}))
    cells = both.zeros()
    cells[both.index("negative/app")], cells[both.index("negative@de")], cells[both.index("negative@pt")] = 5, 2, 3
    assert [[3, 0, 0], [2, 0, 0], [0, 0, 0]] == one.by_language(one.relaid(both, cells)).tolist()
    back = both.relaid(plain, plain.relaid(both, cells))
    assert [[0, 0, 0], [0, 0, 0], [5, 0, 0], [0, 0, 0]] == both.by_language(back).tolist()
    assert [3.0, 2.0] == one.relaid_languages(both, [2, 3, 0])
    assert [] == plain.relaid_languages(both, [2, 3, 0])


def test_counts_of_a_worker_with_another_model_are_counted() -> None:
    """While workers are restarted one after the other, a step holds cells of both models."""
    rollup = RollUp(layout_of(AFTER), idle_ms=30_000)
    cut = step(1, {"negative/price": 2, "e/price": MICRO, "positive/app": 1, "negative@pt": 2})
    metrics = rollup.decide(cut, rollup.take(cut), CONTEXT).metrics["BR"]
    assert {"general": (2, 2), "app": (1, 0)} == {name: (n, bad) for name, (n, bad, _) in metrics.topics.items()}
    assert 3 == metrics.windows["24h"].n


def test_what_is_unmeasured_stays_so() -> None:
    """In buckets, and where a worker with the model before counted it by topic: the detectors leave it out."""
    before, after = (layout_of(replace(info, languages=BY_LANGUAGE)) for info in (BEFORE, AFTER))
    cells = before.zeros()
    cells[before.index("negative/price")], cells[before.index("negative@unmeasured")] = 5, 5
    assert 5 == after.read(after.relaid(before, cells)).unmeasured
    rollup = RollUp(after, idle_ms=30_000)
    rollup.take(step(1, {"negative/price": 5, "negative~price": 3, "negative@unmeasured": 3, "negative@pt": 2}))
    state = rollup.markets["BR"]
    assert ({"general": (2, 2)}, [0, 2, 0]) == (state.waiting[MINUTE], state.waiting_languages[MINUTE])


def test_labels_count_for_their_language_under_another_layout() -> None:
    """Not for what had its number before."""
    info = replace(BEFORE, languages={"pt": PT})
    both, one = layout_of(replace(info, languages=BY_LANGUAGE)), layout_of(info)
    fresh, taken_over = (RollUp(layout, 30_000, measured_confusion(info)) for layout in (one, both))
    taken_over.relay(one)
    cut = step(1, {"negative/app": 30, "negative@pt": 30})
    week = JudgedWeek(week_of(MINUTE * 60_000) - 1, "before", (100, 0, 0), {"pt": ((40, 0, 0), (40, 0, 0), (40, 0, 0))})
    context = replace(CONTEXT, judged={"BR": (week,)})
    expected = fresh.decide(cut, fresh.take(cut), context).metrics
    assert expected == taken_over.decide(cut, taken_over.take(cut), context).metrics


def test_a_stored_state_goes_on_under_a_model_with_other_topics() -> None:
    """Windows, minutes that wait for the detectors and what rises are of the new topics; every bucket is written."""
    old = RollUp(layout_of(BEFORE), idle_ms=30_000)
    cut = step(1, {"negative/price": 2, "positive/app": 1})
    old.decide(cut, old.take(cut), CONTEXT)
    changed, _ = old.windows.take_changes()
    state = {MODEL_FIELD: msgspec.json.encode(BEFORE)}
    before = layout_of_state(state)
    assert before is not None
    new = RollUp(before, idle_ms=30_000)
    new.common, new.markets = old.common, old.markets
    new.windows.load("BR", changed["BR", "minute"], changed["BR", "hour"])
    new.relay(layout_of(AFTER))
    assert {"general": (2, 2), "app": (1, 0)} == new.markets["BR"].waiting[MINUTE]
    assert {("BR", "minute"): [MINUTE], ("BR", "hour"): [MINUTE // 60]} == {
        key: list(buckets) for key, buckets in new.windows.take_changes()[0].items()
    }
    cut = step(2, {"negative/refund": 1})
    metrics = new.decide(cut, new.take(cut), replace(CONTEXT, model="after")).metrics["BR"]
    assert {"general": 2, "app": 1, "refund": 1} == {name: n for name, (n, _, _) in metrics.topics.items()}


def test_a_change_of_languages_reaches_what_detectors_keep_by_language() -> None:
    """Lists of two languages cannot be added to lists of one."""
    both, one = (layout_of(replace(BEFORE, languages=by)) for by in (BY_LANGUAGE, {"pt": PT}))
    rollup = RollUp(both, idle_ms=30_000)
    rollup.markets["BR"] = MarketState(
        waiting_languages={7: [1, 2, 0]}, late_languages={8: [0, 0, 4]}, spoken=[0.5, 1.5, 0]
    )
    rollup.relay(one)
    state = rollup.markets["BR"]
    assert ({7: [2, 1]}, {8: [0, 4]}, [1.5, 0.5]) == (state.waiting_languages, state.late_languages, state.spoken)


def test_the_same_topics_are_left_as_they_are() -> None:
    """Nothing is written again for a model that only answers otherwise."""
    rollup = RollUp(layout_of(BEFORE), idle_ms=30_000)
    cut = step(1, {"negative/price": 2})
    rollup.decide(cut, rollup.take(cut), CONTEXT)
    rollup.windows.take_changes()
    rollup.relay(layout_of(replace(BEFORE, id="after")))
    assert ({}, {}) == rollup.windows.take_changes()
