"""Which rows an encoder's teacher sees, and how their texts are changed: balanced, and the same for the same seed."""

import random
from collections import Counter

import pytest

from models.encoder.augment import augmented, changed_case, other_emoji, slipped, without_accents
from models.encoder.sampling import balanced_rows, epoch_rows, equal_shares

TEXTS = ["Der Akku ist großartig, Ärger gibt es keinen", "¡Qué canción tan rápida!", "电池一小时就没电了",
         "बैटरी खत्म हो गई", "love it 😍😍", "👍", "", "الشحن بطيء جدا", "Доставка опоздала на неделю"]  # fmt: skip


def test_small_cells_give_all_they_have_and_large_ones_the_same() -> None:
    """And all together give what was asked for, or all there is."""
    counts = {"large": 1_000, "small": 10, "middle": 100, "other": 500}
    assert {"small": 10, "middle": 100, "other": 245, "large": 245} == equal_shares(counts, 600)
    assert counts == equal_shares(counts, 5_000)
    assert 601 == sum(equal_shares(counts, 601).values())
    assert {"a": 0, "b": 0} == equal_shares({"a": 3, "b": 4}, 0)


def test_a_balanced_draw_is_the_same_for_the_same_seed() -> None:
    """Ascending, none twice, each cell with its share."""
    cells = ["a"] * 90 + ["b"] * 10
    drawn = balanced_rows(cells, 30, seed=1)
    assert drawn.tolist() == sorted(set(drawn.tolist()))
    assert {"a": 20, "b": 10} == Counter(cells[row] for row in drawn)
    assert drawn.tolist() == balanced_rows(cells, 30, seed=1).tolist() != balanced_rows(cells, 30, seed=2).tolist()


@pytest.mark.parametrize(("balance", "shares"), [(0, (900, 100)), (1, (500, 500)), (0.5, (750, 250))])
def test_an_epoch_balances_cells_by_its_exponent(balance: float, shares: tuple[int, int]) -> None:
    """Rows of the small cell come again, all equally often up to one; 0 leaves every row once."""
    cells = ["large"] * 900 + ["small"] * 100
    drawn = epoch_rows(cells, balance, seed=3)
    found = Counter(cells[row] for row in drawn)
    assert shares == (found["large"], found["small"])
    times = Counter(row for row in drawn.tolist() if row >= 900)
    assert max(times.values()) - min(times.values()) <= 1


def test_every_change_is_the_same_for_the_same_seed() -> None:
    """A training that goes on sees what one that was not cut would have seen."""
    first, second = ([augmented(text, random.Random(seed)) for seed in range(40) for text in TEXTS] for _ in "ab")
    assert first == second
    assert len({*first}) > 4 * len(TEXTS)


def test_no_change_empties_a_text_or_breaks_its_script() -> None:
    """Chinese, Devanagari and Arabic stay whole; what is only an emoji keeps it."""
    for seed in range(40):
        for text in ("电池一小时就没电了", "बैटरी खत्म हो गई", "الشحن بطيء جدا", ""):
            assert text == augmented(text, random.Random(seed))
        assert "👍" in augmented("👍", random.Random(seed))


def test_each_kind_of_change() -> None:
    """By hand: case, a slip within a word, emoji away or doubled, accents of Latin letters only."""
    rngs = [random.Random(seed) for seed in range(20)]
    assert {"good app", "GOOD APP"} == {changed_case("Good app", rng) for rng in rngs}
    slips = {slipped("late", rng) for rng in rngs}
    assert slips <= {"ltae", "laet", "lte", "lae", "laate", "latte"} | {"late"}
    assert "ltae" in slips
    assert {"love it", "love it 😍😍"} == {other_emoji("love it 😍", rng) for rng in rngs}
    assert "Que cancion, Arger, й и हो" == without_accents("Qué canción, Ärger, й и हो", rngs[0])
