"""The intake as a process: an address that is safe to listen on, a server that waits for no slow client, a drain."""

import logging
import signal
import sys
from collections.abc import Callable

from streams.errors import IntakeUnprotected
from streams.intake.app import create_intake
from streams.intake.gate import tokens_of
from streams.serving.access import check_address
from streams.serving.listening import Limits, run_server
from streams.settings import Settings
from streams.telemetry.logs import configure_logs

MAX_CONNECTIONS = 1_000
MAX_OF_CLIENT = 250
KEEP_ALIVE_S = 30
"""How long a connection without a request stays open."""


def serve(settings: Settings, host: str, port: int, say: Callable[[str], object]) -> None:
    """Serve the intake until SIGTERM or Ctrl-C, and finish what is in flight; arguments as of `run_server`.

    Raises:
        IntakeUnprotected: the address is not loopback and there is no token.
        BadInput: the address cannot be listened on.
    """
    configure_logs(settings)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it says every try of an outage
    logging.getLogger("uvicorn").setLevel(logging.ERROR)  # it warns of every client that speaks no HTTP
    check_address(host, bool(tokens_of(settings)), IntakeUnprotected)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))  # uvicorn raises the signal again when all is finished
    application = create_intake(settings)
    run_server(
        application, host, port, say, settings,
        Limits(MAX_CONNECTIONS, MAX_OF_CLIENT, settings.intake_client_seconds), application.state.probes,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=int(settings.intake_client_seconds + settings.intake_ack_seconds) + 1,
    )  # fmt: skip
