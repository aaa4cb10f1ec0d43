"""An intake as a process, and what stands on a topic: for tests of the clients."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from marketpulse.client.kafka_servers import Servers
from streams.dev.embedded.servers import free_port
from streams.dev.processes import Served, served
from streams.kafka.log_reader import LogReader
from tests.support.waiting import until

TOKEN = "a-token-of-an-intake"
OTHER_TOKEN = "another-one-in-rotation"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


@dataclass
class Running(Served):
    """An intake that listens on loopback, its metrics on the port of the probes."""

    inside: int = 0

    @property
    def port(self) -> int:
        """Where it listens."""
        return httpx.URL(self.url).port or 0

    def get(self, path: str) -> httpx.Response:
        """A probe, or what else is asked for with the token."""
        return httpx.get(f"{self.url}{path}", headers=HEADERS, trust_env=False, timeout=20)

    def metrics(self) -> str:
        """What Prometheus is shown."""
        return httpx.get(f"http://127.0.0.1:{self.inside}/metrics", trust_env=False, timeout=20).text

    def post(self, content: object, **headers: str) -> httpx.Response:
        """Post JSON with the token."""
        return httpx.post(
            f"{self.url}v1/feedback", json=content, headers=HEADERS | headers, trust_env=False, timeout=30
        )

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        self.process.terminate()
        return self.process.wait(40)


@contextmanager
def intake(servers: str, prefix: str, login: Mapping[str, str] | None = None, **settings: object) -> Iterator[Running]:
    """Run `marketpulse intake` and wait until it is ready; `login` as environment variables."""
    environment = {
        "MARKETPULSE_HEALTH_PORT": str(free_port()),
        **(login or {}),
        "MARKETPULSE_KAFKA": servers,
        "MARKETPULSE_PREFIX": prefix,
        "MARKETPULSE_INTAKE_TOKENS": f"{OTHER_TOKEN},{TOKEN}",
        **{f"MARKETPULSE_INTAKE_{name.upper()}": str(value) for name, value in settings.items()},
    }
    with served("intake", "--port", "0", environment=environment) as one:
        running = Running(one.process, one.url, int(environment["MARKETPULSE_HEALTH_PORT"]))
        until(lambda: running.get("readyz").status_code == 200)
        yield running


def records_of(servers: Servers, topic: str) -> list[Any]:
    """All Kafka records of a topic."""

    async def read() -> list[Any]:
        async with LogReader(servers, topic) as log:
            return [
                record
                for partition, (first, end) in sorted(log.offsets.items())
                async for record in log.records(first, end, partition)
            ]

    return asyncio.run(read())
