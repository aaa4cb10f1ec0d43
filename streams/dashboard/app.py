"""The page's web application: its parts put together, started and stopped."""

import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from streams.dashboard import static_files
from streams.dashboard.actions import Actions, Write
from streams.dashboard.attempts import Attempts
from streams.dashboard.collector import PageCollector
from streams.dashboard.feed import Feed
from streams.dashboard.history import PageReader
from streams.dashboard.login import Doors
from streams.dashboard.render import Renderer
from streams.dashboard.routes import Views
from streams.dashboard.security import Guard, failed
from streams.dashboard.sessions import Sessions
from streams.dashboard.sse import Streams
from streams.kafka.compacted import write_all
from streams.serving.access import Proxies
from streams.serving.own_port import metrics_answer, probes_app
from streams.settings import Settings
from streams.telemetry.worker import Telemetry


def create_page(settings: Settings, reader: PageReader | None = None, write: Write = write_all) -> Starlette:
    """The application; it connects when it is started, and goes on while Redis is away.

    Args:
        settings: where Redis and Kafka are, and the token.
        reader: what is read; one of its own by default.
        write: puts silences into their topic.
    """
    reader = PageReader(settings.redis, settings.prefix) if reader is None else reader
    token = settings.page_token
    sessions, attempts = Sessions(None if token is None else token.get_secret_value()), Attempts()
    renderer, actions = Renderer(reader), Actions(settings, write)
    feed = Feed(reader, renderer)
    streams = Streams(feed, sessions, Proxies(settings.forwarded_allow))
    views = Views(feed, renderer, sessions, streams, actions)
    doors = Doors(views, renderer, sessions, attempts, actions)
    telemetry = Telemetry()
    telemetry.registry.register(PageCollector(feed))

    async def metrics(request: Request) -> Response:
        return await metrics_answer(request, telemetry.registry)

    def problems() -> list[str]:
        return [] if feed.error is None else [feed.error]

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await feed.start()
        try:
            yield
        finally:
            await feed.stop()
            await reader.close()

    application = Starlette(
        routes=[Route("/metrics", metrics), *views.routes(), *doors.routes(), *static_files.routes()],
        middleware=[Middleware(Guard, sessions=sessions, attempts=attempts, secure=settings.page_secure_cookie)],
        exception_handlers={Exception: failed},
        lifespan=lifespan,
    )
    application.state.probes = probes_app(problems, telemetry.registry)
    return application
