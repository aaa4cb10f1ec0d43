"""What was published beyond a ledger that went back is taken back, and `seq` goes on rising."""

import msgspec

from streams.contracts import AlertRecord, encode
from streams.rewind import WHY, corrections


def alert(name: str, state: str, seq: int) -> AlertRecord:
    return AlertRecord(name, seq, "surge", "BR", state, 1_000, 1_000)  # type: ignore[arg-type]


def test_a_forgotten_alert_is_resolved_and_a_known_one_said_again() -> None:
    """Resolved with the reason where the ledger has none; its own state where it has one; nothing of what ended."""
    undone = (alert("forgotten", "firing", 9), alert("known", "firing", 8), alert("over", "resolved", 9))
    held = {"known": encode(alert("known", "pending", 5))}
    found = {one.id: (one.state, one.seq) for one in corrections(undone, held, set(), 10, 2_000)}
    assert {"forgotten": ("resolved", 10), "known": ("pending", 10)} == found


def test_a_resolution_says_why_and_when() -> None:
    """The cause stands in the evidence; an alert never ends before it began."""
    [one] = corrections((alert("a", "firing", 9),), {}, set(), 10, 500)
    assert (1_000, WHY) == (one.ended_at, one.evidence["cause"])
    assert "resolved" == msgspec.json.decode(encode(one))["state"]


def test_what_the_step_itself_publishes_is_left_alone() -> None:
    """One record per alert and seq."""
    assert [] == corrections((alert("a", "firing", 9),), {}, {"a"}, 10, 500)
