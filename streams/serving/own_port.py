"""Probes and metrics of page and intake: on a port of their own, which no stranger can fill."""

from collections.abc import Callable

import msgspec
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
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


def served_on(host: str, app: ASGIApp) -> ASGIApp:
    """An application without a login as it may be served on an address: on loopback to names of this machine alone.

    Otherwise another site's name could be made to lead here, and a browser of this machine would read for that site.
    """

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        answer = app if asks_loopback(Headers(scope=scope)) else JSONResponse(BAD_HOST, 400)
        await answer(scope, receive, send)

    return guarded if is_loopback(host) else app


def probes_app(problems: Callable[[], list[str]], registry: CollectorRegistry) -> Starlette:
    """`/livez`, `/readyz`, `/metrics` without a token; `problems` says in full why the process is not ready."""

    async def livez(_: Request) -> Response:
        return health_answer([])

    async def readyz(_: Request) -> Response:
        return health_answer(problems())

    async def metrics(request: Request) -> Response:
        return await metrics_answer(request, registry)

    return Starlette(routes=[Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", metrics)])
