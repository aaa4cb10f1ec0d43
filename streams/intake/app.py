"""The intake's web application: POST /v1/feedback, probes, metrics."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from marketpulse.client.async_producer import MAX_PENDING_BYTES, AsyncProducer
from streams.intake.answers import answer_of, problem, response
from streams.intake.bodies import Refusal, kind_of, record_headers, values_of
from streams.intake.gate import Gate, tokens_of
from streams.intake.kafka_watch import KafkaWatch
from streams.intake.telemetry import IntakeTelemetry
from streams.settings import Settings
from streams.telemetry.instruments import exposition

CODES = {404: "not_found", 405: "method_not_allowed"}


class Health(msgspec.Struct, frozen=True):
    """What a probe answers."""

    status: str
    problems: list[str]


class Intake:
    """Takes requests, and answers them once Kafka has their events."""

    def __init__(self, settings: Settings, producer: AsyncProducer, watch: KafkaWatch) -> None:
        self._settings = settings
        self._producer = producer
        self._watch = watch
        self._gate = Gate(tokens_of(settings))
        self.working = 0
        self.telemetry = IntakeTelemetry(self)

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
        try:
            answer = await self._taken(request)
        except Refusal as refusal:
            answer = problem(refusal)
        except ClientDisconnect:
            answer = problem(Refusal(400, "disconnected", "the body ended before its end"))
        self.telemetry.answered(answer.status_code)
        return answer

    async def _taken(self, request: Request) -> Response:
        began = time.monotonic()
        settings = self._settings
        self._gate.check(request.headers)
        kind = kind_of(request.headers)
        headers = record_headers(request.headers, kind)
        if not self.ready:
            raise Refusal(503, "kafka_away", "Kafka does not answer; nothing was taken")
        if self.working >= settings.intake_max_requests or self.pending_bytes > MAX_PENDING_BYTES // 2:
            raise Refusal(429, "busy", "too much is on its way already; nothing was taken")
        self.working += 1
        try:
            body = await _body(request, settings.intake_max_bytes, settings.intake_client_seconds)
            binary = any(name == "ce_specversion" for name, _ in headers)
            values = values_of(body, kind, binary, settings.intake_max_events)
            outcomes = await self._producer.send_many(values, headers)
        finally:
            self.working -= 1
        status, answer = answer_of(outcomes)
        self.telemetry.told(outcomes, time.monotonic() - began)
        return response(status, answer)

    async def livez(self, _: Request) -> Response:
        """200 as long as the event loop answers."""
        return response(200, Health("ok", []))

    async def readyz(self, _: Request) -> Response:
        """200 while Kafka answers, else 503 and why."""
        wrong = self._watch.problem
        return response(200, Health("ok", [])) if wrong is None else response(503, Health("failing", [wrong]))

    async def metrics(self, request: Request) -> Response:
        """For Prometheus."""
        accept = request.headers.get("accept", "")
        body, content_type = await run_in_threadpool(exposition, self.telemetry.registry, accept)
        return Response(body, headers={"Content-Type": content_type})


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

    return Starlette(
        routes=[
            Route("/v1/feedback", intake.feedback, methods=["POST"]),
            Route("/livez", intake.livez),
            Route("/readyz", intake.readyz),
            Route("/metrics", intake.metrics),
        ],
        exception_handlers={HTTPException: _other},
        lifespan=lifespan,
    )
