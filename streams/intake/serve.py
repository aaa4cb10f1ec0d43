"""The intake as a process: an address that is safe to listen on, a server that waits for no slow client, a drain."""

import asyncio
import logging
import signal
import sys
from collections.abc import Callable

from uvicorn.protocols.http.h11_impl import H11Protocol

from streams.errors import IntakeUnprotected
from streams.intake.app import create_intake
from streams.intake.gate import tokens_of
from streams.serving.access import check_address
from streams.serving.listening import run_server
from streams.settings import Settings
from streams.telemetry.logs import configure_logs

MOST_CONNECTIONS = 1_000
MOST_HEAD_BYTES = 16_384
KEEP_ALIVE_S = 30
"""How long a connection without a request stays open."""


class PatientProtocol(H11Protocol):
    """HTTP/1.1, with a limit on how long the head of a request may take: uvicorn has none."""

    head_s = 10.0
    _head: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The first head is awaited."""
        super().connection_made(transport)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is awaited any more."""
        super().connection_lost(exc)
        self._forget_head()

    def data_received(self, data: bytes) -> None:
        """A head may have ended, or begun."""
        super().data_received(data)
        self._watch_head()

    def on_response_complete(self) -> None:
        """The next head may begin as late as the keep-alive allows."""
        super().on_response_complete()
        self._forget_head()

    def _watch_head(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._forget_head()
        elif self._head is None:
            self._head = self.loop.call_later(self.head_s, self.transport.close)

    def _forget_head(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None


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
    run_server(
        create_intake(settings), host, port, say, MOST_CONNECTIONS,
        http=type("Protocol", (PatientProtocol,), {"head_s": settings.intake_client_seconds}), ws="none",
        log_config=None, access_log=False, limit_concurrency=MOST_CONNECTIONS,
        h11_max_incomplete_event_size=MOST_HEAD_BYTES, timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=int(settings.intake_client_seconds + settings.intake_ack_seconds) + 1,
    )  # fmt: skip
