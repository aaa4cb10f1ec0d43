"""HTTP side of worker and notifier: probes, `/metrics`; and the watchdog that ends what does not move."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import CollectorRegistry

from marketpulse.errors import OperatorNeeded
from streams.serving.loopback import BAD_HOST, is_loopback, names_loopback
from streams.settings import Settings
from streams.telemetry.instruments import exposition
from streams.telemetry.logs import get_logger
from streams.telemetry.progress import Progress

log = get_logger("health")

LONGEST_TICK_S = 2.0


class Measured(Protocol):
    """What has metrics."""

    registry: CollectorRegistry


@web.middleware
async def _this_machine(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Only to names of this machine, so that no other site's name can be made to lead here."""
    if not names_loopback(request.headers.get("Host", "")):
        return web.json_response(BAD_HOST, status=400)
    return await handler(request)


class HealthServer:
    """Answers probes from the worker's own event loop: so a blocked loop fails the probe."""

    def __init__(self, progress: Progress, settings: Settings, telemetry: Measured) -> None:
        self._progress = progress
        self._telemetry = telemetry
        self._stall_s = settings.stall_seconds
        self._host = settings.health_host
        self._runner: web.AppRunner | None = None
        self.port = settings.health_port

    async def start(self) -> None:
        """Listen, if a port is set. Raises OperatorNeeded where it is taken."""
        if self.port is None:
            return
        application = web.Application(middlewares=[_this_machine] if is_loopback(self._host) else [])
        application.add_routes(
            [
                web.get("/livez", self._livez),
                web.get("/readyz", self._readyz),
                web.get("/startupz", self._startupz),
                web.get("/metrics", self._metrics),
            ]
        )
        self._runner = web.AppRunner(application, handle_signals=False, access_log=None)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self.port).start()
        except OSError as error:
            raise OperatorNeeded(
                f"the probes cannot listen on {self._host}:{self.port}: {error.strerror}. "
                "Operator action: give each worker of a machine a MARKETPULSE_HEALTH_PORT of its own."
            ) from error
        self.port = self._runner.addresses[0][1]
        log.info("probes", host=self._host, port=self.port)

    async def stop(self) -> None:
        """Close the port."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _livez(self, _: web.Request) -> web.Response:
        return self._answer(self._progress.stalled(self._stall_s))

    async def _readyz(self, _: web.Request) -> web.Response:
        return self._answer(self._progress.stalled(self._stall_s) + self._progress.not_ready())

    async def _startupz(self, _: web.Request) -> web.Response:
        return self._answer([] if self._progress.joined else ["not in the consumer group yet"])

    async def _metrics(self, request: web.Request) -> web.Response:
        accept = request.headers.get("Accept", "")
        body, content_type = await asyncio.to_thread(exposition, self._telemetry.registry, accept)
        return web.Response(body=body, headers={"Content-Type": content_type})

    def _answer(self, problems: list[str]) -> web.Response:
        content: dict[str, Any] = {
            "status": "failing" if problems else "ok",
            "problems": problems,
            "waiting": {what: round(seconds, 1) for what, seconds in self._progress.waiting.items()},
            "partitions": {
                str(number): {"counted": one.counted, "lag": one.lag}
                for number, one in sorted(self._progress.partitions.items())
            },
        }
        return web.Response(
            body=msgspec.json.encode(content), status=503 if problems else 200, content_type="application/json"
        )


class Watchdog:
    """A thread that ends the process when something stalled for `stall_s`: a worker must not look alive and stand.

    A thread, because a blocked event loop could not end itself.
    """

    def __init__(self, progress: Progress, stall_s: float, end: Callable[[str], object], tick_s: float = 1.0) -> None:
        self._progress = progress
        self._stall_s = stall_s
        self._end = end
        self._tick_s = tick_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """End watching: a worker that shuts down may stand still."""
        self._stopped.set()

    def _watch(self) -> None:
        before = time.monotonic()
        while not self._stopped.wait(self._tick_s):
            now = time.monotonic()
            self._progress.clock += min(now - before, LONGEST_TICK_S)  # what is longer was a stopped process
            before = now
            if problems := self._progress.stalled(self._stall_s):
                self._end("; ".join(problems))
                return
