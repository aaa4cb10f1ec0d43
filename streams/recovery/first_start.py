"""A first start: topics, and a ledger where there was none."""

import asyncio
import time
import uuid

from marketpulse.contract.topics import topic_name
from marketpulse.errors import Unavailable
from streams.dev.embedded.servers import Endpoints
from streams.errors import BadInput, LedgerLost
from streams.kafka.admin import create_topics, topic_offsets
from streams.ledger.commit import Ledger
from streams.ledger.server import require_one_primary


async def has_ledger(redis: str, prefix: str) -> bool:
    """Whether there is a ledger. Raises Unavailable."""
    ledger = Ledger(redis, prefix)
    try:
        return await ledger.standing() is not None
    finally:
        await ledger.close()


async def wait_for_ledger(redis: str, prefix: str, seconds: float) -> None:
    """Wait for Redis and for a ledger, at most so long. Raises Unavailable."""
    deadline = time.monotonic() + seconds
    while True:
        away = ""
        try:
            if await has_ledger(redis, prefix):
                return
        except Unavailable as error:
            away = f" {error}"
        if time.monotonic() >= deadline:
            raise Unavailable(
                f"no ledger under {prefix}: after {seconds:g} s. Operator action: `marketpulse ledger init`.{away}"
            )
        await asyncio.sleep(1)


async def set_up(endpoints: Endpoints, prefix: str, partitions: int) -> bool:
    """Create topics and, for a first start, the ledger; whether a ledger was made.

    Raises:
        Unavailable: a server does not answer. BadInput: this Redis may forget keys. OperatorNeeded: it is a Cluster.
        LedgerLost: there is none although the journal holds steps of one.
    """
    ledger = Ledger(endpoints.redis, prefix)
    try:
        await require_one_primary(ledger)
        await create_topics(endpoints.kafka, prefix, partitions)
        offsets = await topic_offsets(endpoints.kafka, topic_name(prefix, "feedback"))
        if problem := await ledger.check_redis():
            raise BadInput(problem)
        [(first, end)] = (await topic_offsets(endpoints.kafka, topic_name(prefix, "market.steps"))).values()
        if end > first and await ledger.standing() is None:
            raise LedgerLost(
                f"the journal {prefix}.market.steps holds steps, but Redis no ledger under prefix {prefix!r}: it was "
                "lost, and an empty one would count everything again. Operator action: `marketpulse ledger rebuild`; "
                "or begin anew on purpose: `marketpulse ledger reset`."
            )
        return await ledger.init(uuid.uuid4().hex, {number: first for number, (first, _) in offsets.items()})
    finally:
        await ledger.close()
