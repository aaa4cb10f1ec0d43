"""A leader whose setting keeps no excerpts takes quotes out of alerts, with its first step and once."""

from dataclasses import replace

import msgspec

from marketpulse.contract.records import AlertRecord
from marketpulse.contract.wire import encode
from streams.batches import CompactedRecord
from streams.pipeline.rollup.leader import Leader
from streams.pipeline.rollup.rewind import Undone
from streams.worker.deps import Deps
from tests.agents.test_relay import SETTINGS, Stage
from tests.support.alerts import alert

QUOTING = alert("quoting", evidence={"n": 9, "excerpts": ["quebrado"], "words": ["quebrado"]})


async def held(stage: Stage) -> dict[str, dict[str, object]]:
    """Evidence of alerts as readers find them."""
    alerts = await stage.ledger.alerts(stage.ledger.keys.alerts)
    return {name: msgspec.json.decode(content, type=AlertRecord).evidence for name, content in alerts.items()}


async def stepped(deps: Deps, leader: Leader) -> None:
    """One more step, which something forced."""
    deps.mutes.take(CompactedRecord(deps.mutes.next_offset, b"nothing", None))
    assert await leader.tick()


async def test_quotes_go_with_the_first_step() -> None:
    """Those that a Redis from before brings back go with the next leader; where excerpts are kept all stays."""
    stage = Stage()
    await stage.ledger.init("ledger", {0: 0})
    await stage.ledger.redis.hset(stage.ledger.keys.alerts, "quoting", encode(QUOTING))
    keeps = stage.deps()
    first = Leader(keeps, "first")
    await stepped(keeps, first)
    assert {"quoting": QUOTING.evidence} == await held(stage)
    await first.release()
    silent = replace(stage.deps(), settings=SETTINGS.model_copy(update={"excerpts": False}))
    await stepped(silent, Leader(silent, "second"))
    assert {"quoting": {"n": 9}} == await held(stage)


async def test_what_is_taken_back_after_a_rewind_quotes_nobody() -> None:
    """The alerts topic still has the quotes of what the ledger has forgotten."""
    stage = Stage()
    await stage.ledger.init("ledger", {0: 0})

    async def undone(servers: object, prefix: str, seq: int) -> Undone:
        return Undone(1, (QUOTING,))

    silent = replace(stage.deps(), settings=SETTINGS.model_copy(update={"excerpts": False}), find_undone=undone)
    await stepped(silent, Leader(silent, "first"))
    [evidence] = (await held(stage)).values()
    assert {"n", "cause"} == evidence.keys()
