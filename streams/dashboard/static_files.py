"""Files that are served as they are: the page's own script and style, and Plotly's script from its Python package."""

import gzip
import re
import threading
from collections.abc import AsyncIterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

FOLDER = Path(__file__).parent / "static"
PLOTLY_PATH = f"/static/plotly-{version('plotly')}.min.js"
"""Named after its version, so that browsers may keep it for ever."""
PIECE_BYTES = 65_536
_MAKING = threading.Lock()


@cache
def _plotly() -> tuple[bytes, bytes]:
    """Plotly's script as it is (4.8 MB) and compressed (1.5 MB), made once."""
    from plotly.offline import get_plotlyjs

    plain = get_plotlyjs().encode()
    return plain, gzip.compress(plain, 6)


@cache
def plotly_styles() -> tuple[str, ...]:
    """Ids of the style elements that Plotly's script adds for maps unless the document has them already.

    The page draws no maps, and its policy refuses such elements: an empty one with the same id stands in for each.
    """
    from plotly.offline import get_plotlyjs

    return tuple(dict.fromkeys(re.findall(r'document\.getElementById\("([0-9a-f]{64})"\)', get_plotlyjs())))


def plotly_script(request: Request) -> Response:
    """Plotly's script, to be kept for a year; Starlette runs this in a thread.

    In pieces, each sent when the client has taken the one before: whoever reads nothing holds one piece in memory.
    """
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
    with _MAKING:  # once, however many ask first
        plain, packed = _plotly()
    content = plain
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        content = packed
    headers["Content-Length"] = str(len(content))
    return StreamingResponse(_pieces(content), media_type="text/javascript", headers=headers)


async def _pieces(content: bytes) -> AsyncIterator[memoryview]:
    view = memoryview(content)
    for at in range(0, len(view), PIECE_BYTES):
        yield view[at : at + PIECE_BYTES]


def routes() -> list[Route | Mount]:
    """Addresses of everything static."""
    return [Route(PLOTLY_PATH, plotly_script), Mount("/static", StaticFiles(directory=FOLDER))]
