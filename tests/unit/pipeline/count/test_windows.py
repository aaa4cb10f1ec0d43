"""Windows as laws: sums equal brute force, order does not matter, what is stored restores."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from marketpulse.contract.metrics import WINDOWS
from streams.pipeline.count.cells import CellLayout
from streams.pipeline.count.windows import Windows, first_bucket

LAYOUT = CellLayout(("price", "app"))
NOW = 30_000_000  # a minute
DELTAS = st.lists(st.tuples(st.sampled_from(["BR", "CN"]), st.integers(0, 12_000), st.integers(1, 9)), max_size=30)


def filled(deltas: list[tuple[str, int, int]]) -> Windows:
    windows = Windows(LAYOUT)
    for market, age, n in deltas:
        windows.add(market, NOW - age, np.full(LAYOUT.size, n, np.int64), NOW)
    return windows


@given(DELTAS)
def test_window_sums_equal_brute_force(deltas: list[tuple[str, int, int]]) -> None:
    """
    5m  |----minutes----|     a window is the sum of its whole buckets and the current one
    24h |------------hours------------|
    """
    windows = filled(deltas)
    for name, (unit, _) in WINDOWS.items():
        first = first_bucket(name, NOW)
        size = 1 if unit == "minute" else 60
        expected = sum(n for market, age, n in deltas if market == "BR" and (NOW - age) // size >= first)
        assert expected == windows.window("BR", name, NOW)[0]


def test_minutes_are_kept_three_hours_and_hours_eight_days() -> None:
    """What is older is not taken in, and is forgotten as stream time moves; what no hour holds is counted so."""
    windows = filled([("BR", age, 1) for age in (0, 179, 180, 8 * 1_440 - 60, 8 * 1_440)])
    one = LAYOUT.read(np.ones(LAYOUT.size, np.int64)).n
    kept = windows.between_minutes("BR", 0, NOW + 1)[0], windows.between_hours("BR", 0, NOW // 60 + 1)[0]
    assert (2, 4, one) == (*kept, windows.dropped_late)
    windows.advance(NOW + 1)
    assert 1 == windows.between_minutes("BR", 0, NOW + 1)[0]


@given(DELTAS, st.randoms(use_true_random=False))
def test_the_order_of_deltas_changes_nothing(deltas: list[tuple[str, int, int]], random: object) -> None:
    """Late or early, an event lands in the same buckets."""
    shuffled = list(deltas)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, two = filled(deltas), filled(shuffled)
    for market in one.markets:
        for name in WINDOWS:
            assert one.window(market, name, NOW).tolist() == two.window(market, name, NOW).tolist()


@given(DELTAS)
def test_stored_changes_restore_the_windows(deltas: list[tuple[str, int, int]]) -> None:
    """What `take_changes` gives, `load` takes."""
    windows, restored = filled(deltas), Windows(LAYOUT)
    changed, _ = windows.take_changes()
    for market in windows.markets:
        restored.load(market, changed.get((market, "minute"), {}), changed.get((market, "hour"), {}))
        for name in WINDOWS:
            assert windows.window(market, name, NOW).tolist() == restored.window(market, name, NOW).tolist()


def test_old_buckets_are_forgotten_and_reported() -> None:
    """Memory is bounded by what windows reach; the store is told what to remove."""
    windows = filled([("BR", 0, 1)])
    windows.take_changes()
    windows.advance(NOW + 9 * 24 * 60)
    _, removed = windows.take_changes()
    assert {("BR", "minute"): [NOW], ("BR", "hour"): [NOW // 60]} == removed
    assert 0 == windows.window("BR", "7d", NOW)[0]


def test_what_is_too_late_for_any_window_is_counted() -> None:
    """An event beyond the kept hours changes no sum and is not silently lost."""
    windows = Windows(LAYOUT)
    cells = LAYOUT.zeros()
    cells[LAYOUT.index("negative/app")] = 3
    windows.add("BR", NOW - 60 * 24 * 9, cells, NOW)
    assert (3, 0) == (windows.dropped_late, int(windows.window("BR", "7d", NOW).sum()))


def test_a_bucket_of_before_is_read_with_nothing_unmeasured() -> None:
    """Its cells are where they were; what an older version did not count is 0. Another model's bucket is as it is."""
    layout = CellLayout(("price", "app"), languages=("pt",))
    assert layout.names[-3:] == tuple(f"{label}@unmeasured" for label in layout.sentiments)
    before = np.arange(1, layout.size - 2)
    windows = Windows(layout)
    windows.load("BR", {NOW: before.tobytes()}, {NOW // 60: before.tobytes()})
    windows.add("BR", NOW, layout.zeros(), NOW)
    for rows in windows.take_changes()[0].values():
        assert [[*before, 0, 0, 0]] == [np.frombuffer(row, np.int64).tolist() for row in rows.values()]
    for size in (layout.size, 5):
        assert size == layout.restored(np.arange(size).tobytes()).size
