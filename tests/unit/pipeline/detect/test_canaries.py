"""A canary's record becomes an alert for one step, and nothing else."""

from types import SimpleNamespace
from typing import Any

from marketpulse.contract.canary import CELL, EVERY_MS, HEADER, canary_id, canary_of, sent_ms
from marketpulse.contract.mutes import mute_of
from marketpulse.contract.operators import MuteRecord
from marketpulse.contract.records import AlertRecord
from streams.pipeline.detect.canaries import Turn, watch_canaries

NOW_MS = 1_790_000_000_000
NAMES = [canary_id(NOW_MS, number) for number in range(9)]
NAME = NAMES[7]


class Watch:
    """The detector with its state, step by step; `step` gives the names of what begins."""

    def __init__(self) -> None:
        self.firing: list[AlertRecord] = []
        self.turn = Turn()
        self.seq = 0

    def step(self, now_ms: int, *names: str, times: int = 1) -> list[str]:
        self.seq += 1
        counts = {f"*:9{CELL}{name}": times for name in names}
        alerts = watch_canaries(self.firing, self.turn, counts, self.seq, now_ms)
        return [one.id.removeprefix("test-") for one in alerts if one.state == "firing"]


def test_a_header_of_the_right_form_makes_a_canary() -> None:
    """Any other value leaves the record what it is: feedback."""
    assert NAME == canary_of([("traceparent", b"00"), (HEADER, NAME.encode())])
    assert 1_790_000_000_000 == sent_ms(NAME)
    for value in (b"", None, b"x", NAME.encode() + b"0", f"{NAME}\n".encode(), b"\xff" * 22):
        assert canary_of([(HEADER, value)]) is None


def test_it_fires_in_one_step_and_is_over_in_the_next() -> None:
    """One record for each state, with a `seq` that grows."""
    firing: list[AlertRecord] = []
    turn = Turn()
    (first,) = watch_canaries(firing, turn, {"BR:1:negative/app": 4, f"*:9{CELL}{NAME}": 1}, 5, NOW_MS)
    assert (f"test-{NAME}", 5, "test", "*", "firing", NOW_MS) == (
        first.id, first.seq, first.kind, first.market, first.state, first.fired_at,
    )  # fmt: skip
    (last,) = watch_canaries(firing, turn, {}, 6, NOW_MS + 100)
    assert (first.id, 6, "resolved", NOW_MS + 100) == (last.id, last.seq, last.state, last.ended_at)
    assert [] == watch_canaries(firing, turn, {}, 7, NOW_MS + 200)


def test_one_begins_in_ten_seconds_and_one_waits() -> None:
    """Whoever tests twice in a row gets both; of a flood all others are dropped, and counted."""
    watch = Watch()
    assert NAMES[:1] == watch.step(NOW_MS, NAMES[0])
    assert [] == watch.step(NOW_MS + 1_000, NAMES[1])
    assert [] == watch.step(NOW_MS + EVERY_MS - 1)
    assert NAMES[1:2] == watch.step(NOW_MS + EVERY_MS)
    assert 0 == watch.turn.dropped
    assert [] == watch.step(NOW_MS + EVERY_MS + 1_000, *NAMES[2:], times=1_000)
    assert 7_000 - 1 == watch.turn.dropped
    assert NAMES[2:3] == watch.step(NOW_MS + 2 * EVERY_MS)
    assert [] == watch.step(NOW_MS + 9 * EVERY_MS)


def test_a_clock_that_goes_back_holds_nothing_up() -> None:
    """Redis may have moved to a server whose clock is behind."""
    watch = Watch()
    assert NAMES[:1] == watch.step(NOW_MS, NAMES[0])
    assert NAMES[1:2] == watch.step(NOW_MS - 1, NAMES[1])


def test_no_silence_covers_it() -> None:
    """Whoever tests the way wants to know all of it."""
    (canary,) = watch_canaries([], Turn(), {f"*:9{CELL}{NAME}": 1}, 5, NOW_MS)
    silence: Any = SimpleNamespace(until=1_000, kind=None, market=None, topic=None)
    assert mute_of(canary, [silence], 500) is None
    assert mute_of(AlertRecord("a", 1, "surge", "BR", "firing", 1, 1), [MuteRecord("m", 1_000, 0)], 500) is not None
