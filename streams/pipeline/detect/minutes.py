"""Minutes of a market on their way to the detectors: they wait until they are over, and go there once and whole."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from marketpulse.contract.units import MINUTE_MS
from streams.contract.rules import Rules
from streams.pipeline.detect.market_state import MarketState, TopicCounts

MOST_WAITING = 360  # minutes of one market; where stream time is held back for longer the oldest go unfinished


class Closed(NamedTuple):
    """One minute of a market with all that is known of it, late events of earlier minutes too.

    `topics`: topic -> (events, negatives); `languages`: events of each of the layout's languages.
    """

    minute: int
    market: str
    topics: TopicCounts
    languages: list[int]


def last_closed(stream_ms: int, grace_ms: int) -> int:
    """The newest minute whose end stream time has passed by the grace, in minutes since the epoch."""
    return (stream_ms - grace_ms) // MINUTE_MS - 1


def keep(
    state: MarketState, minute: int, topics: TopicCounts, languages: Sequence[int], closed: int, running: int
) -> int:
    """Let one step's events of one minute wait; how many of them were late.

    What comes for a minute that has gone to the detectors waits for the minute that is running now, or the first one
    after it in which the market has events that are not late: alone it is nothing that could be judged.

    Args:
        state: of the market, changed in place.
        minute: of the events, in minutes since the epoch.
        topics, languages: their counts, as in `Closed`.
        closed: the last minute that the detectors have seen before this step.
        running: the minute that stream time is in.
    """
    closed = max(closed, state.judged_minute)
    if minute > closed:
        _add(state.waiting, state.waiting_languages, minute, topics, languages)
        return 0
    _add(state.late, state.late_languages, max(running, closed + 1), topics, languages)
    return sum(n for n, _ in topics.values())


def release(markets: Mapping[str, MarketState], stream_ms: int, rules: Rules) -> Iterable[Closed]:
    """Take out every minute that is over at a stream time, in the order in which they were over.

    The order is one of the minutes and the rules alone: a step that closes several gives them as several steps would.
    The states are changed in place, as far as the caller goes.
    """
    over: list[tuple[int, int, str]] = []
    for market, state in markets.items():
        grace_ms = rules.of(market).minutes.grace_ms
        minutes, closed = sorted(state.waiting), last_closed(stream_ms, grace_ms)
        count = max(bisect_right(minutes, closed), len(minutes) - MOST_WAITING)
        over += [(minute * MINUTE_MS + grace_ms, minute, market) for minute in minutes[:count]]
        if not count:
            _gather_late(state, closed)
    for _, minute, market in sorted(over):
        state = markets[market]
        topics, languages = state.waiting.pop(minute), state.waiting_languages.pop(minute, [])
        for joins in sorted(joins for joins in state.late if joins <= minute):
            topics = summed(topics, state.late.pop(joins))
            languages = _sum_languages(languages, state.late_languages.pop(joins, []))
        state.judged_minute = max(state.judged_minute, minute)
        yield Closed(minute, market, topics, languages)


def _gather_late(state: MarketState, closed: int) -> None:
    """Late events of a market that has gone silent wait as one: all of them join its next minute."""
    old = sorted(minute for minute in state.late if minute <= closed)
    for minute in old[1:]:
        topics, languages = state.late.pop(minute), state.late_languages.pop(minute, [])
        _add(state.late, state.late_languages, old[0], topics, languages)


def _add(
    waiting: dict[int, TopicCounts],
    waiting_languages: dict[int, list[int]],
    minute: int,
    topics: TopicCounts,
    languages: Sequence[int],
) -> None:
    waiting[minute] = summed(waiting.get(minute, {}), topics)
    waiting_languages[minute] = _sum_languages(waiting_languages.get(minute, []), languages)


def summed(one: TopicCounts, other: TopicCounts) -> TopicCounts:
    """Counts of both together."""
    found = dict(one)
    for topic, (n, x) in other.items():
        before_n, before_x = found.get(topic, (0, 0))
        found[topic] = (before_n + n, before_x + x)
    return found


def _sum_languages(one: Sequence[int], other: Sequence[int]) -> list[int]:
    if not one or not other:
        return list(one or other)
    return [count + more for count, more in zip(one, other, strict=True)]
