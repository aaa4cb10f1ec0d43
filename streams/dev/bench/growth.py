"""Benchmark of growth: what more markets and more events cost a worker, with default settings."""

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from marketpulse.client.reader import Reader
from marketpulse.contract.markets import MARKETS
from marketpulse.contract.topics import topic_name
from streams.dev.bench.engine import PARTITIONS, Say, measured, plain_events
from streams.dev.embedded.servers import Endpoints
from streams.dev.embedded.supervisor import Supervisor
from streams.dev.run import servers, worker_environment
from streams.kafka.publish import publish
from streams.ledger.commit import Ledger
from streams.recovery.first_start import set_up
from streams.settings import Settings, load_settings

Row = dict[str, object]
MEBIBYTE = 1_048_576
_TICKS = os.sysconf("SC_CLK_TCK")


def bench_growth(settings: Settings, markets: Sequence[int], events: Sequence[int], say: Say) -> list[Row]:
    """One row for each number of markets and of events: a new worker counts a topic that holds them all.

    The model is a stub; all else is as the settings say. Everything shares this machine.

    Args:
        settings: of the worker.
        markets: how many countries the events are of, alike often.
        events: how many there are.
        say: takes progress.

    A row has `events_per_second`; `step_p50_ms` and `step_p99_ms` of the roll-up's steps meanwhile; processor seconds a
    million events of the worker, Redis and Kafka (without the publishing); the worker's largest memory;
    what Redis holds more than before.
    """
    bench = load_settings(**{name: getattr(settings, name) for name in settings.model_fields_set} | {"model": "stub"})
    rows = []
    with servers(bench, embedded=True, data_folder=None) as endpoints:
        for number, (of_markets, count) in enumerate((m, n) for m in markets for n in events):
            run = load_settings(
                **{name: getattr(bench, name) for name in bench.model_fields_set} | {"prefix": f"growth-{number}"}
            )
            rows.append({"markets": of_markets, "events": count} | _row(run, endpoints, of_markets, count, say))
            say({"event": "row", **rows[-1]})
    return rows


def _row(settings: Settings, endpoints: Endpoints, markets: int, events: int, say: Say) -> Row:
    asyncio.run(set_up(endpoints, settings.prefix, PARTITIONS))
    codes = sorted(MARKETS)[:markets]
    asyncio.run(publish(endpoints.kafka, topic_name(settings.prefix, "feedback"), plain_events(events, codes)))
    held, before = asyncio.run(_held(endpoints)), _processor_seconds()
    with tempfile.TemporaryDirectory() as logs:
        supervisor = Supervisor(1, worker_environment(settings, endpoints), Path(logs), say)
        supervisor.start()
        try:
            with Reader(endpoints.redis, prefix=settings.prefix) as reader:
                counted, seconds = measured(reader, supervisor, events, say)
                _await_steps(reader, supervisor)
            spent = _processor_seconds()
            peak = _peak_bytes(supervisor.workers[0].pid)
        finally:
            supervisor.stop()
        steps = [ms for log in supervisor.logs() for ms in _steps(log)]
    servers_spent = {name: spent.get(name, 0.0) - before.get(name, 0.0) for name in ("redis", "kafka")}
    per_million = {"worker": spent.get("worker", 0.0), **servers_spent}
    p50, p99 = np.percentile(steps, (50, 99)).tolist()
    return {
        "events_per_second": round(counted / seconds),
        "step_p50_ms": round(p50),
        "step_p99_ms": round(p99),
        **{f"{name}_s_per_million": round(used / events * 1e6, 1) for name, used in per_million.items()},
        "worker_mebibytes": round(peak / MEBIBYTE),
        "redis_mebibytes": round((asyncio.run(_held(endpoints)) - held) / MEBIBYTE, 1),
    }


def _await_steps(reader: Reader, supervisor: Supervisor) -> None:
    """Wait until all that was counted is published: few events are counted before the first step is."""
    while not (status := reader.snapshot().status).step or status.open_cells:
        supervisor.watch()
        time.sleep(0.02)


async def _held(endpoints: Endpoints) -> int:
    """Bytes that Redis holds."""
    ledger = Ledger(endpoints.redis, "growth")
    try:
        return int((await ledger.redis.info("memory"))["used_memory"])
    finally:
        await ledger.close()


def _steps(log: Path) -> Iterator[float]:
    """Milliseconds of each step that a worker published."""
    for line in log.read_text("utf-8", "replace").splitlines():
        if '"step_published"' in line:
            yield float(json.loads(line)["ms"])


def _peak_bytes(pid: int) -> int:
    """Most memory that a process had."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1_024


def _processor_seconds() -> dict[str, float]:
    """Processor time of this process's children that run: `worker`, `redis` and `kafka`."""
    found: dict[str, float] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name, _, rest = (folder / "stat").read_text().partition(" (")[2].rpartition(") ")
        except OSError:  # it has ended
            continue
        fields = rest.split()
        if int(fields[1]) == os.getpid():
            kind = "kafka" if name == "java" else "redis" if name.startswith("redis") else "worker"
            found[kind] = found.get(kind, 0.0) + (int(fields[11]) + int(fields[12])) / _TICKS
    return found
