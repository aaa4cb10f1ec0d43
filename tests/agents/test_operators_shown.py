"""What operators published is written into Redis where it changed, and again after Redis went back."""

import copy
from typing import Any

import pytest

from marketpulse.contract.mutes import mutes_of
from marketpulse.contract.operators import MuteRecord
from marketpulse.contract.wire import encode
from streams.batches import CompactedRecord
from streams.ledger.commit import Ledger
from streams.pipeline.rollup.leader import Leader
from streams.worker.deps import Deps
from tests.agents.test_relay import Stage

NOW_MS = 1_700_000_000_000
TABLES = ["p:mutes", "p:portfolio"]


class Watched:
    """A leader, and which tables of operators each of its steps wrote."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stage = Stage()
        self.deps: Deps = self.stage.deps()
        self.leader = Leader(self.deps, "first")
        self.lost = 0
        self._written: list[str] = []
        publish = Ledger.publish

        async def watched(ledger: Ledger, lease: Any, step: Any, writes: Any) -> str:
            self._written += [key for name, key, *_ in writes if name == "SET" and key in TABLES]
            if self.lost:
                self.lost -= 1
                return "FENCED"
            return await publish(ledger, lease, step, writes)

        monkeypatch.setattr(Ledger, "publish", watched)

    def mute(self, name: str, until: int = NOW_MS + 1_000) -> None:
        """A silence comes."""
        value, offset = encode(MuteRecord(name, until, NOW_MS)), self.deps.mutes.next_offset
        self.deps.mutes.take(CompactedRecord(offset, name.encode(), value, timestamp_ms=NOW_MS))

    async def step(self) -> list[str]:
        """Publish a step that something forced; the tables it wrote."""
        self._written = []
        self.deps.mutes.take(CompactedRecord(self.deps.mutes.next_offset, b"nothing", None))
        await self.leader.tick()
        return sorted(self._written)

    async def held(self) -> list[str]:
        """Silences as readers find them."""
        return [mute.id for mute in mutes_of(await self.stage.ledger.get("p:mutes") or b"[]")]


async def test_a_table_that_did_not_change_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first step writes both; a silence writes its own."""
    watched = Watched(monkeypatch)
    await watched.stage.ledger.init("ledger", {0: 0})
    assert TABLES == await watched.step()
    assert [] == await watched.step()
    watched.mute("m")
    assert ["p:mutes"] == await watched.step()
    assert [] == await watched.step()
    assert ["m"] == await watched.held()


async def test_a_step_that_is_repeated_writes_them_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a refused step would have written is not taken for written."""
    watched = Watched(monkeypatch)
    await watched.stage.ledger.init("ledger", {0: 0})
    await watched.step()
    watched.mute("m")
    watched.lost = 1
    assert ["p:mutes"] == await watched.step()
    assert [] == await watched.held()
    assert TABLES == await watched.step()
    assert ["m"] == await watched.held()


async def test_a_redis_that_went_back_gets_them_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though nothing changed since the step that it lost."""
    watched = Watched(monkeypatch)
    store = watched.stage.store
    await watched.stage.ledger.init("ledger", {0: 0})
    await watched.step()
    before = copy.deepcopy(store.keys)
    watched.mute("m")
    await watched.step()
    store.keys = before
    assert [] == await watched.held()
    assert TABLES == await watched.step()
    assert ["m"] == await watched.held()
