"""Notifiers as processes of their own, on a prefix and a sinks file of theirs."""

import asyncio
import base64
import subprocess
from pathlib import Path

import httpx

from marketpulse.contract.records import AlertRecord
from marketpulse.contract.topics import topic_name
from marketpulse.contract.wire import encode
from streams.dev.embedded.servers import EmbeddedStack, free_port
from streams.dev.processes import start_marketpulse
from streams.kafka.compacted import write_all
from tests.support.probes import status
from tests.support.processes import marketpulse_process
from tests.support.waiting import until

SECRET = "whsec_" + base64.b64encode(b"a key of this test alone, 32 b").decode()
HOOK = """
[sink.desk]
kind = "webhook"
url = "http://127.0.0.1:{port}/token-of-the-path"
secrets = ["${{DESK_SECRET}}"]
timeout = "1s"
per_minute = 600
burst = 100
"""


class Shop:
    """One prefix with its topics, a sinks file, and notifiers that are started on it."""

    def __init__(self, stack: EmbeddedStack, prefix: str, folder: Path) -> None:
        self._kafka = str(stack.endpoints.kafka)
        self._prefix = prefix
        self.sinks = folder / "sinks.toml"
        self.log = folder / "notify.log"
        self.health = free_port()
        self.running: list[subprocess.Popen[str]] = []
        self.environment = {
            "MARKETPULSE_KAFKA": self._kafka,
            "MARKETPULSE_PREFIX": prefix,
            "MARKETPULSE_SINKS": str(self.sinks),
            "MARKETPULSE_HEALTH_PORT": str(self.health),
            "DESK_SECRET": SECRET,
        }
        assert 0 == self("topics", "create", "--partitions", "1").returncode

    def __call__(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return marketpulse_process(*arguments, environment=self.environment, given=given)

    def write(self, *tables: str, **environment: str) -> None:
        self.sinks.write_text('private_hosts = ["127.0.0.1"]\n' + "".join(tables), "utf-8")
        self.environment |= environment

    def publish(self, *alerts: AlertRecord) -> None:
        records = [(one.id, encode(one)) for one in alerts]
        asyncio.run(write_all(self._kafka, topic_name(self._prefix, "market.alerts"), records))

    def step(self, number: int) -> None:
        """What a worker's step leaves on the journal's topic."""
        topic = topic_name(self._prefix, "market.steps")
        asyncio.run(write_all(self._kafka, topic, [(str(number), b"{}")]))

    def start(self) -> subprocess.Popen[str]:
        """A notifier, ready."""
        with self.log.open("ab") as log:
            process = start_marketpulse("notify", environment=self.environment, stdout=log, stderr=log)
        self.running.append(process)
        until(self.ready, what=self.log.read_text)
        return process

    def ready(self) -> bool:
        return 200 == status(f"http://127.0.0.1:{self.health}/readyz")

    def metric(self, name: str, sink: str) -> float:
        text = httpx.get(f"http://127.0.0.1:{self.health}/metrics", trust_env=False).text
        return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f'{name}{{sink="{sink}"}}'))

    def stop(self, process: subprocess.Popen[str]) -> int:
        process.terminate()
        return process.wait(20)

    def end(self) -> None:
        """Kill what still runs."""
        for process in self.running:
            if process.poll() is None:
                process.kill()
                process.wait()
