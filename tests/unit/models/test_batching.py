"""Laws of batch planning."""

import itertools
from collections.abc import Iterable, Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.batching import MOST_PRICED, plan_batches

LENGTHS = st.lists(st.integers(1, 96), max_size=200)


PRICES = st.none() | st.integers(0, 100)


@given(LENGTHS, st.integers(1, 500), st.integers(1, 50), PRICES)
def test_every_row_is_in_exactly_one_batch(
    lengths: list[int], max_tokens: int, max_rows: int, price: int | None
) -> None:
    """Batches are a partition of the rows."""
    batches = plan_batches(lengths, max_tokens, max_rows, price)
    rows = np.concatenate(batches).tolist() if batches else []
    assert list(range(len(lengths))) == sorted(rows)


@given(LENGTHS, st.integers(1, 500), st.integers(1, 50), PRICES)
def test_bounds_hold(lengths: list[int], max_tokens: int, max_rows: int, price: int | None) -> None:
    """No batch breaks a bound, save a single row that is too long by itself."""
    for rows in plan_batches(lengths, max_tokens, max_rows, price):
        padded = len(rows) * max(lengths[row] for row in rows)
        assert len(rows) <= max_rows
        assert padded <= max_tokens or len(rows) == 1


@given(LENGTHS, st.integers(1, 500), st.integers(1, 50), PRICES)
def test_lengths_never_fall(lengths: list[int], max_tokens: int, max_rows: int, price: int | None) -> None:
    """Rows come shortest first, so that little is padded."""
    ordered = [lengths[row] for rows in plan_batches(lengths, max_tokens, max_rows, price) for row in rows]
    assert sorted(lengths) == ordered


@given(LENGTHS, st.integers(1, 500), st.integers(1, 50))
def test_batches_are_full(lengths: list[int], max_tokens: int, max_rows: int) -> None:
    """The first row of a batch would not have fitted into the one before."""
    batches = plan_batches(lengths, max_tokens, max_rows)
    for earlier, later in itertools.pairwise(batches):
        rows = len(earlier) + 1
        assert rows > max_rows or rows * lengths[later[0]] > max_tokens


def cost(lengths: list[int], batches: Iterable[Sequence[int]], price: int) -> int:
    """Padded tokens, and what the runs cost."""
    return sum(len(rows) * max(lengths[row] for row in rows) + price for rows in batches)


@given(
    st.lists(st.integers(1, 96), min_size=1, max_size=9), st.integers(1, 300), st.integers(1, 5), st.integers(0, 100)
)
def test_a_priced_plan_is_the_cheapest_of_all(lengths: list[int], max_tokens: int, max_rows: int, price: int) -> None:
    """Of every way to cut the sorted rows that keeps the bounds."""
    rows = sorted(range(len(lengths)), key=lengths.__getitem__)
    allowed = []
    for cuts in itertools.product((False, True), repeat=len(rows) - 1):
        ends = [at for at, cut in enumerate(cuts, start=1) if cut] + [len(rows)]
        batches = [rows[begin:end] for begin, end in itertools.pairwise([0, *ends])]
        sizes = [(len(one), len(one) * lengths[one[-1]]) for one in batches]
        if all(count == 1 or (count <= max_rows and padded <= max_tokens) for count, padded in sizes):
            allowed.append(cost(lengths, batches, price))
    assert min(allowed) == cost(lengths, map(list, plan_batches(lengths, max_tokens, max_rows, price)), price)


def test_many_rows_are_not_priced() -> None:
    """Where nearly all batches are full, planning would cost as much as it saves."""
    lengths = [1 + row % 96 for row in range(MOST_PRICED + 1)]
    priced, full = (plan_batches(lengths, 2_048, 256, price) for price in (25, None))
    assert [one.tolist() for one in full] == [one.tolist() for one in priced]
