"""What the intake answers: one result per event, or one problem for the whole request."""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
from starlette.responses import Response

from marketpulse.client.async_producer import Delivery, Outcome
from marketpulse.contract.decode import Rejected
from streams.intake.bodies import Refusal
from streams.intake.telemetry import ACCEPTED, REFUSED, UNACKNOWLEDGED

RETRY_AFTER_S = 1
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class EventResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one event of a request, the first has index 0; `code` and `message` say why it was not accepted.

    `accepted`: Kafka has it, at `partition` and `offset`. `refused`: it breaks the contract, or the token's mapping
    makes no event of it; `code` is that of a dead letter. `unacknowledged`: Kafka did not acknowledge it in time; it
    may be there, send it again with the same id.
    """

    index: int
    status: Literal["accepted", "refused", "unacknowledged"]
    id: str | None = None
    partition: int | None = None
    offset: int | None = None
    code: str | None = None
    message: str | None = None


class Answer(msgspec.Struct, frozen=True):
    """What became of a request's events: how many of each, and each in its order."""

    accepted: int
    refused: int
    unacknowledged: int
    results: list[EventResult]


class Problem(msgspec.Struct, frozen=True):
    """Why nothing of a request was taken: a stable code, and words."""

    code: str
    error: str


def answer_of(outcomes: Sequence[Outcome]) -> tuple[int, Answer]:
    """Status and content.

    Who looks at the status alone loses nothing: as soon as one event is unacknowledged it is 503, so that all are sent
    again (those that Kafka has are counted once by their ids); 207 only where sending again could not help.
    """
    results = [_result(index, one) for index, one in enumerate(outcomes)]
    accepted, refused, unacknowledged = (
        sum(one.status == status for one in results) for status in (ACCEPTED, REFUSED, UNACKNOWLEDGED)
    )
    status = 503 if unacknowledged else 200 if not refused else 207 if accepted else 422
    return status, Answer(accepted, refused, unacknowledged, results)


def _result(index: int, outcome: Outcome) -> EventResult:
    if isinstance(outcome, Delivery):
        return EventResult(index, "accepted", outcome.id, outcome.partition, outcome.offset)
    if isinstance(outcome, Rejected):
        return EventResult(index, "refused", code=outcome.code, message=str(outcome))
    message = "Kafka did not acknowledge it in time; send it again with the same id"
    return EventResult(index, "unacknowledged", code=outcome.code, message=message)


def response(
    status: int, content: msgspec.Struct, wait_s: int | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """JSON; 503 and 429 say when to come again: after `wait_s`, or 1 s."""
    more = dict(headers or {})
    if status in (429, 503):
        more["Retry-After"] = str(wait_s or RETRY_AFTER_S)
    return Response(
        msgspec.json.encode(content), status, headers=_HEADERS | more, media_type="application/json"
    )  # fmt: skip


def problem(refusal: Refusal) -> Response:
    """The answer to a request that is not worked on."""
    headers = {"WWW-Authenticate": "Bearer"} if refusal.status == 401 else {}
    if refusal.status == 408:
        headers["Connection"] = "close"  # what still comes of the body is not waited for
    return response(refusal.status, Problem(refusal.code, str(refusal)), refusal.wait_s, headers)
