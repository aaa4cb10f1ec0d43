"""Servers of the fault tests: a broker with a second address for a proxy; what tests do to servers and undo."""

import shutil
import signal
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from streams.dev.embedded.servers import EmbeddedKafka, EmbeddedStack, Endpoints, Server, free_port
from tests.faults.proxy import Proxy
from tests.faults.shown import connect
from tests.support.waiting import until_async


class TwoDoorKafka(EmbeddedKafka):
    """A broker with a second listener behind `door_port` that tells clients to come through `proxy_port`.

    So a proxy stands between it and whoever bootstraps there, for every connection and not for the first one alone.
    """

    def choose_ports(self) -> None:
        """Pick the ports of both doors and of the proxy."""
        super().choose_ports()
        self.door_port, self.proxy_port = free_port(), free_port()

    def _properties(self) -> str:
        plain = super()._properties()
        for name, port in (("listeners", self.door_port), ("advertised.listeners", self.proxy_port)):
            begin = f"\n{name}=PLAINTEXT://127.0.0.1:{self.port}"
            plain = plain.replace(begin, f"{begin},PROXIED://127.0.0.1:{port}")
        plain = plain.replace("PLAINTEXT:PLAINTEXT", "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT")
        # A busy machine's pause of 2 s must not look like a broker's death to its own controller.
        return plain.replace("broker.session.timeout.ms=2000", "broker.session.timeout.ms=9000")


class FaultStack(EmbeddedStack):
    """The embedded stack, with a broker that can be reached through a proxy."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.kafka: TwoDoorKafka = TwoDoorKafka(folder / "kafka")


@contextmanager
def proxies(stack: FaultStack) -> Iterator[tuple[Endpoints, Proxy, Proxy]]:
    """Proxies before Kafka and Redis, and the addresses of both."""
    redis_port = free_port()
    kafka = Proxy(stack.kafka.proxy_port, stack.kafka.door_port)
    redis = Proxy(redis_port, stack.redis.port)
    try:
        url = stack.redis.url.replace(f":{stack.redis.port}/", f":{redis_port}/")
        yield Endpoints(f"127.0.0.1:{stack.kafka.proxy_port}", url), kafka, redis
    finally:
        kafka.stop()
        redis.stop()


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


def keep_redis(stack: EmbeddedStack, folder: Path) -> None:
    """Copy what Redis has on disk now."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(stack.redis.folder, folder)


def empty(server: Server) -> None:
    """Remove what a server that is down has on disk."""
    for path in server.folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.suffix in (".rdb", ".aof"):
            path.unlink()


def set_redis_back(stack: EmbeddedStack, folder: Path) -> None:
    """Kill Redis, put an older copy of its files in place; it is left down."""
    stack.redis.kill()
    shutil.rmtree(stack.redis.folder)
    shutil.copytree(folder, stack.redis.folder)


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

        async def gone() -> bool:
            return not set(wanted) & set(await client.list_topics())

        await until_async(gone, 60, what=", ".join(wanted), every_s=0.1)


async def delete_records(bootstrap: str, topic: str, before: Mapping[int, int]) -> None:
    """What retention does: forget the records of each partition before an offset."""
    async with admin(bootstrap) as client:
        await client.delete_records(
            {TopicPartition(topic, number): RecordsToDelete(before_offset=at) for number, at in before.items()}
        )
