"""Which records of a journal are history, and what their writes fold to."""

import random

import pytest

from streams.contract.journal import CheckpointRecord
from streams.ledger.types import Entry
from streams.pipeline.rollup.checkpoint import PART_BYTES, first_part, packed, size_of, unpacked
from streams.recovery.chain import Chain
from streams.recovery.fold import Fold


def chain_of(*records: tuple[int, int] | CheckpointRecord) -> Chain:
    """A chain that took (step, checksum) records and checkpoints, at offsets 0, 1, 2, ..."""
    chain = Chain()
    for offset, record in enumerate(records):
        if isinstance(record, CheckpointRecord):
            chain.take_checkpoint(record, offset)
        else:
            chain.take_step(record[0], offset, record[1])
    return chain


def history(chain: Chain) -> list[tuple[int, int]]:
    return [(place.step, place.offset) for place in chain.steps.values()]


def piece(step: int, part: int, parts: int = 1, cause: str = "hourly", name: str = "a") -> CheckpointRecord:
    return CheckpointRecord(name, step, part, parts, cause)  # type: ignore[arg-type]


def test_repeated_records_change_nothing() -> None:
    """The journal is written at least once."""
    assert [(1, 0), (2, 1), (3, 3)] == history(chain_of((1, 10), (2, 20), (2, 20), (3, 30), (1, 10), (3, 30)))


def test_another_record_of_a_step_undoes_all_later_ones() -> None:
    """A Redis that went back in time writes steps anew: 2 and 3 of before, and the checkpoint of 3, never were."""
    chain = chain_of((1, 10), (2, 20), (3, 30), piece(3, 0, 1), piece(3, 1, 1), (2, 21))
    assert ([(1, 0), (2, 5)], {}, 2) == (history(chain), chain.marks, chain.last)


def test_a_checkpoint_counts_once_all_its_pieces_are_there() -> None:
    """Without its end, or without a piece, it does not."""
    begun = chain_of((1, 10), piece(1, 0, 1))
    holed = chain_of((1, 10), piece(1, 1, 2), piece(1, 2, 2))
    whole = chain_of((1, 10), piece(1, 0, 1), (2, 20), piece(1, 1, 1), (3, 30))
    assert ({}, {}) == (begun.marks, holed.marks)
    stretch = whole.newest_stretch()
    assert stretch is not None
    assert stretch.begins is not None
    assert (1, (1,), [2, 3]) == (stretch.begins.step, stretch.begins.offsets, [one.step for one in stretch.places])


def test_a_rebuilt_ledger_begins_a_stretch_of_its_own() -> None:
    """Steps up to 2 belong to the first one; the ledger was rebuilt as step 5 and goes on with 6."""
    chain = chain_of((1, 10), (2, 20), piece(5, 0, 1, "rebuild"), piece(5, 1, 1, "rebuild"), (6, 60), (7, 70))
    stretches = chain.stretches()
    assert [None, 5] == [one.begins and one.begins.step for one in stretches]
    assert [[1, 2], [6, 7]] == [[place.step for place in one.places] for one in stretches]


def test_a_late_hourly_checkpoint_does_not_take_the_place_of_a_repair() -> None:
    """Of the ledger before, made of the same step, and written after it."""
    repair = [piece(2, part, 1, "rebuild") for part in (0, 1)]
    late = [piece(2, part, 1, name="b") for part in (0, 1)]
    chain = chain_of((1, 10), (2, 20), *repair, *late, (3, 30))
    assert "rebuild" == chain.marks[2].end.cause


def test_a_gap_begins_anew() -> None:
    """What is before a step that is missing cannot be replayed across it."""
    assert [(4, 2)] == history(chain_of((1, 10), (2, 20), (4, 40)))


@pytest.mark.parametrize("seed", range(5))
def test_a_checkpoint_is_cut_into_parts_and_loses_nothing(seed: int) -> None:
    """Entries of any size: no part is larger than allowed unless one value alone is, all rows come back in order."""
    chosen = random.Random(seed)
    sizes = [chosen.choice((10, 1_000, 900_000, PART_BYTES + 5)) for _ in range(12)]
    entries = [Entry(f"k{at}", "hash", [b"f", b"v" * size, b"g", b"w" * 100_000]) for at, size in enumerate(sizes)]
    rest, parts = list(entries), []
    while rest:
        part, rest = first_part(rest)
        parts.append(part)
    fold, whole = Fold(""), Fold("")
    for entry in entries:
        whole.take(entry)
    for part in parts:
        assert size_of(part) <= PART_BYTES or 1 == len(part)
        for entry in unpacked(packed(part)):
            fold.take(entry)
    assert whole.hashes == fold.hashes


def test_writes_fold_to_what_redis_would_hold() -> None:
    """Each command that steps and allocations write; others are refused."""
    fold = Fold("p:")
    for command in (
        ["SET", "p:a", "1"],
        ["SET", "p:a", b"2"],
        ["HSET", "p:h", "x", 1, "y", 2.5],
        ["HDEL", "p:h", "x", "z"],
        ["SADD", "p:s", "BR", "CN"],
        ["RPUSH", "p:l", "1", "2", "3"],
        ["LTRIM", "p:l", -2, -1],
        ["XADD", "p:changes", "*", "step", 1],
    ):
        fold.apply(command)
    assert ({"a": b"2"}, {"h": {b"y": b"2.5"}}) == (fold.strings, fold.hashes)
    assert ({"s": {b"BR", b"CN"}}, {"l": [b"2", b"3"]}) == (fold.sets, fold.lists)
    with pytest.raises(ValueError, match="INCR"):
        fold.apply(["INCR", "p:a"])
