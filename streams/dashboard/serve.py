"""The page as a process: an address that is safe to listen on, and a server on it."""

from collections.abc import Callable

import uvicorn

from streams.dashboard.app import create_page
from streams.dashboard.feed import MOST_CLIENTS
from streams.dashboard.security import check_address
from streams.serving.listening import address_shown, allow_descriptors, listen_on
from streams.settings import Settings


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
    say(address_shown(host, listening))
    allow_descriptors(2 * MOST_CLIENTS)
    config = uvicorn.Config(
        create_page(settings), log_level="warning", timeout_graceful_shutdown=2, server_header=False,
        limit_concurrency=MOST_CLIENTS + 1_000,
    )  # fmt: skip
    uvicorn.Server(config).run(sockets=[listening])
