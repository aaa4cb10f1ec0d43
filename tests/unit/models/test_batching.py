"""Laws of batch planning."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.batching import plan_batches

LENGTHS = st.lists(st.integers(1, 96), max_size=200)


@given(LENGTHS, st.integers(1, 500), st.integers(1, 50))
def test_every_row_is_in_exactly_one_batch(lengths: list[int], max_tokens: int, max_rows: int) -> None:
    """Batches are a partition of the rows."""
    batches = plan_batches(lengths, max_tokens, max_rows)
    rows = np.concatenate(batches).tolist() if batches else []
    assert list(range(len(lengths))) == sorted(rows)


@given(LENGTHS, st.integers(1, 500), st.integers(1, 50))
def test_bounds_hold(lengths: list[int], max_tokens: int, max_rows: int) -> None:
    """No batch breaks a bound, save a single row that is too long by itself."""
    for rows in plan_batches(lengths, max_tokens, max_rows):
        padded = len(rows) * max(lengths[row] for row in rows)
        assert len(rows) <= max_rows
        assert padded <= max_tokens or len(rows) == 1


@given(LENGTHS, st.integers(1, 500), st.integers(1, 50))
def test_lengths_never_fall(lengths: list[int], max_tokens: int, max_rows: int) -> None:
    """Rows come shortest first, so that little is padded."""
    ordered = [lengths[row] for rows in plan_batches(lengths, max_tokens, max_rows) for row in rows]
    assert sorted(lengths) == ordered


@given(LENGTHS, st.integers(1, 500), st.integers(1, 50))
def test_batches_are_full(lengths: list[int], max_tokens: int, max_rows: int) -> None:
    """The first row of a batch would not have fitted into the one before."""
    batches = plan_batches(lengths, max_tokens, max_rows)
    for earlier, later in itertools.pairwise(batches):
        rows = len(earlier) + 1
        assert rows > max_rows or rows * lengths[later[0]] > max_tokens
