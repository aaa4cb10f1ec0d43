"""The page as a process: an address that is safe to listen on, and a server on it."""

from collections.abc import Callable

from streams.dashboard.app import create_page
from streams.dashboard.feed import MOST_CLIENTS
from streams.errors import Unprotected
from streams.serving.access import check_address
from streams.serving.listening import Limits, run_server
from streams.settings import Settings
from streams.telemetry.logs import configure_logs

MAX_OF_CLIENT = 300
HEAD_S = 10.0


def serve(settings: Settings, host: str, port: int, say: Callable[[str], object]) -> None:
    """Serve the page until SIGTERM or Ctrl-C; arguments as of `run_server`.

    Raises:
        Unprotected: the address is not loopback and there is no token.
        BadInput: the address cannot be listened on.
    """
    configure_logs(settings)
    check_address(host, settings.page_token is not None, Unprotected)
    application = create_page(settings)
    limits = Limits(MOST_CLIENTS + 1_000, MAX_OF_CLIENT, HEAD_S)
    run_server(
        application, host, port, say, settings, limits, application.state.probes,
        log_level="error", timeout_graceful_shutdown=2,  # it warns of every client that speaks no HTTP
    )  # fmt: skip
