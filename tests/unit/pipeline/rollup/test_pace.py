"""The bound of a step is what half a lease was measured to take."""

from streams.pipeline.rollup.pace import LEAST_CELLS, Pace


def test_the_bound_is_what_half_a_lease_takes() -> None:
    """Cells a second, smoothed; small steps say nothing."""
    pace = Pace(lease_s=5.0)
    pace.took(10, 3.0)
    assert pace.most_cells is None
    assert [] == pace.writes("key")
    pace.took(100_000, 2.0)
    assert 125_000 == pace.most_cells
    assert [["HSET", "key", "open_cells", 125_000]] == pace.writes("key")
    pace.took(100_000, 10.0)
    assert 95_000 == pace.most_cells


def test_a_slow_machine_is_left_enough_for_a_step() -> None:
    """The floor."""
    pace = Pace(lease_s=5.0)
    pace.took(3_000, 60.0)
    assert LEAST_CELLS == pace.most_cells
