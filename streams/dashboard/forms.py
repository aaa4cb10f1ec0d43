"""What a browser sends in: queries and forms, bounded and checked."""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request

from streams.errors import BadInput

MOST_BYTES = 8_192
MOST_FIELDS = 32
WITHIN_S = 10.0
"""How long a form may take to come."""


async def form_of(request: Request) -> dict[str, str]:
    """Fields of a urlencoded form; of a name given twice the last counts. Raises BadInput."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise BadInput("this is no form. Operator action: send application/x-www-form-urlencoded.")
    body = b""
    try:
        async with asyncio.timeout(WITHIN_S):
            async for piece in request.stream():
                body += piece
                if len(body) > MOST_BYTES:
                    raise BadInput(f"the form is too large. Operator action: send at most {MOST_BYTES} bytes.")
    except TimeoutError:
        raise BadInput(f"the form did not arrive within {WITHIN_S:g} s. Operator action: send it again.") from None
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS))
    except ValueError as error:
        raise BadInput(f"the form cannot be read: {error}. Operator action: send UTF-8.") from error


def asked_of(request: Request, **defaults: str) -> dict[str, str]:
    """The query's values of these names, each at most 64 characters; defaults for what is not there."""
    return {name: request.query_params.get(name, default)[:64] for name, default in defaults.items()}


def number_of(fields: Mapping[str, Any], name: str, least: float, most: float) -> float:
    """A field as a number within [least, most]. Raises BadInput."""
    text = str(fields.get(name, "")).strip()
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        words = name.replace("_", " ")
        raise BadInput(
            f"{words}: {text[:40]!r} will not do. Operator action: give a number from {least:g} to {most:g}."
        )
    return value
