"""A request's body and headers in, the values and headers of Kafka records out; what cannot be read is refused."""

import re
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import unquote

import msgspec
from starlette.datastructures import Headers as HttpHeaders

from marketpulse.contract.decode import repaired

SINGLE = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
JSON = "application/json"
LINES = ("application/x-ndjson", "application/ndjson", "application/jsonl")
MOST_HEADER_CHARACTERS = 1_024
MOST_ATTRIBUTES = 100
"""Of a CloudEvent in binary mode: workers take no record with more than 500 headers."""

T = TypeVar("T")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_array = msgspec.json.Decoder(list[msgspec.Raw])
BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError)
"""What msgspec raises for what is no JSON, or goes too deep."""


class Refusal(Exception):
    """A request that is not worked on: HTTP status, stable code, words; `wait_s` where it may come again later."""

    def __init__(self, status: int, code: str, message: str, wait_s: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.wait_s = wait_s


def kind_of(headers: HttpHeaders) -> str:
    """The content type without its parameters. Raises Refusal 415 where the intake does not read it."""
    kind, _, parameters = headers.get("content-type", "").lower().partition(";")
    kind = kind.strip()
    if kind not in (SINGLE, BATCH, JSON, *LINES):
        raise Refusal(
            415, "unsupported_type", f"content types that are read: {', '.join((JSON, *LINES, SINGLE, BATCH))}"
        )
    charset = re.search(r'charset\s*=\s*"?([^";\s]+)', parameters)
    if charset and charset[1] not in ("utf-8", "utf8"):
        raise Refusal(415, "unsupported_charset", "only UTF-8 is read")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Refusal(415, "unsupported_encoding", "compressed bodies are not read")
    return kind


def trace_headers(headers: HttpHeaders) -> list[tuple[str, bytes]]:
    """The trace, which goes on into the records' Kafka headers."""
    found: list[tuple[str, bytes]] = []
    if _TRACEPARENT.fullmatch(parent := headers.get("traceparent", "")):
        found.append(("traceparent", parent.encode()))
        if (state := headers.get("tracestate")) and len(state) <= 512:
            found.append(("tracestate", state.encode()))
    return found


def record_headers(headers: HttpHeaders, kind: str) -> list[tuple[str, bytes]]:
    """What goes on into the records' Kafka headers: the trace, and a CloudEvent's attributes in binary mode."""
    found = trace_headers(headers)
    if kind != JSON or "ce-specversion" not in headers:
        return found  # every record carries these: a batch would repeat them for each of its events
    attributes = [
        (f"ce_{name[3:]}", unquote(value).encode("utf-8", "replace"))
        for name, value in headers.items()
        if name.startswith("ce-")
    ]
    if len(attributes) > MOST_ATTRIBUTES:
        raise Refusal(431, "too_many_headers", f"more than {MOST_ATTRIBUTES} ce- headers")
    if any(len(name) + len(value) > MOST_HEADER_CHARACTERS for name, value in attributes):
        raise Refusal(431, "header_too_long", f"a ce- header has more than {MOST_HEADER_CHARACTERS} characters")
    return [*found, *attributes, ("content-type", kind.encode())]


def values_of(body: bytes, kind: str, binary: bool, most: int) -> list[bytes]:
    """The events of a body, each as its own bytes; whether they keep the contract is not looked at here.

    Args:
        body: what was sent.
        kind: its content type, one that `kind_of` knows.
        binary: a CloudEvent in binary mode: the body is one event's data.
        most: more events than that are refused.

    Raises:
        Refusal: no events, too many, or a batch that is none.
    """
    if kind in LINES:
        values = [line.removesuffix(b"\r") for line in body.split(b"\n") if line.strip()]
    elif kind == BATCH or (kind == JSON and not binary and body.lstrip(b" \t\r\n").startswith(b"[")):
        values = _elements(body)
    else:
        values = [body] if body.strip() else []
    return bounded(values, most)


def bounded(values: list[T], most: int) -> list[T]:
    """The same values. Raises Refusal where there are none, or more than the most."""
    if not values:
        raise Refusal(400, "no_events", "there is no event in the request")
    if len(values) > most:
        raise Refusal(413, "too_many_events", f"the request has {len(values)} events, at most {most} are taken")
    return values


def _elements(body: bytes) -> list[bytes]:
    try:
        return taken_apart(body, lambda value: [bytes(one) for one in _array.decode(value)])
    except msgspec.ValidationError:
        raise Refusal(400, "not_an_array", "a batch is a JSON array of events") from None
    except BROKEN:
        raise Refusal(400, "not_json", "the body is not UTF-8 JSON") from None


def taken_apart(value: bytes, read: Callable[[bytes], list[bytes]]) -> list[bytes]:
    """What `read` makes of JSON, also where one of the texts inside was cut within a surrogate pair.

    Raises:
        msgspec.ValidationError: it is JSON of another form.
        msgspec.DecodeError: it is no JSON, and the others of `BROKEN`.
    """
    try:
        return read(value)
    except msgspec.ValidationError:
        raise
    except BROKEN:
        return read(repaired(value))
