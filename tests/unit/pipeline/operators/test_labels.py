"""Answers of people: the newest about an event counts; sums per market-week and model."""

from msgspec.structs import replace

from marketpulse.contract.operators import LabelRecord, key_of_label
from marketpulse.contract.wire import encode
from streams.batches import CompactedRecord
from streams.contract.journal import JudgedWeek
from streams.pipeline.operators.labels import Labels

ONE = LabelRecord("p.feedback-0-1", "BR", 2_969, "neutral", "negative", 0.4, "m", (10, 20, 30), 1, "pt")
NONE = (0, 0, 0)


def taken(*labels: LabelRecord | tuple[str, None], most: int = 100) -> tuple[Labels, list[tuple[str, int]]]:
    """What these records, in this order, leave, and what was refused; a name and None = a tombstone of that event."""
    refused: list[tuple[str, int]] = []
    held = Labels(lambda code, offset, _: refused.append((code, offset)), most)
    for offset, label in enumerate(labels):
        if isinstance(label, tuple):
            held.take(CompactedRecord(offset, key_of_label("BR", label[0]).encode(), None))
        else:
            held.take(CompactedRecord(offset, key_of_label(label.market, label.id).encode(), encode(label)))
    return held, refused


def test_sums_are_by_week_model_and_language() -> None:
    """Rows are what people answered, columns what the model did; the newest record's counts of the week hold."""
    held, refused = taken(
        ONE,
        replace(ONE, id="p.feedback-0-2", label="neutral", counts=(11, 21, 31)),
        replace(ONE, id="p.feedback-0-3", label="unclear", counts=(99, 99, 99)),
        replace(ONE, id="p.feedback-0-4", language=""),
        replace(ONE, id="p.feedback-0-5", model="n", counts=(1, 2, 3)),
        replace(ONE, id="p.feedback-0-6", market="DE", week=2_968, predicted="positive", label="positive"),
    )
    assert [] == refused
    assert {
        "BR": (
            JudgedWeek(2_969, "m", (10, 20, 30), {"": ((0, 1, 0), NONE, NONE), "pt": ((0, 1, 0), (0, 1, 0), NONE)}),
            JudgedWeek(2_969, "n", (1, 2, 3), {"pt": ((0, 1, 0), NONE, NONE)}),
        ),
        "DE": (JudgedWeek(2_968, "m", (10, 20, 30), {"pt": (NONE, NONE, (0, 0, 1))}),),
    } == held.weeks()
    assert {"p.feedback-0-6"} == held.of_week("DE", 2_968).keys()


def test_the_newest_answer_about_an_event_counts() -> None:
    """A tombstone takes it back; a record read again, or one that breaks the contract, changes nothing."""
    held, refused = taken(ONE, replace(ONE, label="positive"), replace(ONE, market="XX"))
    before = held.weeks()
    assert (NONE, NONE, (0, 1, 0)) == before["BR"][0].labels["pt"]
    held.take(CompactedRecord(0, key_of_label("BR", ONE.id).encode(), encode(ONE)))
    assert ([("bad_label", 2)], before, 3) == (refused, held.weeks(), held.next_offset)
    assert {} == taken(ONE, (ONE.id, None))[0].weeks()


def test_old_weeks_make_room() -> None:
    """Whoever writes too many answers pushes out those that tell least, once reported."""
    rows = [replace(ONE, id=f"p.feedback-0-{number}", week=number) for number in range(60)]
    held, refused = taken(*rows, most=40)
    assert [("labels_full", 40)] == refused
    kept = [week.week for week in held.weeks()["BR"]]
    assert 37 <= len(kept) <= 40
    assert kept == list(range(60 - len(kept), 60))


def test_offsets_that_cannot_be_read_are_passed() -> None:
    """All of the stretch."""
    held = Labels()
    held.take(CompactedRecord(3, None, None, last_offset=9, unreadable="damaged"))
    assert (10, {}) == (held.next_offset, held.weeks())
