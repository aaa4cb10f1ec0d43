"""A roll-up after a change of the model's topics or languages: what was counted before stays counted."""

from collections.abc import Mapping

import msgspec

from models.classifier import ModelInfo
from streams.pipeline.count.cells import CellLayout
from streams.pipeline.count.layouts import layout_of
from streams.pipeline.detect.market_state import TopicCounts
from streams.pipeline.detect.minutes import summed
from streams.pipeline.rollup.step import RollUp
from streams.pipeline.rollup.step_writes import MODEL_FIELD


def layout_before(state: Mapping[str, bytes]) -> CellLayout | None:
    """The layout of the buckets that a stored state belongs to; None for a state of no model."""
    return layout_of(msgspec.json.decode(state[MODEL_FIELD], type=ModelInfo)) if MODEL_FIELD in state else None


def relay(rollup: RollUp, before: CellLayout, after: CellLayout) -> None:
    """Put windows and waiting minutes, which were counted in one layout, into another; nothing if both are alike.

    Counts of a topic that is gone join `general`, those of a language that is gone `other`; a new topic begins at 0.
    What the detectors learned is another matter: `RollUp.decide` has them begin again with every other model.
    """
    rollup.layout = after
    if before.names == after.names:
        return
    rollup.windows.relay(before, after)
    for state in rollup.markets.values():
        state.waiting = {minute: _relaid(topics, after) for minute, topics in state.waiting.items()}
        state.late = {minute: _relaid(topics, after) for minute, topics in state.late.items()}
        state.rising = _relaid(state.rising, after)
        for waiting in (state.waiting_languages, state.late_languages):
            for minute, events in waiting.items():
                waiting[minute] = [int(n) for n in after.relaid_languages(before, events)]
        state.spoken = after.relaid_languages(before, state.spoken)


def _relaid(topics: TopicCounts, after: CellLayout) -> TopicCounts:
    found: TopicCounts = {}
    for topic, counts in topics.items():
        found = summed(found, {after.home_of(topic): counts})
    return found
