"""The OpenAPI 3.1 document of the intake; `docs.generate.contracts` writes it."""

from collections.abc import Sequence
from typing import Any

import msgspec

from streams.intake.answers import Answer, Problem
from streams.intake.bodies import BATCH, JSON, LINES, SINGLE

EVENT = {"$ref": "./feedback.schema.json"}
_MEANINGS = {
    200: "Kafka has all events.",
    207: "Kafka has the accepted events; the refused ones break the contract, or the token's mapping makes no event of "
    "them; sending them again cannot help.",
    400: "No events, a body that is no JSON or no batch, or (without tokens) a name that is not this machine's.",
    401: "No token, or a wrong one.",
    408: "The body did not come in time.",
    413: "The body is too long, or holds too many events.",
    415: "A content type, charset or encoding that is not read; CloudEvents with a token that has a mapping.",
    422: "All events break the contract, or the token's mapping makes none.",
    429: "Over the quota of this token, too many of its requests at once, or too much on its way to Kafka: nothing was "
    "taken. Send it again after Retry-After.",
    431: "A ce- header is too long, or there are more than 100.",
    503: "Kafka does not answer, or did not acknowledge all events in time: send all of them again, with the same ids.",
}
"""Status -> what it says; 200, 207, 422 and (where something was sent) 503 have a result for each event."""
WITH_RESULTS, WITH_BOTH = (200, 207, 422), (503,)


_QUOTA = {
    "RateLimit-Policy": {"schema": {"type": "string"}, "description": "Quota of the token: q events within w seconds."},
    "RateLimit": {"schema": {"type": "string"}, "description": "Of it r events are left; all of it after t seconds."},
}
"""As in draft-ietf-httpapi-ratelimit-headers-10; not sent where there is no quota."""


def _content(status: int) -> dict[str, Any]:
    answer, problem = ({"$ref": f"#/components/schemas/{name}"} for name in ("Answer", "Problem"))
    schema = answer if status in WITH_RESULTS else {"oneOf": [answer, problem]} if status in WITH_BOTH else problem
    return {JSON: {"schema": schema}}


def _responses() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status, meaning in _MEANINGS.items():
        found[str(status)] = {"description": meaning, "content": _content(status)}
        headers = dict(_QUOTA) if status != 401 else {}
        if status in (429, 503):
            headers["Retry-After"] = {"schema": {"type": "integer"}, "description": "Seconds."}
        if headers:
            found[str(status)]["headers"] = headers
    return found


def openapi() -> dict[str, Any]:
    """The document: one path for events, three for probes and metrics."""
    _, schemas = msgspec.json.schema_components([Answer, Problem], ref_template="#/components/schemas/{name}")
    envelope = {"type": "object", "description": "A CloudEvent 1.0 with the event as its `data`."}
    batch = {"type": "array", "items": EVENT}
    records = {
        "type": ["object", "array"],
        "description": "Only with a token that has a mapping (MARKETPULSE_INTAKE_MAPPINGS): a record of the mapped "
        "software, an array of them, or an object with a list of them.",
    }
    bodies: dict[str, Any] = {
        JSON: {"schema": {"anyOf": [EVENT, batch, records]}},
        **{
            kind: {"schema": {"type": "string", "description": "One event, or with a mapping one record, a line."}}
            for kind in LINES
        },
        SINGLE: {"schema": envelope},
        BATCH: {"schema": {"type": "array", "items": envelope}},
    }
    text = {"type": "string"}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Marketpulse intake", "version": "1", "description": "Feedback events over HTTP."},
        "security": [{"token": []}],
        "paths": {
            "/v1/feedback": {
                "post": {
                    "summary": "Publish events; answered once Kafka has acknowledged them.",
                    "parameters": [
                        {"name": "traceparent", "in": "header", "schema": text,
                         "description": "W3C trace context; goes on with each event."},
                        {"name": "ce-specversion", "in": "header", "schema": text,
                         "description": "With other ce- headers: a CloudEvent in binary mode, the body is its data."},
                    ],
                    "requestBody": {"required": True, "content": bodies},
                    "responses": _responses(),
                }
            },
            "/livez": {"get": _probe("The process answers.")},
            "/readyz": {"get": _probe("Kafka answers; 503 while it does not.")},
            "/metrics": {
                "get": _probe("Metrics for Prometheus; 404 where there are several clients.", [{"token": []}])
            },
        },
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }  # fmt: skip


def _probe(summary: str, security: Sequence[object] = ()) -> dict[str, Any]:
    return {"summary": summary, "security": list(security), "responses": {"200": {"description": summary}}}
