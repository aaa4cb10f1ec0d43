"""Files that are served as they are: the page's own script and style, and Plotly's script from its Python package."""

import gzip
import re
from functools import cache
from importlib.metadata import version
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

FOLDER = Path(__file__).parent / "static"
PLOTLY_PATH = f"/static/plotly-{version('plotly')}.min.js"
"""Named after its version, so that browsers may keep it for ever."""


@cache
def packed_plotly() -> bytes:
    """Plotly's script, compressed once: 1.5 MB instead of 4.8."""
    from plotly.offline import get_plotlyjs

    return gzip.compress(get_plotlyjs().encode(), 6)


@cache
def plotly_styles() -> tuple[str, ...]:
    """Ids of the style elements that Plotly's script adds for maps unless the document has them already.

    The page draws no maps, and its policy refuses such elements: an empty one with the same id stands in for each.
    """
    from plotly.offline import get_plotlyjs

    return tuple(dict.fromkeys(re.findall(r'document\.getElementById\("([0-9a-f]{64})"\)', get_plotlyjs())))


def plotly_script(request: Request) -> Response:
    """Plotly's script, to be kept for a year; Starlette runs this in a thread."""
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
    content = packed_plotly()
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
    else:
        content = gzip.decompress(content)
    return Response(content, media_type="text/javascript", headers=headers)


def routes() -> list[Route | Mount]:
    """Addresses of everything static."""
    return [Route(PLOTLY_PATH, plotly_script), Mount("/static", StaticFiles(directory=FOLDER))]
