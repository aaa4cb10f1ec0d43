"""The intake's web application: POST /v1/feedback, probes, metrics."""

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncIterator, Iterator

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from marketpulse.client.async_producer import RECORD_BYTES, AsyncProducer
from streams.intake.answers import answer_of, problem, response
from streams.intake.bodies import Refusal, kind_of, record_headers, trace_headers, values_of
from streams.intake.gate import MAX_BYTES_ON_WAY, Client, Gate
from streams.intake.kafka_watch import KafkaWatch
from streams.intake.mapped import records_of, send_through
from streams.intake.telemetry import IntakeTelemetry
from streams.serving.own_port import health_answer, metrics_answer, probes_app
from streams.serving.refused_tokens import RefusedTokens
from streams.settings import Settings
from streams.telemetry.logs import get_logger

CODES = {404: "not_found", 405: "method_not_allowed"}


AWAY = "Kafka does not answer"
"""The text for strangers; the log and the port of the probes name which broker, and why."""


class Intake:
    """Takes requests, and answers them once Kafka has their events."""

    def __init__(self, settings: Settings, producer: AsyncProducer, watch: KafkaWatch) -> None:
        self._settings = settings
        self._producer = producer
        self._watch = watch
        self._gate = Gate(settings)
        self._refused = RefusedTokens(get_logger("intake"), "intake_token_refused")
        self.working = 0
        self.telemetry = IntakeTelemetry(self, self._gate.names)

    @property
    def pending_bytes(self) -> int:
        """Bytes that Kafka has not acknowledged yet."""
        return self._producer.pending_bytes

    @property
    def ready(self) -> bool:
        """Whether Kafka answers."""
        return self._watch.problem is None

    async def feedback(self, request: Request) -> Response:
        """POST /v1/feedback: nothing is answered 2xx that Kafka has not acknowledged."""
        client = None
        try:
            client = self._client(request)
            answer = await self._taken(request, client)
        except Refusal as refusal:
            answer = problem(refusal)
            if client is not None and refusal.status == 429:
                self.telemetry.held_back(client.name)
        except ClientDisconnect:
            answer = problem(Refusal(400, "disconnected", "the body ended before its end"))
        if client is not None:
            answer.headers.update(client.headers())
        self.telemetry.answered(answer.status_code)
        return answer

    def _client(self, request: Request) -> Client:
        try:
            client = self._gate.client(request.headers)
            request.state.known = True  # see `serving.connections`
            return client
        except Refusal as refusal:
            if refusal.code == "wrong_token":
                self._refused(request)
            raise

    async def _taken(self, request: Request, client: Client) -> Response:
        began = time.monotonic()
        settings = self._settings
        kind = kind_of(request.headers)
        form, most = client.form, settings.intake_max_events
        headers = record_headers(request.headers, kind) if form is None else trace_headers(request.headers)
        if not self.ready:
            raise Refusal(503, "kafka_away", f"{AWAY}; nothing was taken")
        if self.working >= settings.intake_max_requests or self.pending_bytes > MAX_BYTES_ON_WAY:
            raise Refusal(429, "busy", "too much is on its way already; nothing was taken")
        with client.place(), self._counted():
            body = await _body(request, settings.intake_max_bytes, settings.intake_client_seconds)
            beforehand = client.take(len(body) // 1_024)  # reading a body costs time, whatever is in it
            binary = any(name == "ce_specversion" for name, _ in headers)
            values = values_of(body, kind, binary, most) if form is None else records_of(body, kind, form, most)
            size = sum(len(value) for value in values if isinstance(value, bytes))
            carried = RECORD_BYTES + sum(len(name) + len(value) for name, value in headers)  # by each record
            with self._gate.on_way(client, size + len(values) * carried):
                client.take(len(values) - beforehand)
                send = functools.partial(self._producer.send_many, headers=headers)
                outcomes = await send_through(form, values, send)
        status, answer = answer_of(outcomes)
        self.telemetry.events_answered(outcomes, time.monotonic() - began, client.name)
        return response(status, answer)

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        self.working += 1
        try:
            yield
        finally:
            self.working -= 1

    def problems(self) -> list[str]:
        """Why it is not ready, in full."""
        return [] if self._watch.problem is None else [self._watch.problem]

    async def livez(self, _: Request) -> Response:
        """200 as long as the event loop answers."""
        return health_answer([])

    async def readyz(self, _: Request) -> Response:
        """200 while Kafka answers, else 503; strangers may ask, so it names no address."""
        return health_answer([] if self.ready else [AWAY])

    async def metrics(self, request: Request) -> Response:
        """For Prometheus, with a token, unless they name other clients; all of it on the probes' own port."""
        try:
            self._client(request)
            if len(set(self._gate.names)) > 1:
                raise Refusal(404, "not_found", "metrics of several clients are on MARKETPULSE_HEALTH_PORT alone")
        except Refusal as refusal:
            return problem(refusal)
        return await metrics_answer(request, self.telemetry.registry)


async def _body(request: Request, most: int, within_s: float) -> bytes:
    """All of a request's body. Raises Refusal 413, 408."""
    too_long = Refusal(413, "too_long", f"the body is longer than {most} bytes")
    if int(request.headers.get("content-length", "0")) > most:
        raise too_long
    body = bytearray()
    try:
        async with asyncio.timeout(within_s):
            async for part in request.stream():
                body += part
                if len(body) > most:
                    raise too_long
    except TimeoutError:
        raise Refusal(408, "too_slow", f"the body did not come within {within_s:g} s") from None
    return bytes(body)


async def _other(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    answer = problem(Refusal(status, CODES.get(status, "refused"), "POST /v1/feedback takes events"))
    answer.headers.update(getattr(error, "headers", None) or {})
    return answer


def create_intake(settings: Settings, producer: AsyncProducer | None = None) -> Starlette:
    """The application; it begins without Kafka and goes on while Kafka is away.

    Args:
        settings: where Kafka is, tokens and bounds.
        producer: what sends; one of its own by default.
    """
    producer = producer or AsyncProducer(
        settings.kafka_servers, prefix=settings.prefix, timeout_s=settings.intake_ack_seconds
    )
    watch = KafkaWatch(producer)
    intake = Intake(settings, producer, watch)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        watch.start()
        try:
            yield
        finally:
            await watch.stop()
            await producer.close()

    application = Starlette(
        routes=[
            Route("/v1/feedback", intake.feedback, methods=["POST"]),
            Route("/livez", intake.livez),
            Route("/readyz", intake.readyz),
            Route("/metrics", intake.metrics),
        ],
        exception_handlers={HTTPException: _other},
        lifespan=lifespan,
    )
    application.state.probes = probes_app(intake.problems, intake.telemetry.registry)
    return application
