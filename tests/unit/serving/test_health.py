"""Probes and watchdog of a worker."""

import socket
import threading

import httpx
import pytest
from prometheus_client import CollectorRegistry

from marketpulse.errors import OperatorNeeded
from streams.serving.own_port import probes_app, served_on
from streams.serving.probes import HealthServer, Watchdog
from streams.settings import Settings, load_settings
from streams.telemetry.progress import Progress
from streams.telemetry.worker import Telemetry


def settings(port: int | None) -> Settings:
    """Probes on a port of the loopback interface."""
    return load_settings(health_port=port, stall_seconds=60)


async def answers(progress: Progress) -> dict[str, int]:
    """The status of each probe."""
    server = HealthServer(progress, settings(0), Telemetry())
    await server.start()
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client:
            return {path: (await client.get(path)).status_code for path in ("/startupz", "/livez", "/readyz")}
    finally:
        await server.stop()


async def test_a_worker_that_begins_is_alive_and_not_started() -> None:
    """It must not be killed while it loads its model or waits for Kafka."""
    assert {"/startupz": 503, "/livez": 200, "/readyz": 503} == await answers(Progress())


async def test_a_worker_in_the_group_is_ready() -> None:
    """Joined, with all that it was assigned."""
    assert {"/startupz": 200, "/livez": 200, "/readyz": 200} == await answers(Progress(joined=True))


async def test_a_worker_that_waits_is_alive_and_not_ready() -> None:
    """Killing it would not bring Redis back."""
    progress = Progress(joined=True)
    progress.waits("Redis")
    assert {"/startupz": 200, "/livez": 200, "/readyz": 503} == await answers(progress)


async def test_a_worker_that_stands_still_is_not_alive() -> None:
    """Records wait and none was read for longer than the setting allows."""
    progress = Progress(joined=True)
    progress.claimed(0, 0)
    progress.ends({0: 10})
    progress.clock = 61
    assert {"/startupz": 200, "/livez": 503, "/readyz": 503} == await answers(progress)


async def test_a_port_that_is_taken_is_an_error_for_the_operator() -> None:
    """The message names the setting."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = HealthServer(Progress(), settings(taken.getsockname()[1]), Telemetry())
        with pytest.raises(OperatorNeeded, match="MARKETPULSE_HEALTH_PORT"):
            await server.start()
        await server.stop()


async def test_without_a_port_nothing_listens() -> None:
    """Probes are for those who ask for them."""
    server = HealthServer(Progress(), settings(None), Telemetry())
    await server.start()
    assert server.port is None
    await server.stop()


def test_the_watchdog_ends_what_stands_still() -> None:
    """It advances the clock itself, and says what stood still."""
    progress, ended, why = Progress(), threading.Event(), []
    progress.beat("roll-up")

    def end(reason: str) -> None:
        why.append(reason)
        ended.set()

    watchdog = Watchdog(progress, 0.05, end, tick_s=0.01)
    watchdog.start()
    assert ended.wait(10)
    watchdog.stop()
    assert ["roll-up: silent"] == why


@pytest.mark.parametrize(("listening", "status"), [("127.0.0.1", 400), ("0.0.0.0", 200)])
async def test_probes_on_loopback_answer_to_no_other_name(listening: str, status: int) -> None:
    """A site whose name is made to lead here reads nothing by a browser of this machine; of worker, page and intake."""
    given = load_settings(health_port=0, health_host=listening)
    server = HealthServer(Progress(), given, Telemetry())
    await server.start()
    app = served_on(listening, probes_app(list, CollectorRegistry()))
    try:
        for url, transport in (
            (f"http://127.0.0.1:{server.port}", None),
            ("http://127.0.0.1", httpx.ASGITransport(app)),
        ):
            async with httpx.AsyncClient(base_url=url, transport=transport, trust_env=False) as client:
                for path in ("/livez", "/metrics"):
                    assert 200 == (await client.get(path, headers={"Host": "localhost:8081"})).status_code
                    assert status == (await client.get(path, headers={"Host": "evil.example:8081"})).status_code
    finally:
        await server.stop()
