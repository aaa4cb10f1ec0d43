"""One sink's loop: at least once, in order, with patience and within its limit."""

import json

import pytest
from structlog.testing import capture_logs

from marketpulse.contract.canary import ReceiptRecord
from marketpulse.contract.operators import MuteRecord
from marketpulse.errors import KafkaUnavailable
from streams.notify.courier import Stopped
from streams.notify.errors import Away, Refused
from tests.support.alerts import alert
from tests.unit.notify.fakes import HandClock, LogFeed, ScriptedSink, courier


async def test_what_comes_is_told_and_committed() -> None:
    """Once, in order; a second life says nothing again."""
    feed, sink = LogFeed(), ScriptedSink()
    feed.put(alert("old"), alert("old", seq=2, state="resolved"))
    one = courier(feed, sink, HandClock())
    await one.turn()
    feed.put(alert("a"), alert("b", market="DE"))
    await one.turn()
    feed.put(alert("a", seq=2, state="resolved"))
    await one.turn()
    assert [("a", "firing"), ("b", "firing"), ("a", "resolved")] == sink.told
    assert 5 == feed.commits[-1]
    again = ScriptedSink()
    await courier(feed.restarted(), again, HandClock()).turn()
    assert [] == again.told


async def test_a_sink_that_is_away_is_tried_again() -> None:
    """With growing pauses, at least as long as it asked for; nothing is committed before it has the message."""
    feed, sink, clock = (
        LogFeed(),
        ScriptedSink(Away("HTTP 500"), Away("HTTP 429", 40.0), Away("no answer")),
        HandClock(),
    )
    one = courier(feed, sink, clock)
    await one.turn()
    feed.put(alert("a"))
    before = list(feed.commits)
    await one.turn()
    assert [("a", "firing")] == sink.told
    assert (4, 3, 1, 0) == (sink.tries, one.status.retries, one.status.delivered, one.status.undelivered)
    assert sum(clock.pauses) > 41
    assert [*before, 1] == feed.commits
    assert one.status.failing_since_ms is None


async def test_what_was_tried_for_long_enough_is_on_record() -> None:
    """Counted and named in the log, without the receiver's URL; then the next is told."""
    error = Away("https://hooks.example.com/token says no")
    feed, sink, clock = LogFeed(), ScriptedSink(*[error] * 200), HandClock()
    one = courier(feed, sink, clock, retry_for_s=600.0)
    await one.turn()
    feed.put(alert("a"))
    with capture_logs() as logs:
        await one.turn()
    assert (1, 0) == (one.status.undelivered, one.status.delivered)
    assert 1_600_000 <= clock.at_ms <= 1_602_000
    assert one.status.failing_since_ms == 1_000_000
    lost = [entry for entry in logs if entry["event"] == "alert_undelivered"]
    assert [("a", "*** says no")] == [(entry["id"], entry["why"]) for entry in lost]
    assert "token" not in json.dumps(logs, default=str)
    sink.script.clear()
    feed.put(alert("b"))
    await one.turn()
    assert [("b", "firing")] == sink.told
    assert 2 == feed.commits[-1]


async def test_a_refused_message_is_not_tried_again() -> None:
    """It would be refused again, and hold up the rest."""
    feed, sink = LogFeed(), ScriptedSink(Refused("HTTP 400"))
    one = courier(feed, sink, HandClock())
    await one.turn()
    feed.put(alert("a"))
    await one.turn()
    assert (1, 1) == (sink.tries, one.status.undelivered)


async def test_a_fault_of_a_sink_costs_that_sink_alone() -> None:
    """Whatever it raises is tried again, and then is on record; the loop goes on with the next alert."""
    script = ValueError("could not convert max@example.com"), KeyError("x")
    feed, sink, clock = LogFeed(), ScriptedSink(*script), HandClock()
    one = courier(feed, sink, clock)
    await one.turn()
    feed.put(alert("a"))
    with capture_logs() as logs:
        await one.turn()
    assert ([("a", "firing")], 2, 1) == (sink.told, one.status.retries, one.status.delivered)
    assert "the sink failed with ValueError: could not convert [email]" == logs[0]["why"]
    assert sum(clock.pauses) > 1


async def test_alerts_that_cannot_be_divided_go_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault in how a sink groups them is no reason to tell nothing."""
    feed, sink = LogFeed(), ScriptedSink()
    monkeypatch.setattr(sink, "divided", [].index)  # raises ValueError
    one = courier(feed, sink, HandClock())
    await one.turn()
    feed.put(alert("a"), alert("b"))
    await one.turn()
    assert [("a", "firing"), ("b", "firing")] == sink.told


async def test_a_process_that_ends_meanwhile_loses_nothing() -> None:
    """The next one begins with what was not taken."""
    feed, clock = LogFeed(), HandClock(end_ms=1_003_000)
    one = courier(feed, ScriptedSink(*[Away("no answer")] * 9), clock)
    await one.turn()
    feed.put(alert("a"))
    with pytest.raises(Stopped):
        await one.turn()
    sink = ScriptedSink()
    await courier(feed.restarted(), sink, HandClock()).turn()
    assert [("a", "firing")] == sink.told


async def test_what_is_over_the_limit_is_told_in_a_summary() -> None:
    """Two messages at once, the second stands for the rest; the next one when the bucket has filled."""
    feed, sink, clock = LogFeed(), ScriptedSink(), HandClock()
    one = courier(feed, sink, clock, per_minute=1.0, burst=2)
    await one.turn()
    feed.put(*(alert(f"a{at}", market=f"{at:02}", state="firing" if at % 2 else "resolved") for at in range(6)))
    for at in range(6, 9):
        feed.put(alert(f"a{at}", market=f"{at:02}"))
    await one.turn()
    assert 2 == len(sink.taken)
    feed.put(alert("late"), alert("late", seq=2, state="resolved"), alert("later"))
    await one.turn()
    assert 2 == len(sink.taken)
    assert 9 == feed.commits[-1]
    clock.at_ms += 60_000
    await one.turn()
    assert [("late", "resolved"), ("later", "firing")] == sink.told[9:]
    assert ({f"a{at}" for at in range(9)}, 12) == ({name for name, _ in sink.told[:9]}, feed.commits[-1])


async def test_what_fires_is_sent_again_where_the_sink_forgets() -> None:
    """Every minute, also after a restart; not what is silenced; a reminder that fails is no loss."""
    feed, clock = LogFeed(), HandClock()
    feed.put(alert("a"), alert("b", market="DE"))
    first = courier(feed, ScriptedSink(), clock)
    await first.turn()
    sink = ScriptedSink(Away("no answer"), resend_s=60.0)
    silence = [MuteRecord("m", 10_000_000, 900_000, market="DE")]
    one = courier(feed.restarted(), sink, clock, silence)
    for _ in range(3):
        await one.turn()
        clock.at_ms += 60_000
    assert [("a", "firing"), ("a", "firing")] == sink.told
    assert (0, 0) == (one.status.undelivered, one.status.retries)


async def test_a_record_that_cannot_be_read_is_passed_over() -> None:
    """It is logged, and does not come again."""
    feed, sink = LogFeed(), ScriptedSink()
    one = courier(feed, sink, HandClock())
    await one.turn()
    feed.log += [b"{}", b"\xff", b'{"v":9}', b'{"evidence":' + b"[" * 100_000]
    feed.put(alert("a"))
    with capture_logs() as logs:
        await one.turn()
    assert 4 == sum(entry["event"] == "alert_unreadable" for entry in logs)
    assert ([("a", "firing")], 5) == (sink.told, feed.commits[-1])


async def test_a_canary_is_acknowledged_once_the_sink_has_it_or_refused_it() -> None:
    """When it fires alone; that Kafka is away then holds nobody up."""
    receipts: list[ReceiptRecord] = []

    async def acknowledge(receipt: ReceiptRecord) -> None:
        receipts.append(receipt)
        if len(receipts) == 2:
            raise KafkaUnavailable("away")

    feed, sink = LogFeed(), ScriptedSink(None, None, Refused("HTTP 400"))
    one = courier(feed, sink, HandClock(), acknowledge=acknowledge)
    await one.turn()
    for number, state in enumerate(("firing", "resolved", "firing")):
        feed.put(alert(f"test-{number // 2}", seq=number, kind="test", market="*", state=state))
        await one.turn()
    assert [("0", "desk", True, ""), ("1", "desk", False, "HTTP 400")] == [
        (each.canary, each.sink, each.delivered, each.why) for each in receipts
    ]
