"""A web application as a process: its listening socket, how many connections it may have, its server."""

import asyncio
import os
import resource
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from marketpulse.errors import OperatorNeeded
from streams.errors import BadInput
from streams.serving.access import Proxies
from streams.serving.connections import Connections, protocol
from streams.serving.own_port import served_on
from streams.settings import Settings
from streams.telemetry.logs import get_logger

log = get_logger("serving")

SILENT_MS = 30_000
"""A client that takes nothing for so long loses its connection; its browser comes back by itself and resumes."""
BACKLOG = 1_024
UNSENT_BYTES = 131_072
"""What the system holds for one client beside the process, so that 1,000 slow ones do not cost gigabytes there."""
NOT_SENT_BYTES = 16_384
"""Of it about so much may wait for the client to read; the rest is for what is on its way, where that is far."""
MAX_HEAD_BYTES = 16_384
PROBE_CONNECTIONS = 50
PROBE_HEAD_S = 5.0


@dataclass(frozen=True)
class Limits:
    """What strangers may take of a server: connections in all and of one client, seconds for the head of a request.

    `unread`: connections whose client has not read what it was sent, each up to about 100 KB in process and system.
    """

    connections: int
    of_client: int
    head_s: float
    unread: int = 500


def run_server(
    app: ASGIApp,
    host: str,
    port: int,
    say: Callable[[str], object],
    settings: Settings,
    limits: Limits,
    probes: ASGIApp,
    **options: Any,
) -> None:
    """Serve an application until SIGTERM or Ctrl-C.

    Args:
        app: what answers.
        host: address to listen on.
        port: 0 = any free one.
        say: called with the URL once it listens.
        settings: which proxies are trusted, and the port of probes.
        limits: for connections to that address.
        probes: what answers on MARKETPULSE_HEALTH_PORT, if that is set.
        options: of `uvicorn.Config`.

    Raises:
        BadInput: the address cannot be listened on.
        OperatorNeeded: the port of the probes cannot.
    """
    probing = _listen_for_probes(settings)
    try:
        listening = listen_on(host, port)
    except BadInput:
        if probing is not None:
            probing.close()
        raise
    say(f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}/")
    _allow_descriptors(2 * limits.connections)
    probes = served_on(settings.health_host, probes)
    _Server(server_config(app, settings, limits, **options), probes, probing).run(sockets=[listening])


def server_config(app: ASGIApp, settings: Settings, limits: Limits, **options: Any) -> uvicorn.Config:
    """How an application that strangers reach is served; `options` of `uvicorn.Config` beside it."""
    if "FORWARDED_ALLOW_IPS" in os.environ:
        log.warning("not_read", variable="FORWARDED_ALLOW_IPS", instead="MARKETPULSE_FORWARDED_ALLOW")
    proxies = Proxies(settings.forwarded_allow)
    places = Connections(limits.connections, limits.of_client, limits.unread, proxies)
    return uvicorn.Config(
        app, http=protocol(places, limits.head_s), ws="none", server_header=False, log_config=None, access_log=False,
        forwarded_allow_ips=list(map(str, proxies.networks)), limit_concurrency=limits.connections + 1,
        h11_max_incomplete_event_size=MAX_HEAD_BYTES, **options,
    )  # fmt: skip


class _Server(uvicorn.Server):
    """A server with a second one beside it, in the same event loop: so a blocked loop fails the probes."""

    def __init__(self, config: uvicorn.Config, probes: ASGIApp, probing: socket.socket | None) -> None:
        super().__init__(config)
        self._probes = probes
        self._probing = probing
        self._probe_server: asyncio.Server | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, probes too."""
        await super().startup(sockets)
        if self._probing is not None:
            self._probe_server = await _serve_probes(self._probes, self._probing)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish what is in flight; probes are answered until then."""
        await super().shutdown(sockets)
        if self._probe_server is not None:
            self._probe_server.close()


async def _serve_probes(app: ASGIApp, probing: socket.socket) -> asyncio.Server:
    places = Connections(PROBE_CONNECTIONS, PROBE_CONNECTIONS, PROBE_CONNECTIONS, Proxies(""))
    probe_protocol = protocol(places, PROBE_HEAD_S)
    config = uvicorn.Config(
        app, http=probe_protocol, ws="none", lifespan="off", server_header=False, log_config=None, access_log=False,
        proxy_headers=False, limit_concurrency=PROBE_CONNECTIONS + 1,
    )  # fmt: skip
    config.load()
    state = ServerState()
    return await asyncio.get_running_loop().create_server(lambda: probe_protocol(config, state, {}), sock=probing)


def _listen_for_probes(settings: Settings) -> socket.socket | None:
    if settings.health_port is None:
        return None
    try:
        probing = listen_on(settings.health_host, settings.health_port)
    except BadInput as error:
        raise OperatorNeeded(
            f"the probes cannot listen on {settings.health_host}:{settings.health_port}. Operator action: give each "
            "process of a machine a different MARKETPULSE_HEALTH_PORT, and not the value of --port."
        ) from error
    log.info("probes", host=settings.health_host, port=probing.getsockname()[1])
    return probing


def _allow_descriptors(wanted: int) -> None:
    """Raise this process's soft limit of open files towards that, as far as its hard limit allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


def listen_on(host: str, port: int) -> socket.socket:
    """A listening socket whose connections end by themselves where the other side takes nothing any more.

    Without that a page that somebody opened and no longer reads would keep what was sent to it for as long as it likes.

    Raises:
        BadInput: the address cannot be listened on.
    """
    # With its protocol named: asyncio sends at once (TCP_NODELAY) only where it sees TCP, and an answer's second write
    # would else wait 40 ms for the other side's delayed acknowledgement.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNSENT_BYTES)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENT_MS)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, NOT_SENT_BYTES)
    try:
        listening.bind((host, port))
        listening.listen(BACKLOG)  # so that whoever reads the address may connect at once
    except OSError as error:
        listening.close()
        raise BadInput(f"{host}:{port}: {error}. Operator action: give another --host or --port.") from error
    return listening
