"""A claim of a partition that the ledger does not know yet: added where the topic is the one that was counted."""

from collections.abc import Sequence

import pytest

from streams.errors import LedgerLost, PartitionUnknown, TopicRecreated
from streams.ledger.types import Claim
from streams.pipeline.ingest.growth import claim_or_add


class Known:
    """A ledger that knows some partitions; `forgets` growths are undone again by a restore."""

    def __init__(self, next_of: dict[int, int], forgets: int = 0) -> None:
        self.next_of = next_of
        self.forgets = forgets

    async def claim(self, number: int) -> Claim:
        if number not in self.next_of:
            raise PartitionUnknown("unknown", len(self.next_of))
        return Claim(number, 1, "g", self.next_of[number], None, None, [])

    async def grow(self, partitions: int) -> bool:
        if self.forgets:
            self.forgets -= 1
        else:
            self.next_of |= dict.fromkeys(range(len(self.next_of), partitions), 0)
        return True

    async def positions(self, numbers: Sequence[int]) -> dict[int, int]:
        return {number: self.next_of[number] for number in numbers}


async def claimed(ledger: object, number: int, ends: Sequence[int]) -> Claim:
    async def end_of(partition: int) -> int:
        return ends[partition]

    return await claim_or_add(ledger, "shop.feedback", number, end_of)  # type: ignore[arg-type]


async def test_a_known_partition_is_claimed_and_nothing_added() -> None:
    """Where the ledger goes on is its own affair."""
    ledger = Known({0: 7})
    assert (7, [0]) == ((await claimed(ledger, 0, [9])).next, list(ledger.next_of))


async def test_a_new_partition_is_added_with_all_below_it() -> None:
    """It begins at 0."""
    ledger = Known({0: 7, 1: 3})
    assert 0 == (await claimed(ledger, 3, [9, 3, 5, 5])).next
    assert {0: 7, 1: 3, 2: 0, 3: 0} == ledger.next_of


async def test_a_growth_that_was_forgotten_is_made_again() -> None:
    """Redis went back in time between growth and claim."""
    assert 0 == (await claimed(Known({0: 7}, forgets=2), 1, [9, 5])).next


async def test_partitions_of_another_topic_are_not_added() -> None:
    """It holds less than was counted: a wrong cluster, or a topic that was made again with more partitions."""
    ledger = Known({0: 7, 1: 3})
    with pytest.raises(TopicRecreated, match=r"shop.feedback\[0\] ends at 6.*counted up to 7.*Operator action"):
        await claimed(ledger, 2, [6, 3, 5])
    assert {0: 7, 1: 3} == ledger.next_of


async def test_a_lost_entry_is_not_a_new_partition() -> None:
    """What the ledger says of it is passed on."""

    class Lost(Known):
        async def claim(self, number: int) -> Claim:
            raise LedgerLost("lost")

    with pytest.raises(LedgerLost):
        await claimed(Lost({0: 7}), 0, [9])
