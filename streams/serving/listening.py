"""A web application as a process: its listening socket, how many connections it may have, its server."""

import resource
import socket
from collections.abc import Callable
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from streams.errors import BadInput

SILENT_MS = 30_000
"""A client that takes nothing for so long loses its connection; its browser comes back by itself and resumes."""
BACKLOG = 1_024
UNSENT_BYTES = 131_072
"""What the system holds for one client beside the process, so that 1,000 slow ones do not cost gigabytes there."""


def run_server(
    app: ASGIApp, host: str, port: int, say: Callable[[str], object], connections: int, **options: Any
) -> None:
    """Serve an application until SIGTERM or Ctrl-C.

    Args:
        app: what answers.
        host: address to listen on.
        port: 0 = any free one.
        say: called with the URL once it listens.
        connections: expected at most.
        options: of `uvicorn.Config`.

    Raises:
        BadInput: the address cannot be listened on.
    """
    listening = listen_on(host, port)
    say(f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}/")
    _allow_descriptors(2 * connections)
    uvicorn.Server(uvicorn.Config(app, server_header=False, **options)).run(sockets=[listening])


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
    try:
        listening.bind((host, port))
        listening.listen(BACKLOG)  # so that whoever reads the address may connect at once
    except OSError as error:
        listening.close()
        raise BadInput(f"{host}:{port}: {error}. Operator action: give another --host or --port.") from error
    return listening
