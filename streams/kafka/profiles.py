"""Market profiles are published here: all records of one decision in one transaction, each with what it belongs to."""

import uuid
from collections.abc import Sequence

from marketpulse.client.kafka_servers import Servers
from marketpulse.contract.operators import ApplyMark, apply_headers, profiles_transaction
from marketpulse.contract.topics import topic_name
from streams.kafka.compacted import write_at_once


async def apply_profiles(servers: Servers, prefix: str, records: Sequence[tuple[str, bytes | None]]) -> None:
    """Publish (key, value) records, None = a tombstone, as one change: in force together, answered once.

    Raises:
        Unavailable: nothing was written, unless Kafka went away at the very end.
        OperatorNeeded: this login may not do it, or another process applied profiles meanwhile.
    """
    apply, count = uuid.uuid4().hex, len(records)
    marked = [
        (key, value, apply_headers(ApplyMark(apply, number, count)))
        for number, (key, value) in enumerate(records, start=1)
    ]
    await write_at_once(servers, topic_name(prefix, "market.profiles"), profiles_transaction(prefix), marked)
