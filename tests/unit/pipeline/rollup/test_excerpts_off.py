"""Steps that quote nobody: what was kept before goes, nothing comes, and the journal says so."""

from dataclasses import replace
from typing import Any

import msgspec

from marketpulse.contract.records import AlertRecord, Excerpt
from marketpulse.contract.wire import encode
from marketpulse.contract.words import WRITTEN_BY_USERS
from models.classifier import ModelInfo
from streams.contract.journal import StepRecord
from streams.ledger.commit import Ledger
from streams.ledger.keys import Keys
from streams.ledger.types import CutStep
from streams.pipeline.rollup.step import RollUp, StepOutcome
from streams.pipeline.rollup.step_record import cut_of
from streams.pipeline.rollup.step_writes import step_writes, unquoting_writes
from streams.privacy.excerpt_order import ExcerptOrder
from streams.recovery.fold import Fold
from tests.support.alerts import alert
from tests.unit.pipeline.rollup.test_rollup import CONTEXT, LAYOUT, START, feed, steps

INFO = ModelInfo("m", "0", "cpu", "p", ("negative", "neutral", "positive"), ("app", "price"))
SILENT = replace(CONTEXT, quotes=False)
ORDER = ExcerptOrder(b"key")


def complained(user: int, minute: int) -> Excerpt:
    return Excerpt(ORDER.of("BR", str(user), 0, minute, True), "quebrado", "negative", "app", (START + minute) * 60_000)


def speaking() -> list[CutStep]:
    """Steps of 20 minutes with an excerpt for every minute; from the 16th on most of what is written is bad."""
    return [
        replace(step, excerpts={"BR": [complained(minute, minute) for minute in range(20 * number, 20 * number + 20)]})
        for number, step in enumerate(steps(feed(1, 400), [20]))
    ]


class Played:
    """A roll-up, what its steps came to, and what Redis holds after them."""

    def __init__(self) -> None:
        self.rollup, self.fold, self.outcomes = RollUp(LAYOUT, idle_ms=30_000), Fold("p:"), list[StepOutcome]()

    def step(self, step: CutStep, quotes: bool, record: StepRecord | None = None) -> None:
        outcome = self.rollup.decide(step, self.rollup.take(step, record), CONTEXT if quotes else SILENT)
        for command in step_writes(Ledger("redis://127.0.0.1:1/0", "p"), step, self.rollup, outcome, INFO):
            self.fold.apply(command)
        self.outcomes.append(outcome)

    @property
    def excerpts(self) -> tuple[int, int]:
        """How many readers see, how many the state holds."""
        return len(msgspec.json.decode(self.fold.strings["excerpts:BR"])), len(self.rollup.markets["BR"].excerpts)

    @property
    def quotes(self) -> list[object]:
        """What users wrote in alerts."""
        evidence: list[dict[str, Any]] = [one.evidence for outcome in self.outcomes for one in outcome.alerts]
        return [one[name] for one in evidence for name in WRITTEN_BY_USERS if one.get(name)]


def played(quoting: int) -> Played:
    """That many steps with excerpts, the others without."""
    found = Played()
    for number, step in enumerate(speaking()):
        found.step(step, quoting > number)
    return found


def test_what_was_kept_goes_with_the_first_step_and_nobody_is_quoted() -> None:
    """Though workers that keep excerpts still count into the steps: not state, table, alert or journal has them."""
    assert played(20).quotes
    silent = played(15)
    assert ((0, 0), []) == (silent.excerpts, silent.quotes)
    assert {"surge"} <= {one.kind for outcome in silent.outcomes for one in outcome.alerts}
    records = [outcome.journal for outcome in silent.outcomes]
    assert [number < 15 for number in range(20)] == [record.quotes for record in records]
    assert [number < 15 for number in range(20)] == [bool(record.excerpts) for record in records]


def test_it_begins_with_nothing_where_it_is_turned_on_again() -> None:
    """Only what is written from then on."""
    one = Played()
    for step, quotes in zip(speaking()[:3], (True, False, True), strict=True):
        one.step(step, quotes)
    assert (20, 20) == one.excerpts


def test_the_journal_replayed_comes_to_the_same() -> None:
    """Byte for byte, by the records alone."""
    live, replayed = played(15), Played()
    for outcome in live.outcomes:
        record = msgspec.json.decode(encode(outcome.journal), type=StepRecord)
        replayed.step(cut_of(record), record.quotes, record)
    assert live.rollup.common.digest == replayed.rollup.common.digest
    assert (live.fold.strings, live.fold.hashes) == (replayed.fold.strings, replayed.fold.hashes)


def test_alerts_that_readers_see_lose_what_users_wrote() -> None:
    """Nothing else of them, and those without are not written."""
    quoting = alert("quoting", evidence={"n": 9, "excerpts": ["quebrado"], "words": ["quebrado"], "topics": []})
    [[_, key, name, content]] = unquoting_writes(Keys("p"), [encode(quoting), encode(alert("plain"))])
    assert ("p:alerts", "quoting") == (key, name)
    left = msgspec.json.decode(content, type=AlertRecord)  # type: ignore[arg-type]
    assert msgspec.structs.replace(quoting, evidence={"n": 9, "topics": []}) == left
