"""A market's detectors after a change of the model's topics or languages: what waits for them stays counted."""

from streams.pipeline.count.cells import CellLayout
from streams.pipeline.detect.market_state import MarketState, TopicCounts
from streams.pipeline.detect.minutes import summed


def relay_market(state: MarketState, before: CellLayout, after: CellLayout) -> None:
    """Put waiting minutes, and what rises, from one layout into another; the state is changed in place."""
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
