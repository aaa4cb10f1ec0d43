"""Where steps are cut does not matter to the surge detectors: what they are given, and what they say."""

import os
from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np
import pytest

from marketpulse.contract.records import AlertRecord
from streams.judgement.confusion import Confusion
from streams.ledger.types import CutStep
from streams.pipeline.detect import judge
from streams.pipeline.detect.surge import AlertChange, Observation, SurgeState, surge_step
from streams.pipeline.rollup.step import RollUp
from streams.pipeline.rollup.step_record import Spending, StepContext
from tests.support.worlds import LAYOUT, cuts, world

WORLDS = int(os.environ.get("WORLDS", "20"))
CONTEXT = StepContext(Spending({}, {}, 2000.0, (0.25, 0.25, 0.25, 0.25)), "m")
CONFUSION = Confusion(
    np.array([[[0.7, 0.2, 0.1], [0.1, 0.7, 0.2], [0.05, 0.15, 0.8]]] * 4),
    np.array([[np.inf] * 3] * 2 + [[20.0] * 3] * 2),
)


class Seen(msgspec.Struct):
    """What the detectors were given, in order, and what became of each surge."""

    given: list[tuple[Observation, float]] = []
    alerts: dict[str, AlertRecord] = {}
    late: int = 0


def play(steps: Iterable[CutStep], confusion: Confusion | None, monkeypatch: pytest.MonkeyPatch) -> Seen:
    """The roll-up itself; alerts without `seq`, which counts steps."""
    seen = Seen()

    def spy(state: SurgeState | None, observation: Observation, rule: Any) -> tuple[SurgeState, AlertChange | None]:
        seen.given.append((observation, rule.threshold))
        return surge_step(state, observation, rule)

    monkeypatch.setattr(judge, "surge_step", spy)
    rollup = RollUp(LAYOUT, idle_ms=30_000, confusion=confusion)
    for step in steps:
        outcome = rollup.decide(step, rollup.take(step), CONTEXT)
        for alert in outcome.alerts:
            if alert.kind == "surge":
                before = seen.alerts.get(alert.id, alert)
                seen.alerts[alert.id] = msgspec.structs.replace(alert, seq=0, evidence=before.evidence | alert.evidence)
    seen.late = rollup.common.late_events
    return seen


def check(seed: int, monkeypatch: pytest.MonkeyPatch, hours: float = 6.0) -> Seen:
    """One world cut in both ways; what the one-minute cuts gave. One in eight has a model with a confusion."""
    events, at_random, by_minute = world(seed, hours)
    confusion = CONFUSION if seed % 8 == 0 else None
    one, other = (play(cuts(events, edges), confusion, monkeypatch) for edges in (at_random, by_minute))
    first = next((at for at, pair in enumerate(zip(one.given, other.given, strict=False)) if pair[0] != pair[1]), None)
    assert first is None, f"seed {seed}, observation {first}: {one.given[first]} and {other.given[first]}"
    assert one == other, f"seed {seed}: {one.alerts} and {other.alerts}; late {one.late} and {other.late}"
    return other


@pytest.mark.parametrize("seed", range(6))
def test_detectors_see_the_same_however_steps_are_cut(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of .2 to 90 s and steps of a minute, events out of order and late: the same observations and surges."""
    found = check(seed, monkeypatch, 2.0)
    assert found.late
    assert found.given


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize("first", range(1_000, 1_000 + WORLDS, 10))
def test_many_worlds_of_six_hours(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same in more of them; WORLDS=200 takes ten minutes."""
    for seed in range(first, first + 10):
        check(seed, monkeypatch)
