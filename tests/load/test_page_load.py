"""1,000 open pages on one page process: its memory is bounded, Redis is asked no more, workers go on as before."""

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from marketpulse.client.reader import Reader
from marketpulse.client.redis_server import connect
from streams.dev.bench.engine import plain_events
from streams.dev.embedded.servers import EmbeddedStack
from streams.dev.processes import ending, served, start_marketpulse
from streams.kafka.publish import Record, publish
from tests.support.processes import marketpulse
from tests.support.waiting import until

pytestmark = [pytest.mark.nemesis, pytest.mark.timeout(900)]

PREFIX = "load"
CLIENTS, SILENT = 1_000, 50
MOST_MB = 200.0
"""More than a page with 1,000 clients may take beyond one without any: 200 KB each."""
ROUNDS, ROUND_EVENTS = 5, 60_000


def resident_mb(pid: int) -> float:
    """Memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


def processor_s(pid: int) -> float:
    """Processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Crowd:
    """Clients in a process of their own, and what they saw last."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self.seen = {"open": 0, "messages": 0, "bytes": 0}
        self._child = child
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            self.seen = json.loads(line)


@contextmanager
def crowd(url: httpx.URL, reading: int, silent: int) -> Iterator[Crowd]:
    """So many clients, open."""
    command = [sys.executable, "-m", "tests.load.clients", url.host, str(url.port), str(reading), str(silent)]
    child = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    with ending(child):
        clients = Crowd(child)
        until(lambda: clients.seen["open"] == reading + silent and clients.seen["messages"] >= reading, 90)
        yield clients


def records(number: int) -> list[Record]:
    """Events of one round, with ids of their own."""
    return [
        Record(one.key, one.value.replace(b'"id":"e', f'"id":"{number}-'.encode(), 1))
        for one in plain_events(ROUND_EVENTS)
    ]


def counted_per_second(stack: EmbeddedStack, reader: Reader, number: int) -> float:
    """How fast the worker counts what is published at once."""
    begin = reader.committed()
    started = time.monotonic()
    asyncio.run(publish(stack.endpoints.kafka, f"{PREFIX}.feedback", records(number)))
    until(lambda: reader.committed() >= begin + ROUND_EVENTS, 300)
    return ROUND_EVENTS / (time.monotonic() - started)


def steady(stack: EmbeddedStack, seconds: float, rate: float, number: int) -> None:
    """A feed at a steady rate, so that every second brings a step."""
    some = records(number)[: int(seconds * rate)]
    asyncio.run(publish(stack.endpoints.kafka, f"{PREFIX}.feedback", some, rate=rate))


def readings(client: object) -> int:
    """How often somebody read what one of a page's snapshots begins with (HVALS of the workers)."""
    return int(client.info("commandstats")["cmdstat_hvals"]["calls"])  # type: ignore[attr-defined]


def descriptors(pid: int) -> int:
    """Open files and connections of a process."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def test_a_thousand_open_pages(stack: EmbeddedStack, capsys: pytest.CaptureFixture[str]) -> None:
    """Memory, commands to Redis, processor time and the worker's rate, without clients and with 1,000 of them."""
    environment = {
        "MARKETPULSE_KAFKA": stack.endpoints.kafka, "MARKETPULSE_REDIS_URL": stack.endpoints.redis,
        "MARKETPULSE_PREFIX": PREFIX, "MARKETPULSE_MODEL": "stub", "MARKETPULSE_CLASSIFIED": "false",
    }  # fmt: skip
    made = marketpulse("ledger", "init", "--yes", environment=environment)
    assert 0 == made.returncode, made.stderr
    redis = connect(stack.endpoints.redis)
    found: dict[str, float] = {}
    with (
        ending(start_marketpulse("worker", environment=environment, stderr=subprocess.DEVNULL)),
        served("page", "--port", "0", environment=environment, stderr=subprocess.DEVNULL) as page,
        Reader(stack.endpoints.redis, prefix=PREFIX) as reader,
    ):
        url, pid = httpx.URL(page.url), page.process.pid
        counted_per_second(stack, reader, 0)
        until(lambda: httpx.get(url.join("/healthz")).status_code == 200, 30)

        def phase(name: str, number: int) -> None:
            asked, spent = readings(redis), processor_s(pid)
            steady(stack, 20, 500, number)
            found[f"{name}: readings of Redis in 20 s"] = readings(redis) - asked
            found[f"{name}: processor seconds of the page in 20 s"] = round(processor_s(pid) - spent, 1)
            found[f"{name}: page, MB"] = round(resident_mb(pid), 1)

        phase("no client", 1)
        with crowd(url, CLIENTS, SILENT) as clients:
            before = clients.seen
            phase("1,000 clients", 2)
            found["messages a second to 1,000 clients"] = round((clients.seen["messages"] - before["messages"]) / 20)
            found["MB a second to 1,000 clients"] = round((clients.seen["bytes"] - before["bytes"]) / 20e6, 1)
            phase("1,000 clients, later", 3)
            # Whoever takes nothing for half a minute is dropped, and nobody else.
            waited = time.monotonic()
            for later in range(4, 16):
                if descriptors(pid) < CLIENTS + SILENT // 2:
                    break
                steady(stack, 20, 500, later)
            found["silent clients dropped within s"] = round(time.monotonic() - waited + 40)
            dropped = CLIENTS + SILENT - descriptors(pid)
            still = clients.seen["open"]
        number = 20
        rates: dict[str, list[float]] = {"no client": [], "1,000 clients": []}
        for _ in range(ROUNDS):
            rates["no client"].append(round(counted_per_second(stack, reader, number)))
            with crowd(url, CLIENTS, 0):
                rates["1,000 clients"].append(round(counted_per_second(stack, reader, number + 1)))
            number += 2
    with capsys.disabled():
        print(json.dumps(found | rates, indent=1))  # noqa: T201
    assert found["1,000 clients, later: page, MB"] - found["no client: page, MB"] < MOST_MB
    assert found["1,000 clients: readings of Redis in 20 s"] < 1.5 * found["no client: readings of Redis in 20 s"] + 10
    assert found["messages a second to 1,000 clients"] > CLIENTS / 4
    assert (True, CLIENTS + SILENT) == (dropped > 0, still)
