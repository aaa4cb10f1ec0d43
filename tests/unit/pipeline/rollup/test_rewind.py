"""What was published beyond a ledger that went back is taken back, and `seq` goes on rising."""

import msgspec

from marketpulse.contract.wire import encode
from streams.pipeline.rollup.rewind import WHY, corrections, note_ended
from streams.pipeline.rollup.state import CommonState
from tests.support.alerts import alert


def test_a_forgotten_alert_is_resolved_and_a_known_one_said_again() -> None:
    """Resolved with the reason where the ledger has none; its own state where it has one; nothing of what ended."""
    undone = (alert("forgotten", seq=9), alert("known", seq=8), alert("over", seq=9, state="resolved"))
    held = {"known": encode(alert("known", seq=5, state="pending"))}
    found = {one.id: (one.state, one.seq) for one in corrections(undone, held, set(), 10, 2_000)}
    assert {"forgotten": ("resolved", 10), "known": ("pending", 10)} == found


def test_a_resolution_says_why_and_when() -> None:
    """The cause stands in the evidence; an alert never ends before it began."""
    [one] = corrections((alert("a", seq=9, started_at=1_000),), {}, set(), 10, 500)
    assert (1_000, WHY) == (one.ended_at, one.evidence["cause"])
    assert "resolved" == msgspec.json.decode(encode(one))["state"]


def test_what_the_step_itself_publishes_is_left_alone() -> None:
    """One record per alert and seq."""
    assert [] == corrections((alert("a", seq=9),), {}, {"a"}, 10, 500)


def test_what_ended_outside_a_step_is_forgotten_as_others_are() -> None:
    """A repair or a rewind ended it: from its end on it is among those that go, the oldest first."""
    common = CommonState(ended={"own": 5_000})
    held = [alert("own", state="resolved", ended_at=7_000), alert("fires"), alert("a", state="resolved", ended_at=900)]
    note_ended(common, held)
    assert [("a", 900), ("own", 5_000)] == list(common.ended.items())
