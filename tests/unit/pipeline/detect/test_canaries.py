"""A canary's record becomes an alert for one step, and nothing else."""

from types import SimpleNamespace
from typing import Any

from marketpulse.contract.canary import CELL, HEADER, canary_id, canary_of, sent_ms
from marketpulse.contract.mutes import mute_of
from marketpulse.contract.operators import MuteRecord
from marketpulse.contract.records import AlertRecord
from streams.pipeline.detect.canaries import watch_canaries

NAME = canary_id(1_790_000_000_000, 7)


def test_a_header_of_the_right_form_makes_a_canary() -> None:
    """Any other value leaves the record what it is: feedback."""
    assert NAME == canary_of([("traceparent", b"00"), (HEADER, NAME.encode())])
    assert 1_790_000_000_000 == sent_ms(NAME)
    for value in (b"", None, b"x", NAME.encode() + b"0", f"{NAME}\n".encode(), b"\xff" * 22):
        assert canary_of([(HEADER, value)]) is None


def test_it_fires_in_one_step_and_is_over_in_the_next() -> None:
    """One record for each state, with a `seq` that grows."""
    firing: list[AlertRecord] = []
    (first,) = watch_canaries(firing, ["BR:1:negative/app", f"*:9{CELL}{NAME}"], 5, 100)
    assert (f"test-{NAME}", 5, "test", "*", "firing", 100) == (
        first.id, first.seq, first.kind, first.market, first.state, first.fired_at,
    )  # fmt: skip
    (last,) = watch_canaries(firing, [], 6, 200)
    assert (first.id, 6, "resolved", 200) == (last.id, last.seq, last.state, last.ended_at)
    assert [] == watch_canaries(firing, [], 7, 300)


def test_no_silence_covers_it() -> None:
    """Whoever tests the way wants to know all of it."""
    (canary,) = watch_canaries([], [f"*:9{CELL}{NAME}"], 5, 100)
    silence: Any = SimpleNamespace(until=1_000, kind=None, market=None, topic=None)
    assert mute_of(canary, [silence], 500) is None
    assert mute_of(AlertRecord("a", 1, "surge", "BR", "firing", 1, 1), [MuteRecord("m", 1_000, 0)], 500) is not None
