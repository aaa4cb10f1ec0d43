"""What fault tests do to servers beside killing them: make them healthy again, remove topics, delete records."""

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from streams.embedded import EmbeddedStack, Server
from tests.faults.shown import connect


def health(stack: EmbeddedStack) -> None:
    """Both servers run, with usual settings and without old data in Redis."""
    for server in (stack.kafka, stack.redis):
        revive(server)
    client = connect(stack.redis.url)
    client.replicaof("NO", "ONE")
    client.config_set("maxmemory", 0)
    client.flushall()
    client.close()


def revive(server: Server) -> None:
    """Continue a stopped server, start a dead one."""
    if server.process is not None and server.process.poll() is None:
        server.send(signal.SIGCONT)
    else:
        server.start()


@asynccontextmanager
async def admin(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """A connected admin client."""
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def remove_topics(bootstrap: str, prefix: str, *names: str) -> None:
    """Delete named topics of a prefix, or all of them, and wait until they are gone."""
    async with admin(bootstrap) as client:
        wanted = [f"{prefix}.{name}" for name in names]
        wanted = [one for one in await client.list_topics() if one in wanted or (not names and one.startswith(prefix))]
        if wanted:
            await client.delete_topics(wanted)
        while set(wanted) & set(await client.list_topics()):
            await asyncio.sleep(0.1)


async def delete_records(bootstrap: str, topic: str, before: Mapping[int, int]) -> None:
    """What retention does: forget the records of each partition before an offset."""
    async with admin(bootstrap) as client:
        await client.delete_records(
            {TopicPartition(topic, number): RecordsToDelete(before_offset=at) for number, at in before.items()}
        )
