"""Workers that would answer the same text otherwise are a problem that the leader names."""

from dataclasses import replace

import pytest

from models.stub import StubClassifier
from streams.pipeline.rollup.leader import Leader
from tests.agents.test_relay import Stage


class Detecting(StubClassifier):
    """A stub that names what finds languages."""

    def __init__(self, detector: str) -> None:
        self.info = replace(StubClassifier.info, detector=detector)


@pytest.mark.parametrize(
    ("detectors", "expected"),
    [
        (("lid 1", "lid 1"), ()),
        (("lid 1", "lid 2"), ("workers find the language of texts with lid 1, lid 2",)),
        (("lid 1", ""), ("workers find the language of texts with lid 1, none",)),
    ],
)
async def test_workers_that_find_languages_in_other_ways(detectors: tuple[str, ...], expected: tuple[str, ...]) -> None:
    """Another version, or none, as a stub."""
    stage = Stage()
    await stage.ledger.init("ledger", {0: 0})
    leaders = []
    for number, detector in enumerate(detectors):
        deps = replace(stage.deps(), classifier=Detecting(detector), now_ms=lambda: 1_700_000_000_000)
        leaders.append(Leader(deps, f"worker-{number}"))
    for leader in leaders:
        await leader.tick()
    assert expected == await leaders[0]._problems()
