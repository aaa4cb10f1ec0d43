"""A worker with MARKETPULSE_TRACES links its batches with producers' traces and sends its spans by OTLP."""

import asyncio
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from streams.dev.embedded.servers import EmbeddedStack
from streams.dev.embedded.supervisor import Supervisor
from streams.dev.run import worker_environment
from streams.recovery.first_start import set_up
from streams.settings import load_settings
from tests.support.waiting import until

service = pytest.importorskip(
    "opentelemetry.proto.collector.trace.v1.trace_service_pb2", reason="needs the extra otel: make setup installs it"
)

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Collector(HTTPServer):
    """Takes OTLP over HTTP on a free port; keeps the names of spans and the services that sent them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Taker)
        self.spans: list[tuple[str, str, str]] = []  # trace, parent, name
        self.links: set[tuple[str, str, str]] = set()  # name, linked trace and span
        self.resources: set[tuple[str, str]] = set()


class Taker(BaseHTTPRequestHandler):
    """One request of an exporter."""

    server: Collector

    def do_POST(self) -> None:
        asked = service.ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        for resource in asked.resource_spans:
            self.server.resources |= {(one.key, one.value.string_value) for one in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.server.spans += [(one.trace_id.hex(), one.parent_span_id.hex(), one.name) for one in scope.spans]
                self.server.links |= {
                    (one.name, link.trace_id.hex(), link.span_id.hex()) for one in scope.spans for link in one.links
                }
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing: requests are no news."""


async def publish(kafka: str, topic: str) -> None:
    """One event of a producer that traces."""
    now_ms = time.time_ns() // 1_000_000
    event = b'{"id":"e1","market":"BR","text":"bom","occurred_at":%d}' % now_ms
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    try:
        await producer.send_and_wait(topic, event, headers=[("traceparent", f"00-{TRACE}-{SPAN}-01".encode())])
    finally:
        await producer.stop()


def test_spans_arrive_with_links_to_the_producers_trace(stack: EmbeddedStack, prefix: str, tmp_path: Path) -> None:
    """The batch in a trace of its own, linked with the producer's span, its stages below it; steps likewise."""
    settings = load_settings(prefix=prefix, model="stub", traces=True, step_seconds=0.2)
    asyncio.run(set_up(stack.endpoints, prefix, 1))
    with Collector() as collector:
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        environment = worker_environment(settings, stack.endpoints) | {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}",
            "OTEL_BSP_SCHEDULE_DELAY": "200",
        }
        supervisor = Supervisor(1, environment, tmp_path, lambda _: None)
        supervisor.start()
        try:
            asyncio.run(publish(stack.endpoints.kafka, f"{prefix}.feedback"))
            wanted = {"marketpulse.batch", "marketpulse.step"}
            until(lambda: wanted <= {name for _, _, name in collector.spans}, 60, what=lambda: collector.spans)
        finally:
            supervisor.stop()
            collector.shutdown()
    assert {("marketpulse.batch", TRACE, SPAN)} == collector.links
    [batch] = {trace for trace, parent, name in collector.spans if name == "marketpulse.batch" and not parent}
    assert "marketpulse.commit" in {name for trace, _, name in collector.spans if trace == batch}
    assert {TRACE, batch}.isdisjoint(trace for trace, _, name in collector.spans if name == "marketpulse.step")
    assert {("service.name", "marketpulse-worker"), ("service.namespace", prefix)} <= collector.resources
