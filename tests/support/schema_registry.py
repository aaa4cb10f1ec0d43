"""The HTTP contract of a Schema Registry on loopback, as its producers and readers use it; kept in memory."""

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from streams.dev.embedded.servers import free_port


class SchemaRegistry:
    """Gives ids to schemas, and schemas by ids; `script` holds the statuses or bodies of the next answers to GET.

    What confluent-kafka registers of Protobuf are descriptors already, so that both formats are the same here.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.port = free_port()
        self.asked: list[tuple[str, str | None]] = []
        self.script: list[int | bytes] = []
        self._tls = tls
        self._schemas: list[dict[str, Any]] = []
        self._subjects: dict[str, list[int]] = {}
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}"

    def add(self, kind: str, schema: str, subject: str = "s", references: list[dict[str, Any]] | None = None) -> int:
        """A schema's id."""
        content = {"schema": schema, "schemaType": kind, "references": references or []}
        if content not in self._schemas:
            self._schemas.append(content)
        number = self._schemas.index(content) + 1
        versions = self._subjects.setdefault(subject, [])
        if number not in versions:
            versions.append(number)
        return number

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        """Status and JSON."""
        match [unquote(part) for part in urlsplit(path).path.split("/")[1:]]:
            case ["schemas", "ids", number] if method == "GET":
                if 0 < int(number) <= len(self._schemas):
                    return 200, self._schemas[int(number) - 1]
                return 404, {"error_code": 40403, "message": "Schema not found"}
            case ["subjects", subject, "versions", version] if method == "GET":
                if int(version) <= len(self._subjects.get(subject, [])):
                    return 200, self._version(subject, int(version))
                return 404, {"error_code": 40402, "message": "Version not found"}
            case ["subjects", subject, *_] if method == "POST":
                given = json.loads(body)
                number = self.add(given.get("schemaType", "AVRO"), given["schema"], subject, given.get("references"))
                return 200, self._version(subject, self._subjects[subject].index(number) + 1)
        return 404, {"error_code": 404, "message": "HTTP 404 Not Found"}

    def _version(self, subject: str, version: int) -> dict[str, Any]:
        number = self._subjects[subject][version - 1]
        return {"subject": subject, "version": version, "id": number} | self._schemas[number - 1]

    def __enter__(self) -> "SchemaRegistry":
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 65_536  # head and body at once, or the client acknowledges the head first

            def do_GET(self) -> None:
                registry.asked.append((self.path, self.headers.get("Authorization")))
                scripted = registry.script.pop(0) if registry.script else 200
                if isinstance(scripted, bytes):
                    self._send(200, scripted)
                elif scripted != 200:
                    self._send(scripted, b"{}")
                else:
                    self._answer("GET", b"")

            def do_POST(self) -> None:
                self._answer("POST", self.rfile.read(int(self.headers.get("Content-Length", 0))))

            def _answer(self, method: str, body: bytes) -> None:
                status, content = registry.answer(method, self.path, body)
                self._send(status, json.dumps(content).encode())

            def _send(self, status: int, content: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        if self._tls is not None:
            self._server.socket = self._tls.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()
