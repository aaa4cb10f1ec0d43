"""The simulated feed keeps its word: its truth is what the decoder finds."""

import time
from collections import Counter
from pathlib import Path

import pytest

from marketpulse.contract.decode import Decoded, Rejected, decode
from streams.dev.feeds.live import KINDS, live_records, parse_incident
from streams.dev.feeds.simulate import FeedPlan, Incident, active, expected_of, generate, write_feed
from streams.errors import BadInput
from streams.sources.feed import Feed

PLAN = FeedPlan(seed=3, events=2_000)


def test_same_plan_same_feed() -> None:
    """Seeded: byte for byte."""
    assert list(generate(PLAN)) == list(generate(PLAN))


def test_the_truth_is_what_the_decoder_finds() -> None:
    """Every line is accepted or rejected with the code its truth names; duplicates repeat an accepted id."""
    found: Counter[str] = Counter()
    seen: set[str] = set()
    lines = list(generate(PLAN))
    for line in lines:
        try:
            event = decode(line.value, PLAN.end_ms)
        except Rejected as rejected:
            found[rejected.code] += 1
        else:
            found["duplicate" if event.id in seen else "accepted"] += 1
            seen.add(event.id)
    truth = expected_of(lines)
    wanted = truth["dead_letter_by_code"] | {"accepted": truth["accepted"], "duplicate": truth["duplicates"]}
    assert wanted == dict(found)


def test_a_csv_feed_is_read_back_whole(tmp_path: Path) -> None:
    """Every row is an event that the decoder accepts; nothing is broken or doubled."""
    truth = write_feed(PLAN, tmp_path / "feed.csv")
    with Feed(str(tmp_path / "feed.csv"), raw=False) as feed:
        records = list(feed.records(lambda *why: pytest.fail(str(why))))
    events = [decode(record.value, PLAN.end_ms) for record in records]
    assert truth["accepted"] == len({event.id for event in events}) == PLAN.events
    assert any(event.rating for event in events)


def live_events(incidents: tuple[Incident, ...]) -> list[Decoded]:
    """3,000 events of now."""
    left = iter(range(3_000))
    feed = live_records(PLAN, incidents, lambda at: next(left, None) is None)
    return [decode(record.value, time.time_ns() // 1_000_000) for record in feed]


def test_live_events_follow_the_script() -> None:
    """An outage turns a market negative and loud, a launch brings newcomers, a silence is silent."""
    incidents = tuple(
        parse_incident(f"{kind}:{market}:0:60")[1] for kind, market in zip(KINDS, ("BR", "DE", "IN", "RU"), strict=True)
    )
    events = live_events(incidents)
    counts, usual = (Counter(event.market for event in some) for some in (events, live_events(())))
    assert (3_000, 0) == (len(events), counts["RU"])
    assert counts["BR"] > 1.3 * usual["BR"]
    assert counts["DE"] > 0
    assert all("-new-" in str(event.user) for event in events if event.market == "IN")
    assert len({event.id for event in events}) == len(events)
    assert {"BR"} == set(active(incidents[:1], 30)) != set(active(incidents[:1], 61))


@pytest.mark.parametrize("text", ["outage", "flood:BR:0:9", "outage:XX:0:9", "outage:BR:9:1", "outage:BR:a:b"])
def test_an_incident_that_cannot_be_read_is_said(text: str) -> None:
    """With an example of one that can."""
    with pytest.raises(BadInput, match="outage:BR:60:300"):
        parse_incident(text)
