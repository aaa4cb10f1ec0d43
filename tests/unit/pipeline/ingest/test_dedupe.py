"""De-duplication within the horizon, and that what the ledger stores restores it."""

from hypothesis import given
from hypothesis import strategies as st

from streams.pipeline.ingest.dedupe import SeenIds

BATCHES = st.lists(st.lists(st.integers(0, 30), max_size=8), max_size=12)


@given(BATCHES)
def test_an_id_counts_once_within_the_horizon(batches: list[list[int]]) -> None:
    """Whatever the batches, each id is new exactly once while the horizon covers all of them."""
    seen = SeenIds(horizon_ms=10**9, capacity=1000)
    new = []
    for at, batch in enumerate(batches):
        digests = [digest for number in batch if (digest := seen.first_seen(str(number)))]
        new += digests
        seen.close_chunk(digests, at)
    assert len({number for batch in batches for number in batch}) == len(new) == len(set(new))


@given(BATCHES, st.integers(0, 5))
def test_the_stored_chunks_restore_the_same_memory(batches: list[list[int]], horizon: int) -> None:
    """A claimant that loads the ledger's chunks decides as the one before would have."""
    seen, stored = SeenIds(horizon, 1000), []
    for at, batch in enumerate(batches):
        digests = [digest for number in batch if (digest := seen.first_seen(str(number)))]
        chunk, forgotten = seen.close_chunk(digests, at)
        stored = [*stored, *([chunk] if chunk else [])][forgotten:]
    restored = SeenIds(horizon, 1000, stored)
    assert [seen.first_seen(str(n)) is None for n in range(31)] == [
        restored.first_seen(str(n)) is None for n in range(31)
    ]


def test_an_id_is_new_again_beyond_the_horizon() -> None:
    """A chunk older than the horizon is forgotten as a whole."""
    seen = SeenIds(horizon_ms=100, capacity=1000)
    seen.close_chunk([seen.first_seen("a") or b""], 0)
    seen.close_chunk([], 101)
    assert seen.first_seen("a") is not None


def test_the_capacity_holds_and_the_true_horizon_is_told() -> None:
    """At the cap the oldest chunks go."""
    seen = SeenIds(horizon_ms=10**9, capacity=10)
    for at in range(20):
        seen.close_chunk([seen.first_seen(f"{at}-{n}") or b"" for n in range(3)], at)
    assert len(seen) <= 10
    assert seen.horizon_now_ms <= 3
