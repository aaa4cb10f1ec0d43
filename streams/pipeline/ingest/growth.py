"""A claim of a partition that Kafka added after the ledger was made: it is counted from its first record on."""

import asyncio
from collections.abc import Awaitable, Callable

from streams.errors import PartitionUnknown, TopicRecreated
from streams.ledger.commit import Ledger
from streams.ledger.types import Claim
from streams.pipeline.ingest.claims import RECREATED
from streams.telemetry.logs import get_logger

log = get_logger("source")


async def claim_or_add(ledger: Ledger, topic: str, number: int, end_of: Callable[[int], Awaitable[int]]) -> Claim:
    """Claim a partition that Kafka assigned to this process, so that the topic has it; add it where it is new.

    Args:
        ledger: which may know fewer partitions than the topic has.
        topic: its name, for messages.
        number: of the partition.
        end_of: the offset at which a partition of the topic ends.

    Raises:
        TopicRecreated: the topic holds less than was counted in the partitions that the ledger does know: it is another
            topic, and its further partitions are none of this ledger's.
        What `Ledger.claim` raises, but for PartitionUnknown.
    """
    while True:  # a Redis that goes back in time meanwhile has forgotten the growth
        try:
            return await ledger.claim(number)
        except PartitionUnknown as error:
            known = error.known
        await _check_topic(ledger, topic, number, known, end_of)
        if await ledger.grow(number + 1):
            log.warning("partitions_added", known=known, partitions=number + 1)


async def _check_topic(
    ledger: Ledger, topic: str, number: int, known: int, end_of: Callable[[int], Awaitable[int]]
) -> None:
    counted = await ledger.positions(range(known))
    ends = await asyncio.gather(*map(end_of, counted))
    for (one, position), end in zip(counted.items(), ends, strict=True):
        if position > end:
            raise TopicRecreated(
                f"{topic}[{one}] ends at {end}, but the ledger counted up to {position}: the topic was recreated, and "
                f"its partition {number} is not added. {RECREATED}"
            )
