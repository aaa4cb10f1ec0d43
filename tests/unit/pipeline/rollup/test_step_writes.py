"""What a step writes for readers."""

import msgspec
from msgspec.structs import replace

from marketpulse.contract.records import Excerpt
from marketpulse.contract.units import DAY_MS, HOUR_MS, MINUTE_MS
from models.classifier import ModelInfo
from streams.ledger.commit import Ledger
from streams.ledger.types import Command, CutStep, PartitionCut
from streams.pipeline.count.cells import CellLayout
from streams.pipeline.detect.market_state import MarketState
from streams.pipeline.rollup.step import RollUp
from streams.pipeline.rollup.step_record import Spending, StepContext
from streams.pipeline.rollup.step_writes import step_writes
from streams.recovery.fold import Fold

MINUTE = 29_880_007
SAID = Excerpt(1, "quebrado", "negative", "app", MINUTE * MINUTE_MS + 123)
INFO = ModelInfo("m", "0", "cpu", "p", ("negative", "neutral", "positive"), ("app", "price"))


def stepped(rollup: RollUp, number: int, minute: int, market: str, *said: Excerpt) -> list[Command]:
    """What a step with one event of a market writes."""
    newest = PartitionCut(number, minute * MINUTE_MS, rose_ms=1, seen_ms=1)
    counts = {f"{market}:{minute}:negative/app": 1}
    step = CutStep(number, 1_000, counts, {}, {0: newest}, {market: list(said)} if said else {})
    context = StepContext(Spending({}, {}, 2000.0, (0.25, 0.25, 0.25, 0.25)), "m")
    ledger = Ledger("redis://127.0.0.1:1/0", "p")
    return step_writes(ledger, step, rollup, rollup.decide(step, rollup.take(step), context), INFO)


def written() -> Fold:
    """What Redis holds after a step with one excerpt."""
    fold = Fold("p:")
    for command in stepped(RollUp(CellLayout(INFO.topics), idle_ms=30_000), 1, MINUTE, "BR", SAID):
        fold.apply(command)
    return fold


def test_readers_see_the_hour_of_an_excerpt_and_the_state_keeps_its_time() -> None:
    """The exact one would lead to the event in `feedback.classified`, and so to its user's hash."""
    fold = written()
    [read] = msgspec.json.decode(fold.strings["excerpts:BR"], type=list[Excerpt])
    assert ("quebrado", SAID.occurred_at // HOUR_MS * HOUR_MS) == (read.text, read.occurred_at)
    state = msgspec.msgpack.decode(fold.hashes["state"][b"market:BR"], type=MarketState)
    assert [SAID] == state.excerpts


def test_excerpts_of_a_quiet_market_go_when_they_are_eight_days_old() -> None:
    """Each of them, though only another market moves stream time; the newest has the key go by itself as well."""
    rollup, full = RollUp(CellLayout(INFO.topics), idle_ms=30_000), MINUTE // 60 * 60
    first = replace(SAID, occurred_at=full * MINUTE_MS + 1)
    later = replace(SAID, text="ainda", occurred_at=first.occurred_at + 2 * DAY_MS)
    found: dict[int, tuple[list[str], object]] = {}
    for day, market, said in ((0, "BR", [first]), (2, "BR", [later]), (7, "DE", []), (9, "DE", []), (11, "DE", [])):
        writes = stepped(rollup, day + 1, full + day * 24 * 60, market, *said)
        if kept := {command[0]: command[2] for command in writes if command[1] == "p:excerpts:BR"}:
            texts = [one.text for one in msgspec.json.decode(kept["SET"], type=list[Excerpt])]  # type: ignore[arg-type]
            found[day] = texts, kept["EXPIRE"]
    day_s = 86_400
    assert {
        0: (["quebrado"], 8 * day_s),
        2: (["quebrado", "ainda"], 8 * day_s),
        9: (["ainda"], day_s),
        11: ([], 8 * day_s),
    } == found


def test_the_model_is_where_the_page_may_read_it() -> None:
    """The page needs its topics to read buckets; the roll-up's state holds what readers may not see."""
    assert INFO == msgspec.json.decode(written().strings["model"], type=ModelInfo)
