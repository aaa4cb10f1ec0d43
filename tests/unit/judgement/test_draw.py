"""The draw: a fair lottery that anybody with the key repeats, and texts where they tell most."""

import itertools

import numpy as np
import pytest

from streams.judgement.draw import (
    MIN_TEXTS,
    Lottery,
    Ticket,
    begin_of_week,
    inclusion,
    name_of_week,
    order_of_cells,
    smallest,
    spreads_within,
    week_named,
    week_of,
)

KEY = bytes(range(32))
DAY = 86_400_000


def test_a_week_begins_on_monday() -> None:
    """Of UTC; 2026-11-30 is one."""
    monday = 1_795_996_800_000
    assert week_of(monday - 1) + 1 == week_of(monday) == week_of(monday + 7 * DAY - 1) == week_of(monday + 7 * DAY) - 1


def test_a_place_is_of_event_market_week_and_key() -> None:
    """The same for the same, another as soon as one of them differs; ids that UTF-8 cannot hold too."""
    lottery = Lottery(KEY)
    places = {
        lottery.place("BR", 2_970, "a"),
        lottery.place("BR", 2_970, "b"),
        lottery.place("BR", 2_971, "a"),
        lottery.place("DE", 2_970, "a"),
        Lottery(KEY[::-1]).place("BR", 2_970, "a"),
        lottery.place("BR", 2_970, "\ud800"),
    }
    assert 6 == len(places)
    assert Lottery(KEY).place("BR", 2_970, "a") == lottery.place("BR", 2_970, "a")


def test_every_event_is_drawn_as_often_as_any_other() -> None:
    """Over 400 weeks, 10 of 50 events: each about 80 times, and pairs about 16 times."""
    lottery = Lottery(KEY)
    times = np.zeros((50, 50))
    for week in range(400):
        places = [lottery.place("BR", week, f"e{number}") for number in range(50)]
        chosen = np.argsort(places)[:10]
        times[np.ix_(chosen, chosen)] += 1
    alone, pairs = np.diag(times), times[np.triu_indices(50, 1)]
    assert alone.std() == pytest.approx(np.sqrt(400 * 0.2 * 0.8), rel=0.35)
    assert 40 < alone.min() <= alone.max() < 120
    assert pairs.mean() == pytest.approx(400 * 10 * 9 / (50 * 49), rel=0.01)


def test_tickets_merge_in_any_order_and_however_often() -> None:
    """Workers' shares, a replay of one of them, and all at once leave the same tickets."""
    tickets = [((number * 7_919) % 101, f"e{number}") for number in range(60)]
    pieces = [tickets[:25], tickets[20:40], tickets[40:]]
    kept = set()
    for order in itertools.permutations(pieces):
        found: list[Ticket] = []
        for piece in order:
            found = smallest(found, piece, 10)
        kept.add(tuple(smallest(found, tickets[:5], 10)))
    assert {tuple(sorted(tickets)[:10])} == kept


def test_every_beginning_of_the_order_is_the_allocation_of_its_length() -> None:
    """The floor first, then as N S says, never more than there are."""
    counts, spreads = [900, 60, 2_000], [0.3, 0.4, 0.2]
    order = order_of_cells(counts, spreads, 100)
    assert order[:20] == order_of_cells(counts, spreads, 20)
    assert [2, 2, 2] == [order[:6].count(cell) for cell in range(3)]
    assert all(order[:20].count(cell) >= MIN_TEXTS for cell in range(3))
    ideal = np.multiply(counts, spreads) / np.dot(counts, spreads) * 100
    np.testing.assert_allclose([order.count(cell) for cell in range(3)], ideal, atol=2)


def test_small_cells_are_shown_whole() -> None:
    """And cells without events never; known probabilities say so."""
    order = order_of_cells([3, 0, 500], [0.3, 0.3, 0.3], 20)
    assert [3, 0, 17] == [order.count(cell) for cell in range(3)]
    assert [1.0, 0.0, 17 / 500] == inclusion([3, 0, 500], order)
    assert [0, 2, 0] == order_of_cells([2, 0, 1], [0.3, 0.3, 0.3], 20)


def test_no_allocation_has_less_variance() -> None:
    """Against every other split of 20 texts with the same floor."""
    counts, spreads = np.array([300, 200, 700]), np.array([0.35, 0.45, 0.25])

    def variance(sizes: np.ndarray) -> float:
        return float(((counts * spreads) ** 2 / sizes).sum())

    order = order_of_cells(counts.tolist(), spreads.tolist(), 20)
    splits = [(a, b, 20 - a - b) for a in range(4, 13) for b in range(4, 17 - a)]
    best = min(variance(np.array(split)) for split in splits)
    assert best == pytest.approx(variance(np.bincount(order)))


def test_spreads_within_are_those_of_the_labels_behind_an_answer() -> None:
    """A model that is always right leaves none; of an even mixture of all labels it is that of 0, .5, 1."""
    worth = np.array([0, 0.5, 1])
    np.testing.assert_allclose(np.zeros(3), spreads_within(np.eye(3), np.full(3, 1 / 3), worth), atol=1e-9)
    found = spreads_within(np.full((3, 3), 1 / 3), np.full(3, 1 / 3), worth)
    np.testing.assert_allclose(np.full(3, np.sqrt(1 / 6)), found)


def test_weeks_have_their_iso_names() -> None:
    """Also where the ISO year is not that of the Monday; what is no week is refused."""
    monday = 1_795_996_800_000
    week = week_of(monday)
    assert ("2026-W49", week, monday) == (name_of_week(week), week_named("2026-W49"), begin_of_week(week))
    assert "2026-W53" == name_of_week(week_named("2026-W53"))
    assert week_named("2026-W53") + 1 == week_named("2027-W01")
    assert [0, "1970-W01"] == [week_named("1970-W01"), name_of_week(0)]
    for wrong in ("2026-W54", "2026-W00", "2026-48", "2026-W4", "0000-W01", "x"):
        with pytest.raises(ValueError, match=r"."):
            week_named(wrong)
