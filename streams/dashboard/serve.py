"""The page as a process: an address that is safe to listen on, and a server on it."""

import resource
import socket
from collections.abc import Callable

import uvicorn

from streams.dashboard.app import create_page
from streams.dashboard.feed import MOST_CLIENTS
from streams.dashboard.security import check_address
from streams.errors import BadInput
from streams.settings import Settings

SILENT_MS = 30_000
"""A client that takes nothing for so long loses its connection; its browser comes back by itself and resumes."""
BACKLOG = 1_024
UNSENT_BYTES = 131_072
"""What the system holds for one client beside the process, so that 1,000 slow ones do not cost gigabytes there."""


def serve(settings: Settings, host: str, port: int, say: Callable[[str], object]) -> None:
    """Serve the page until SIGTERM or Ctrl-C.

    Args:
        settings: where Redis and Kafka are, and the token.
        host: address to listen on.
        port: 0 = any free one.
        say: told the page's address once it listens.

    Raises:
        Unprotected: the address is not loopback and there is no token.
        BadInput: the address cannot be listened on.
    """
    check_address(host, None if settings.page_token is None else settings.page_token.get_secret_value())
    listening = listen_on(host, port)
    shown = f"[{host}]" if ":" in host else host
    say(f"http://{shown}:{listening.getsockname()[1]}/")
    allow_descriptors(2 * MOST_CLIENTS)
    config = uvicorn.Config(
        create_page(settings), log_level="warning", timeout_graceful_shutdown=2, server_header=False,
        limit_concurrency=MOST_CLIENTS + 1_000,
    )  # fmt: skip
    uvicorn.Server(config).run(sockets=[listening])


def allow_descriptors(wanted: int) -> None:
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
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
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
