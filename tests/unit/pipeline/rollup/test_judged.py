"""Labels of people in a step: they move u_corrected of their market, and the journal alone gives the same."""

import msgspec
import numpy as np

from marketpulse.contract.metrics import Estimate
from marketpulse.contract.wire import encode
from streams.contract.journal import JudgedWeek, StepRecord
from streams.judgement.confusion import Confusion
from streams.judgement.draw import week_of
from streams.ledger.types import CutStep, PartitionCut
from streams.pipeline.count.cells import CellLayout
from streams.pipeline.rollup.judged import Weeks, judged_changes
from streams.pipeline.rollup.step import RollUp, StepOutcome
from streams.pipeline.rollup.step_record import Spending, StepContext, cut_of

LAYOUT = CellLayout(("app",), languages=("pt",))
EACH = [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]]
MEASURED = Confusion(np.array([EACH] * len(LAYOUT.languages)), np.full((len(LAYOUT.languages), 3), np.inf))
MINUTE = 29_880_000
WEEK = week_of(MINUTE * 60_000)
CONTEXT = StepContext(Spending({}, {}, 2000.0, (0.25, 0.25, 0.25, 0.25)), "m@0123")
TOO_KIND = JudgedWeek(WEEK - 1, "m", (100, 100, 100), {"pt": ((40, 40, 40), (0, 0, 0), (0, 0, 0))})
"""A model whose every answer was negative to people."""


def cut(number: int) -> CutStep:
    """A minute of two markets, 30 events of each label."""
    counts = {
        f"{market}:{MINUTE + number}:{label}{cell}": 30
        for market in ("BR", "DE")
        for label in ("negative", "neutral", "positive")
        for cell in ("/app", "@pt")
    }
    at_ms = (MINUTE + number) * 60_000
    return CutStep(number, at_ms, counts, {}, {0: PartitionCut(number, at_ms, rose_ms=at_ms, seen_ms=at_ms)})


class Player:
    """A roll-up, and how it is given what people labelled."""

    def __init__(self, measured: bool = True) -> None:
        self.rollup = RollUp(LAYOUT, 30_000, MEASURED if measured else None)

    def live(self, number: int, weeks: Weeks) -> StepOutcome:
        """As the leader does a step, with all weeks that there are."""
        step = cut(number)
        changed = self.rollup.take(step)
        judged = judged_changes(self.rollup.markets, weeks)
        context = StepContext(CONTEXT.spending, CONTEXT.model, labels=number, judged=judged)
        return self.rollup.decide(step, changed, context)

    def again(self, record: StepRecord) -> StepOutcome:
        """As a replay does it, from the journal."""
        changed = self.rollup.take(cut_of(record), record)
        context = StepContext(CONTEXT.spending, record.model, labels=record.labels, judged=record.judged)
        return self.rollup.decide(cut_of(record), changed, context)


def corrected(outcome: StepOutcome, market: str = "BR") -> Estimate:
    found = outcome.metrics[market].windows["24h"].u_corrected
    assert found is not None
    return found


def test_labels_move_u_corrected_of_their_market() -> None:
    """Down where people were less kind than the model, with a wider interval; another market's stays."""
    without, given = Player().live(1, {}), Player().live(1, {"BR": (TOO_KIND,)})
    assert corrected(given).value < corrected(without).value - 0.05
    assert corrected(given).se > corrected(without).se
    assert corrected(given, "DE") == corrected(without, "DE")


def test_labels_that_say_nothing_of_the_model_change_nothing() -> None:
    """Of another model, of a week to come; and where the model's confusion was never measured."""
    without = corrected(Player().live(1, {}))
    for other in (msgspec.structs.replace(TOO_KIND, model="n"), msgspec.structs.replace(TOO_KIND, week=WEEK + 2)):
        assert without == corrected(Player().live(1, {"BR": (other,)}))
    assert Player(measured=False).live(1, {"BR": (TOO_KIND,)}).metrics["BR"].windows["24h"].u_corrected is None


def test_the_journal_carries_labels_where_they_change() -> None:
    """Once, and an empty list where they were taken back; replayed, every step has the same outcome."""
    live, later = Player(), Player()
    kept: Weeks = {"BR": (TOO_KIND,)}
    given: list[Weeks] = [{}, kept, kept, kept | {"FR": (TOO_KIND,)}, {}]
    outcomes = [live.live(number, weeks) for number, weeks in enumerate(given, start=1)]
    records = [msgspec.json.decode(encode(outcome.journal), type=StepRecord) for outcome in outcomes]
    assert [{}, kept, {}, {}, {"BR": ()}] == [record.judged for record in records]
    assert [1, 2, 3, 4, 5] == [record.labels for record in records]
    assert [outcome.metrics for outcome in outcomes] == [later.again(record).metrics for record in records]
    assert corrected(outcomes[1]).value < corrected(outcomes[0]).value - 0.05
    assert corrected(outcomes[4]).value > corrected(outcomes[3]).value + 0.05


def test_a_market_that_was_judged_is_published() -> None:
    """Though nothing new came in it: readers and its topic see the corrected u at once."""
    player = Player()
    player.live(1, {})
    step = CutStep(2, 2, {}, {}, {})
    changed = player.rollup.take(step)
    judged = judged_changes(player.rollup.markets, {"BR": (TOO_KIND,)})
    outcome = player.rollup.decide(step, changed, StepContext(CONTEXT.spending, CONTEXT.model, judged=judged))
    assert ([], ["BR"], True) == (changed, outcome.changed_markets, "BR" in outcome.written_markets)
