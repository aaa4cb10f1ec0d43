"""What a step writes for readers."""

import msgspec

from marketpulse.contract.records import Excerpt
from marketpulse.contract.units import HOUR_MS, MINUTE_MS
from models.classifier import ModelInfo
from streams.ledger.commit import Ledger
from streams.ledger.types import CutStep, PartitionCut
from streams.pipeline.count.cells import CellLayout
from streams.pipeline.detect.market_state import MarketState
from streams.pipeline.rollup.step import RollUp
from streams.pipeline.rollup.step_record import Spending, StepContext
from streams.pipeline.rollup.step_writes import step_writes
from streams.recovery.fold import Fold

MINUTE = 29_880_007
SAID = Excerpt(1, "quebrado", "negative", "app", MINUTE * MINUTE_MS + 123)
INFO = ModelInfo("m", "0", "cpu", "p", ("negative", "neutral", "positive"), ("app", "price"))


def written() -> Fold:
    """What Redis holds after a step with one excerpt."""
    ledger, rollup = Ledger("redis://127.0.0.1:1/0", "p"), RollUp(CellLayout(INFO.topics), idle_ms=30_000)
    newest = PartitionCut(1, MINUTE * MINUTE_MS, rose_ms=1, seen_ms=1)
    step = CutStep(1, 1_000, {f"BR:{MINUTE}:negative/app": 1}, {}, {0: newest}, {"BR": [SAID]})
    context = StepContext(Spending({}, {}, 2000.0, (0.25, 0.25, 0.25, 0.25)), "m")
    fold = Fold("p:")
    for command in step_writes(ledger, step, rollup, rollup.decide(step, rollup.take(step), context), INFO):
        fold.apply(command)
    return fold


def test_readers_see_the_hour_of_an_excerpt_and_the_state_keeps_its_time() -> None:
    """The exact one would lead to the event in `feedback.classified`, and so to its user's hash."""
    fold = written()
    [read] = msgspec.json.decode(fold.strings["excerpts:BR"], type=list[Excerpt])
    assert ("quebrado", SAID.occurred_at // HOUR_MS * HOUR_MS) == (read.text, read.occurred_at)
    state = msgspec.msgpack.decode(fold.hashes["state"][b"market:BR"], type=MarketState)
    assert [SAID] == state.excerpts


def test_the_model_is_where_the_page_may_read_it() -> None:
    """The page needs its topics to read buckets; the roll-up's state holds what readers may not see."""
    assert INFO == msgspec.json.decode(written().strings["model"], type=ModelInfo)
