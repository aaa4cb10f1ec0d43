"""OpenTelemetry spans of batches and steps, for workers with the extra `otel`; without it all of this does nothing.

A batch's span begins a new trace and is linked with the `traceparent` in its records' Kafka headers. It is never
the child of one: any producer could then put a whole batch into a trace, or by its flag keep it out of all of them.
Which are sampled is decided here alone, as OTEL_TRACES_SAMPLER says.
"""

import os
import socket
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from marketpulse.errors import OperatorNeeded

MOST_LINKS = 128
WITHOUT_TEXTS: Any = {"record_exception": False, "set_status_on_exception": False}
"""Spans get no message of an exception: it may quote what a user wrote."""
PARENT = "traceparent"
LONGEST_PARENT = 55
"""Bytes of a `traceparent` of W3C's version 00."""


class Traces:
    """Spans of one process, made by an OpenTelemetry tracer; without a tracer no method does anything."""

    def __init__(self, tracer: Any = None) -> None:
        self._tracer = tracer
        self.on = tracer is not None

    def batch(self, records: Iterable[Any]) -> Any:
        """The span of one partition batch, begun and not ended: it travels with the batch. None without a tracer."""
        if self._tracer is None:
            return None
        from opentelemetry import trace
        from opentelemetry.context import Context

        spans = [trace.get_current_span(one) for one in _contexts(records)]
        return self._tracer.start_span(
            "marketpulse.batch",
            context=Context(),
            links=[trace.Link(span.get_span_context()) for span in spans],
            kind=trace.SpanKind.CONSUMER,
        )

    def inside(self, span: Any) -> AbstractContextManager[object]:
        """What is done inside belongs to a batch's span."""
        if span is None:
            return nullcontext()
        from opentelemetry import trace

        within: AbstractContextManager[object] = trace.use_span(span, end_on_exit=False, **WITHOUT_TEXTS)
        return within

    def end(self, span: Any, **attributes: str | int) -> None:
        """A batch was committed or given up."""
        if span is not None:
            span.set_attributes({f"marketpulse.{name}": value for name, value in attributes.items()})
            span.end()

    def step(self, number: int) -> AbstractContextManager[object]:
        """The span of one roll-up step: a trace of its own."""
        if self._tracer is None:
            return nullcontext()
        attributes = {"marketpulse.step": number}
        span: AbstractContextManager[object] = self._tracer.start_as_current_span(
            "marketpulse.step", None, attributes=attributes, **WITHOUT_TEXTS
        )
        return span

    def stage(self, name: str) -> AbstractContextManager[object]:
        """A child of the batch's or step's span that is current; nothing outside of one."""
        if self._tracer is None:
            return nullcontext()
        from opentelemetry import trace

        if not trace.get_current_span().is_recording():
            return nullcontext()
        span: AbstractContextManager[object] = self._tracer.start_as_current_span(
            f"marketpulse.{name}", **WITHOUT_TEXTS
        )
        return span


def _contexts(records: Iterable[Any]) -> list[Any]:
    """The distinct contexts of the records' headers, in the order in which they come; those that do not parse, not."""
    from opentelemetry import trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carriers = dict[bytes, dict[str, str]]()
    for record in records:
        headers = dict(record.headers)
        # `tracestate` stays behind: a link needs none, and the propagator logs what it cannot read of it.
        parent = headers.get(PARENT) or b""
        if 0 < len(parent) <= LONGEST_PARENT and parent not in carriers and len(carriers) < MOST_LINKS:
            carriers[parent] = {PARENT: parent.decode("ascii", "replace")}
    found = [TraceContextTextMapPropagator().extract(carrier) for carrier in carriers.values()]
    return [one for one in found if trace.get_current_span(one).get_span_context().is_valid]


def exported_traces(prefix: str) -> Traces:
    """Spans that are sent by OTLP over HTTP, as the environment variables OTEL_* say. Raises OperatorNeeded."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise OperatorNeeded(
            f"MARKETPULSE_TRACES is set, but {error.name} is not installed. "
            "Operator action: install the extra `otel` (pip install 'marketpulse[otel]'), or unset it."
        ) from error
    named = {
        "service.name": "marketpulse-worker",
        "service.namespace": prefix,
        "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
    }
    provider = TracerProvider(resource=Resource.create(named))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Traces(provider.get_tracer("marketpulse"))
