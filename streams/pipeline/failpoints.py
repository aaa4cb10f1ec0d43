"""Named places at which a test may interrupt a worker; in production nothing happens there and no setting changes it.

| name | where |
|---|---|
| `scored` | a batch is classified, nothing of it is written |
| `committing` | the batch is about to be committed, by a worker that holds its partition as far as it knows |
| `committed` | the ledger holds the batch, Kafka's group offset does not |
| `cut` | a step is cut, not published |
| `published` | a step is published, its records are not relayed |
| `relayed` | the outbox is relayed, not trimmed |
"""

from collections.abc import Awaitable, Callable

Failpoint = Callable[[str], Awaitable[None]]


async def no_failpoint(name: str) -> None:
    """Go on."""
