"""Minutes that are over, of all markets and their topics, to alerts about surges."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from marketpulse.contract.records import AlertRecord
from marketpulse.contract.units import MINUTE_MS
from streams.contract.rules import Rules
from streams.pipeline.detect.evidence import driving_topics
from streams.pipeline.detect.market_state import MarketState
from streams.pipeline.detect.minutes import last_closed, release, summed
from streams.pipeline.detect.surge import AlertChange, Noise, Observation, busy_nats, move_usual, surge_step

ALL_TOPICS = ""
POOLED_HALF_LIFE_EVENTS = 20_000.0
SPOKEN_HALF_LIFE_EVENTS = 2_000.0
LEAST_DISTANCE = 0.05  # of recall from the share of false negatives: a model without any would show nothing

Pooled = dict[str, tuple[float, float]]
"""Topic -> fading (events, negatives) over all markets."""


def judge_minutes(
    markets: Mapping[str, MarketState],
    pooled: Pooled,
    stream_ms: int,
    seq: int,
    rules: Rules,
    topics: int,
    confusion: NDArray[np.float64] | None,
) -> list[AlertRecord]:
    """Every minute that is over through the surge detectors: each market, and each topic of it.

    Args:
        markets: their states, changed in place.
        pooled: changed in place.
        stream_ms: stream time, in epoch ms.
        seq: of the alerts.
        rules: thresholds, per market.
        topics: how many topics there are; a topic's threshold is higher by ln(topics).
        confusion: [language, true label, answered label] of the model, rows that no minute counts at the end; None
            where it was not measured.
    """
    alerts: list[AlertRecord] = []
    for minute, market, by_topic, languages in release(markets, stream_ms, rules):
        state = markets[market]
        noise = _noise(state, languages, confusion)
        n = sum(one[0] for one in by_topic.values())
        x = sum(one[1] for one in by_topic.values())
        _warm(state, minute)
        if state.warming is not None:
            state.warming.events += n
        state.rising = summed(state.rising, by_topic)
        rule = rules.of(market).surge
        busy = busy_nats(state.surges.get(ALL_TOPICS), minute, rule)
        for topic, (events, negatives) in [(ALL_TOPICS, (n, x)), *sorted(by_topic.items())]:
            more = busy if topic == ALL_TOPICS else busy + float(np.log(topics))
            threshold = rule.threshold + more if state.warming is None else float("inf")
            seen = Observation(minute, events, negatives, _pool(pooled, topic, events, negatives), noise)
            if topic != ALL_TOPICS:
                market_wide = state.surges[ALL_TOPICS]
                seen = replace(seen, market_level=market_wide.level, calm=market_wide.fired_ms is None)
            state.surges[topic], change = surge_step(state.surges.get(topic), seen, replace(rule, threshold=threshold))
            if change is not None and change.adopted and topic == ALL_TOPICS:
                for name, one in state.surges.items():
                    if name != ALL_TOPICS:
                        move_usual(one, change.adopted, rule)
            if change is not None and change.state == "firing" and topic == ALL_TOPICS:
                change = replace(change, evidence=change.evidence | {"topics": _topics(state)})
            if change is not None:
                alerts.append(surge_alert(change, seq, market, topic or None))
        if state.surges[ALL_TOPICS].s == 0.0:
            state.rising = {}
    for market, state in markets.items():
        _warm(state, last_closed(stream_ms, rules.of(market).minutes.grace_ms) + 1)
    return alerts


def _topics(state: MarketState) -> list[dict[str, Any]]:
    """What drives a surge of a market that fires: of the minutes since S was 0, against the closed hours before."""
    seasons = {topic: (sum(one.season_n), sum(one.season_x)) for topic, one in state.surges.items() if topic}
    return driving_topics(state.rising, seasons)


def _warm(state: MarketState, minute: int) -> None:
    """End a market's warming where it is over as a minute begins."""
    if state.warming is not None and state.warming.over(minute * MINUTE_MS):
        state.warming = None


def surge_alert(change: AlertChange, seq: int, market: str, topic: str | None) -> AlertRecord:
    """The alert of a surge that began or ended."""
    firing = change.state == "firing"
    return AlertRecord(
        id="-".join(filter(None, ("surge", market, topic, str(change.started_at)))),
        seq=seq,
        kind="surge",
        market=market,
        topic=topic,
        state=change.state,
        started_at=change.started_at,
        fired_at=change.started_at,
        ended_at=None if firing else change.at,
        evidence=change.evidence,
    )


def _noise(state: MarketState, languages: list[int], confusion: NDArray[np.float64] | None) -> Noise:
    """How the classifier sees negatives in the languages that a market's users write in."""
    if confusion is None or not languages:
        return Noise()
    before = state.spoken or [1.0] * len(languages)
    fade = 0.5 ** (sum(languages) / SPOKEN_HALF_LIFE_EVENTS)
    state.spoken = [fade * one + more for one, more in zip(before, languages, strict=True)]
    shares = np.array(state.spoken) / sum(state.spoken)
    spoken = confusion[: len(shares)]
    recall = float(shares @ spoken[:, 0, 0])
    false_share = float(shares @ spoken[:, 1:, 0].mean(axis=1))
    return Noise(max(recall, false_share + LEAST_DISTANCE), false_share)


def _pool(pooled: Pooled, topic: str, events: int, negatives: int) -> float:
    """A topic's share of negatives over all markets before this minute, fading by events.

    A topic that is hardly known leans on all topics, and those on .25: complaints gather in some topics, and what is
    usual for them is no surge.
    """
    all_n, all_x = pooled.get(ALL_TOPICS, (0.0, 0.0))
    share = (all_x + 10.0) / (all_n + 40.0)
    n, x = pooled.get(topic, (0.0, 0.0))
    if topic != ALL_TOPICS:
        share = (x + 40.0 * share) / (n + 40.0)
    fade = 0.5 ** (events / POOLED_HALF_LIFE_EVENTS)
    pooled[topic] = (n * fade + events, x * fade + negatives)
    return share
