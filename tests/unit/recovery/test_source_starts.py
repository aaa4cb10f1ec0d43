"""Where a rebuilt ledger goes on: whether the record counted last is still there."""

import pytest

from streams.contract.journal import PartitionMark
from streams.kafka.tolerant import UNKNOWN_TIME
from streams.recovery.source_starts import KnownIds


@pytest.mark.parametrize(
    ("last", "differs"),
    [
        (None, False),
        ((5, 7), False),
        ((UNKNOWN_TIME, 7), False),
        ((6, 7), True),
        ((5, 8), True),
        ((UNKNOWN_TIME, 8), True),
    ],
)
def test_a_record_without_a_time_is_known_by_its_value(last: tuple[int, int] | None, differs: bool) -> None:
    """As at a claim: its mark holds the time of the record before it."""
    seen = KnownIds(None, 0, 60_000, 10)  # type: ignore[arg-type]
    seen.last = last
    assert differs == seen.differs(PartitionMark(last_timestamp=5, last_checksum=7))
