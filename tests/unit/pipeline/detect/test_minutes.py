"""Minutes wait until they are over, and go to the detectors once, whole."""

from collections import Counter

import msgspec

from streams.contract.rules import MarketRules, MinuteRule, Rules
from streams.pipeline.detect.judge import judge_minutes
from streams.pipeline.detect.market_state import MarketState
from streams.pipeline.detect.minutes import MOST_WAITING, Closed, keep, last_closed, release

MINUTE = 60_000
GRACE = MinuteRule().grace_ms


def taken(state: MarketState, stream_ms: int, rules: Rules = Rules()) -> list[tuple[int, dict[str, tuple[int, int]]]]:
    return [(one.minute, one.topics) for one in release({"BR": state}, stream_ms, rules)]


def test_a_minute_is_released_once_when_stream_time_has_passed_its_end_by_the_grace() -> None:
    """In pieces its clusters would look like many small ones."""
    state = MarketState()
    for negatives in (1, 3):
        keep(state, 10, {"app": (5, negatives)}, [5], closed=9, running=10)
    assert [] == taken(state, 11 * MINUTE + GRACE - 1)
    assert [(10, {"app": (10, 4)})] == taken(state, 11 * MINUTE + GRACE)
    assert [] == taken(state, 12 * MINUTE)


def test_late_events_join_the_next_minute_and_alone_are_none() -> None:
    """They wait until their market has a minute with others; until then they are one entry, however many come."""
    state = MarketState(judged_minute=10)
    for running in (12, 13, 14):
        assert 2 == keep(state, 3, {"price": (2, 2)}, [2, 0], closed=10, running=running)
        assert [] == taken(state, (running + 1) * MINUTE + GRACE)
        assert 1 == len(state.late) == len(state.late_languages)
    assert 0 == keep(state, 20, {"app": (5, 1)}, [4, 1], closed=14, running=20)
    [joined] = release({"BR": state}, 21 * MINUTE + GRACE, Rules())
    assert Closed(20, "BR", {"app": (5, 1), "price": (6, 6)}, [10, 1]) == joined
    assert ({}, {}) == (state.late, state.late_languages)


def test_late_events_alone_fire_nothing() -> None:
    """A thousand negatives of yesterday in a market that is silent now reach no detector."""
    state = MarketState()
    markets = {"BR": state}
    for minute in range(120):
        keep(state, minute, {"app": (20, 4)}, [], minute - 2, minute)
    assert [] == judge_minutes(markets, {}, 121 * MINUTE, 1, Rules(), 1, None)
    seen = msgspec.msgpack.encode(state.surges)
    keep(state, 60, {"app": (1_000, 1_000)}, [], 119, 200)
    assert [] == judge_minutes(markets, {}, 400 * MINUTE, 2, Rules(), 1, None)
    assert seen == msgspec.msgpack.encode(state.surges)


def test_a_market_whose_feed_lags_has_a_grace_of_its_own() -> None:
    """Minutes of all markets come in the order in which they are over."""
    rules = Rules(markets={"BR": MarketRules(minutes=MinuteRule(grace_ms=2 * MINUTE))})
    markets = {"BR": MarketState(), "DE": MarketState()}
    for minute in (10, 11, 12):
        for state in markets.values():
            keep(state, minute, {"app": (1, 0)}, [], 9, minute)
    order = [(one.market, one.minute) for one in release(markets, 14 * MINUTE + GRACE, rules)]
    assert [("DE", 10), ("DE", 11), ("BR", 10), ("DE", 12), ("BR", 11)] == order
    assert 11 == last_closed(14 * MINUTE, 2 * MINUTE)


def test_minutes_that_wait_are_bounded() -> None:
    """Where stream time stays behind, the oldest go as they are, and what comes for them later is late."""
    state = MarketState()
    for minute in range(1, MOST_WAITING + 4):
        keep(state, minute, {"app": (1, 0)}, [], closed=-1, running=0)
    assert [1, 2, 3] == [minute for minute, _ in taken(state, 0)]
    assert MOST_WAITING == len(state.waiting)
    assert 1 == keep(state, 3, {"app": (1, 1)}, [], closed=-1, running=0)
    assert {4: {"app": (1, 1)}} == state.late


def test_a_surges_topics_are_those_of_the_minutes_that_fired_it() -> None:
    """Counted since S was 0 last, and compared with the hours before."""
    state = MarketState()
    for minute in range(400):
        worse = 5 if minute >= 390 else 0
        keep(state, minute, {"app": (10, 2), "price": (10, 2 + worse)}, [], minute - 2, minute)
    [fired] = [
        one
        for one in judge_minutes({"BR": state}, {}, 401 * MINUTE, 1, Rules(), 2, None)
        if one.topic is None and one.state == "firing"
    ]
    [price] = [one for one in fired.evidence["topics"] if one["topic"] == "price"]
    minutes = (fired.started_at - fired.evidence["began_estimate"]) // MINUTE + 1
    assert (10 * minutes, 7 * minutes, 0.2) == (price["events"], price["negatives"], round(price["usual_share"], 1))
    assert fired.evidence["topics"][0] == price


def test_state_of_an_older_version_loads() -> None:
    """Fields that it does not know are empty."""
    older = msgspec.msgpack.encode({"waiting": {7: {"app": [3, 1]}}, "waiting_languages": {7: [3]}, "spoken": [2.0]})
    state = msgspec.msgpack.decode(older, type=MarketState)
    assert [(7, {"app": (3, 1)})] == taken(state, 9 * MINUTE)
    assert (7, {}, {}) == (state.judged_minute, state.late, state.rising)


def judged(shares: list[dict[str, tuple[int, int]]], topics: int = 3) -> list[tuple[str | None, str, int]]:
    """One market's minutes through the detectors: topic, state and minute of every change."""
    state = MarketState()
    found: list[tuple[str | None, str, int]] = []
    for minute, by_topic in enumerate(shares):
        keep(state, minute, by_topic, [], minute - 2, minute)
        alerts = judge_minutes({"BR": state}, {}, (minute + 1) * MINUTE + GRACE, 1, Rules(), topics, None)
        found += [(one.topic, one.state, minute) for one in alerts]
    return found


def test_a_share_that_wanders_in_all_topics_fires_none_of_them() -> None:
    """A busy market's level is known within minutes, that of each of its topics is not: they move with it."""
    shares = [40] * 400 + [40 + minute // 10 for minute in range(300)]
    topics = [f"topic {number}" for number in range(12)]
    changes = judged([dict.fromkeys(topics, (200, negatives)) for negatives in shares], len(topics))
    assert [] == [topic for topic, state, _ in changes if topic is not None]


def test_what_becomes_usual_for_a_market_is_so_for_its_topics() -> None:
    """Twelve hours after a rise of all of them nothing fires any more."""
    topics = ("app", "price", "delivery")
    changes = judged([dict.fromkeys(topics, (20, negatives)) for negatives in [4] * 400 + [9] * 900])
    assert (None, "firing") == changes[0][:2]
    assert (None, "resolved", changes[0][2] + 12 * 60) == changes[-1]
    assert {"firing": 4, "resolved": 4} == Counter(state for _, state, _ in changes)


def test_a_topic_does_not_take_its_markets_surge_for_usual() -> None:
    """Three hours of it leave the share that is usual for the topic as it was."""
    state = MarketState()
    for minute in range(600):
        keep(state, minute, dict.fromkeys(("app", "price"), (20, 4 if minute < 400 else 9)), [], minute - 2, minute)
    judge_minutes({"BR": state}, {}, 601 * MINUTE, 1, Rules(), 2, None)
    price = state.surges["price"]
    assert 0.2 <= sum(price.season_x) / sum(price.season_n) < 0.21


def test_one_topic_that_gets_worse_fires_itself() -> None:
    """Soon, though its market moves a little with it."""
    minutes = [dict.fromkeys(("app", "price", "delivery"), (20, 4))] * 400
    minutes += [{"app": (20, 4), "price": (20, 9), "delivery": (20, 4)}] * 60
    fired = {topic: minute for topic, state, minute in judged(minutes) if state == "firing"}
    assert {"price", None} >= fired.keys() >= {"price"}
    assert 400 < fired["price"] <= 412
