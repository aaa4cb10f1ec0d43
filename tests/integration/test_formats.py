"""A ledger and a journal that version 0.1 wrote: taken up where it left them.

`tests/data/format1.json` holds every key of a Redis after two commits, a published step, a step that was cut and not
published, and one more commit; and the step's record of `market.steps`. It is kept as it is.
"""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from models.stub import StubClassifier
from streams.dev.embedded.servers import EmbeddedStack
from streams.errors import LedgerNewer
from streams.ledger.commit import Ledger
from streams.ledger.types import CutStep
from streams.pipeline.count.cells import CellLayout
from streams.pipeline.rollup.step import RollUp
from streams.pipeline.rollup.step_record import cut_of
from streams.pipeline.rollup.step_writes import load_rollup
from streams.recovery.journal import step_of

WRITTEN = json.loads((Path(__file__).parents[1] / "data" / "format1.json").read_text("utf-8"))
WRITES = {"string": "SET", "hash": "HSET", "list": "RPUSH", "set": "SADD", "stream": "XADD"}
[STEP] = [base64.b64decode(one) for one in WRITTEN["journal"]]


@pytest.fixture
async def ledger(stack: EmbeddedStack, prefix: str) -> AsyncIterator[Ledger]:
    """A Redis as the version of before left it."""
    one = Ledger(stack.endpoints.redis, prefix)
    for name, (kind, rows) in WRITTEN["redis"].items():
        for row in rows if kind == "stream" else [rows]:
            values = [base64.b64decode(value) for value in row]
            first = ["*"] if kind == "stream" else []
            await one.redis.execute_command(WRITES[kind], f"{prefix}:{name}", *first, *values)
    yield one
    await one.close()


async def test_a_claim_migrates_it_and_goes_on_at_the_same_offset(ledger: Ledger) -> None:
    """What format 1 kept of the time of a commit stands in for what was read; nothing is known of a last offset."""
    before = await ledger.redis.hgetall(ledger.keys.partition(0))
    claim = await ledger.claim(0)
    assert (37, 4_711, None) == (claim.next, claim.mark.last_checksum, claim.mark.last_offset)
    assert {int(before[b"committed_at"])} == {claim.mark.rose_ms, claim.mark.seen_ms}
    assert b"2" == await ledger.redis.hget(ledger.keys.ledger, "format")
    assert 15 == (await ledger.claim(1)).next


async def test_the_step_that_was_cut_is_published_and_the_next_goes_on(ledger: Ledger) -> None:
    """The roll-up's state of before is read, the cut comes again, and no event is lost between the two."""
    rollup = RollUp(CellLayout(StubClassifier().info.topics), idle_ms=30_000)
    assert ["BR", "DE"] == load_rollup(rollup, await ledger.load_state())
    lease = await ledger.lease("new", 60_000)
    assert lease is not None
    cut = await ledger.cut(lease, True, {0: 37, 1: 15})
    assert isinstance(cut, CutStep)
    assert (2, 34, 15, None) == (cut.number, cut.partitions[0].next, cut.partitions[1].next, cut.partitions[0].end)
    assert cut.partitions[0].seen_ms == cut.partitions[0].rose_ms
    assert {"BR", "DE"} == set(rollup.take(cut))
    await ledger.merge_users(cut, rollup.common.stream_time_ms)
    assert "OK" == await ledger.publish(lease, cut, [])
    following = await ledger.cut(lease, False, {0: 37, 1: 15})
    assert isinstance(following, CutStep)
    assert (3, 37, lease.now_ms) == (following.number, following.partitions[0].next, following.partitions[0].seen_ms)


def test_a_step_of_before_is_read_from_the_journal() -> None:
    """Without what it did not know of."""
    step = cut_of(step_of(STEP, 0))
    assert (1, 30, 0) == (step.number, step.partitions[0].next, step.partitions[0].began)
    assert step.partitions[0].rose_ms == step.partitions[0].seen_ms is not None
    assert step.partitions[0].end is None


def test_a_record_of_a_newer_version_is_refused_in_words() -> None:
    """Nobody guesses what it means."""
    newer = json.dumps(json.loads(STEP) | {"format": 3}).encode()
    with pytest.raises(LedgerNewer, match=r"offset 7 has format 3, .* Operator action: run that version"):
        step_of(newer, 7)
