"""The whole job in one command: start everything, publish a file, wait until it is counted, report, stop."""

import asyncio
import contextlib
import logging
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from marketpulse.client.kafka_servers import Servers
from marketpulse.client.reader import Reader
from marketpulse.client.snapshot import Status
from marketpulse.contract.topics import topic_name
from marketpulse.errors import Unavailable
from streams.clock import epoch_ms
from streams.dev.embedded.programs import redis_executable, warning_of
from streams.dev.embedded.servers import EmbeddedStack, Endpoints
from streams.dev.embedded.supervisor import Report, Supervisor
from streams.dev.report import RunReport, make_report
from streams.errors import BadInput
from streams.kafka.admin import topic_offsets
from streams.kafka.publish import publish
from streams.recovery.first_start import set_up
from streams.settings import SECRETS, Settings
from streams.sources.feed import Feed
from streams.sources.lines import Skipped
from streams.sources.shift import Times

_SECURED = {
    f"{server}_{name}" for server in ("kafka", "redis") for name in ("username", "password", "ca", "certificate", "key")
} | {"kafka_security_protocol"}


@dataclass(frozen=True)
class RunPlan:
    """What `marketpulse run` does; `data_folder` None = a temporary one."""

    file: str
    workers: int = 1
    timeout_s: float = 600.0
    embedded: bool = True
    partitions: int = 8
    data_folder: Path | None = None


@contextlib.contextmanager
def servers(settings: Settings, embedded: bool, data_folder: Path | None) -> Iterator[Endpoints]:
    """The embedded stack, or the servers that the settings name."""
    if not embedded:
        yield Endpoints(settings.kafka_servers, settings.redis)
        return
    if secured := sorted(settings.model_fields_set & _SECURED):
        names = ", ".join(f"MARKETPULSE_{name.upper()}" for name in secured)
        raise BadInput(f"The embedded servers have no TLS, and logins of their own. Operator action: unset {names}.")
    with EmbeddedStack(data_folder) as stack:
        if warning := warning_of(redis_executable()):
            logging.getLogger(__name__).warning(warning)
        yield stack.endpoints


def worker_environment(settings: Settings, endpoints: Endpoints) -> dict[str, str]:
    """Environment variables that make a child worker work with these servers and settings."""
    given = {name: getattr(settings, name) for name in settings.model_fields_set}
    environment = {f"MARKETPULSE_{name.upper()}_FILE": "" for name in SECRETS}  # secrets are in `given`, whole
    environment |= {
        f"MARKETPULSE_{name.upper()}": value.get_secret_value() if hasattr(value, "get_secret_value") else str(value)
        for name, value in given.items()
        if value is not None
    }
    if endpoints == Endpoints(settings.kafka_servers, settings.redis):
        return environment
    return environment | {"MARKETPULSE_KAFKA": str(endpoints.kafka), "MARKETPULSE_REDIS_URL": endpoints.redis}


def is_settled(status: Status, ends: Mapping[int, int]) -> bool:
    """Whether all up to these offsets of the feedback topic is counted, published, answered and relayed."""
    counted = all(status.partitions.get(number, 0) >= end for number, end in ends.items())
    published = status.step > 0 and not status.open_cells and not status.outbox
    return counted and published and status.shifts_answered


async def feedback_ends(servers: Servers, prefix: str) -> dict[int, int]:
    """Where each partition of the feedback topic ends now. Raises Unavailable."""
    return {number: end for number, (_, end) in (await topic_offsets(servers, topic_name(prefix, "feedback"))).items()}


def wait_until_counted(reader: Reader, ends: Mapping[int, int], seconds: float) -> None:
    """Wait until `is_settled`, at most so long. Raises Unavailable."""
    deadline = time.monotonic() + seconds
    while not is_settled(status := reader.snapshot().status, ends):
        if time.monotonic() >= deadline:
            raise Unavailable(
                f"{sum(status.partitions.values())} of {sum(ends.values())} records are counted after {seconds:g} s. "
                "Operator action: see with `marketpulse status` whether a worker runs; wait longer with --seconds."
            )
        time.sleep(0.2)


def run(settings: Settings, plan: RunPlan, report: Report) -> tuple[RunReport, bool]:
    """Run the job once; the report and whether everything was counted before the time-out."""
    with Feed(plan.file, raw=False, keep_broken=True) as feed:
        skipped = Skipped()
        times = Times(feed.records(skipped))
        if skipped.count:
            report({"event": "lines_skipped", "lines": skipped.count})
        return _run(settings, plan, feed, times, report)


def _run(settings: Settings, plan: RunPlan, feed: Feed, times: Times, report: Report) -> tuple[RunReport, bool]:
    deadline = time.monotonic() + plan.timeout_s
    with servers(settings, plan.embedded, plan.data_folder) as endpoints, tempfile.TemporaryDirectory() as logs:
        report({"event": "servers_ready", "kafka": endpoints.kafka})
        asyncio.run(set_up(endpoints, settings.prefix, plan.partitions))
        supervisor = Supervisor(
            plan.workers, worker_environment(settings, endpoints), (plan.data_folder or Path(logs)) / "logs", report
        )
        supervisor.start()
        try:
            started = time.monotonic()
            shift = times.shift_to(epoch_ms())
            topic = topic_name(settings.prefix, "feedback")
            published = asyncio.run(publish(endpoints.kafka, topic, shift.of(feed.records())))
            report({"event": "published", "records": published})
            ends = asyncio.run(feedback_ends(endpoints.kafka, settings.prefix))
            with Reader(endpoints.redis, prefix=settings.prefix) as reader:
                complete = _wait(reader, ends, supervisor, deadline, report)
                seconds = time.monotonic() - started
                result = make_report(reader, shift, published, supervisor.restarts, seconds)
        finally:
            supervisor.stop()
    return result, complete


def _wait(reader: Reader, ends: Mapping[int, int], supervisor: Supervisor, deadline: float, report: Report) -> bool:
    """Until all is settled, for a second: the allocation's own record is on its way then."""
    said = 0.0
    settled_since: float | None = None
    while time.monotonic() < deadline:
        supervisor.watch()
        status = reader.snapshot().status
        if time.monotonic() - said > 2:
            said = time.monotonic()
            done = sum(status.partitions.values())
            report({"event": "progress", "committed": done, "of": sum(ends.values()), "step": status.step})
        if not is_settled(status, ends):
            settled_since = None
        elif settled_since is None:
            settled_since = time.monotonic()
        elif time.monotonic() - settled_since > 1.0:
            return True
        time.sleep(0.2)
    return False
