"""Probes and metrics of page and intake: on a port of their own, which no stranger can fill."""

from collections.abc import Callable

import msgspec
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from streams.serving.access import asks_loopback
from streams.serving.loopback import BAD_HOST, is_loopback
from streams.telemetry.instruments import exposition


class Health(msgspec.Struct, frozen=True):
    """What a probe answers."""

    status: str
    problems: list[str]


def health_answer(problems: list[str]) -> Response:
    """200 without problems, else 503 with them."""
    content = Health("failing" if problems else "ok", problems)
    return Response(
        msgspec.json.encode(content), 503 if problems else 200, media_type="application/json",
        headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"},
    )  # fmt: skip


async def metrics_answer(request: Request, registry: CollectorRegistry) -> Response:
    """What Prometheus reads."""
    body, content_type = await run_in_threadpool(exposition, registry, request.headers.get("accept", ""))
    return Response(body, headers={"Content-Type": content_type})


class _ThisMachine:
    """Answers only to names of this machine, so that no other site's name can be made to lead here."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not asks_loopback(Headers(scope=scope)):
            await JSONResponse(BAD_HOST, 400)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def probes_app(problems: Callable[[], list[str]], registry: CollectorRegistry, host: str) -> Starlette:
    """`/livez`, `/readyz`, `/metrics` without a token.

    Args:
        problems: says in full why the process is not ready.
        registry: what is measured.
        host: where they are served; on loopback only names of this machine are answered.
    """

    async def livez(_: Request) -> Response:
        return health_answer([])

    async def readyz(_: Request) -> Response:
        return health_answer(problems())

    async def metrics(request: Request) -> Response:
        return await metrics_answer(request, registry)

    return Starlette(
        routes=[Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", metrics)],
        middleware=[Middleware(_ThisMachine)] if is_loopback(host) else [],
    )
