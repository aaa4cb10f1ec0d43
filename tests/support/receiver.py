"""A receiver of HTTP requests on loopback that answers as it is told, and remembers what it was sent."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import NamedTuple

from streams.dev.embedded.servers import free_port


class Got(NamedTuple):
    """One request and the status it was answered with."""

    path: str
    headers: dict[str, str]
    body: bytes
    status: int


class Receiver:
    """Listens on one port, also after it was closed and opened again; `script` holds the next answers, then 204.

    An answer is a status, a status with headers, or None for none at all while `hang_s` lasts.
    """

    def __init__(self, hang_s: float = 3.0) -> None:
        self.port = free_port()
        self.got: list[Got] = []
        self.script: list[int | tuple[int, dict[str, str]] | None] = []
        self._hang_s = hang_s
        self._server: ThreadingHTTPServer | None = None

    def open(self) -> None:
        """Begin to listen."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                answer = receiver.script.pop(0) if receiver.script else 204
                if answer is None:
                    time.sleep(receiver._hang_s)
                status, headers = answer if isinstance(answer, tuple) else (answer or 204, {})
                lowered = {name.lower(): value for name, value in self.headers.items()}
                receiver.got.append(Got(self.path, lowered, body, 0 if answer is None else status))
                if answer is None:
                    return
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Refuse connections from now on."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @property
    def taken(self) -> list[Got]:
        """Requests that were answered with 2xx."""
        return [one for one in self.got if 200 <= one.status < 300]

    def __enter__(self) -> "Receiver":
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
