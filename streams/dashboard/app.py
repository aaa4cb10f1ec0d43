"""The page's web application: one document, its script and style, a stream of views, health."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streams.dashboard.hub import Hub
from streams.reader import AsyncReader
from streams.scrape import PageCollector
from streams.settings import Settings
from streams.telemetry import Telemetry, exposition

STATIC = Path(__file__).parent / "static"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class SafeHeaders:
    """Adds the headers that keep a page from running or loading what is not its own; streams pass unbuffered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, with the headers added to each response."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def create_page(settings: Settings) -> Starlette:
    """The application; it connects when it is started, and goes on while Redis is away."""
    reader = AsyncReader(settings.redis, settings.prefix)
    hub = Hub(reader)

    async def page(_: Request) -> Response:
        return FileResponse(STATIC / "index.html")

    async def events(_: Request) -> Response:
        async def stream() -> AsyncIterator[ServerSentEvent]:
            async for number, view in hub.views():
                yield ServerSentEvent(data=view.decode(), id=str(number), event="view")

        return EventSourceResponse(stream(), ping=10)

    async def view(_: Request) -> Response:
        if not hub.view:
            return JSONResponse({"error": hub.error}, status_code=503)
        return Response(hub.view, media_type="application/json")

    telemetry = Telemetry()
    telemetry.registry.register(PageCollector(hub))

    async def metrics(request: Request) -> Response:
        body, content_type = await run_in_threadpool(exposition, telemetry.registry, request.headers.get("accept", ""))
        return Response(body, headers={"Content-Type": content_type})

    async def health(_: Request) -> Response:
        return JSONResponse({"ready": hub.error is None, "error": hub.error}, status_code=503 if hub.error else 200)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await hub.start()
        try:
            yield
        finally:
            await hub.stop()
            await reader.close()

    return Starlette(
        routes=[
            Route("/", page),
            Route("/events", events),
            Route("/view.json", view),
            Route("/healthz", health),
            Route("/metrics", metrics),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[Middleware(SafeHeaders)],
        lifespan=lifespan,
    )
