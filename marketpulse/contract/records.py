"""Wire types of every topic on the main path: the only place that knows field names."""

from typing import Any, Literal

import msgspec

from marketpulse.contract.wire import CONTRACT_VERSION


class ClassifiedRecord(msgspec.Struct, frozen=True):
    """What the model said of one event, in `feedback.classified`; no text.

    `id` is topic-partition-offset of the event; at least once: for one id the highest `claim` counts. `score` in
    [0, 1] is the event's e, its rating mixed in; `user` a keyed hash in hexadecimal, `user_key` tells which key it was.
    """

    id: str
    claim: int
    market: str
    occurred_at: int
    label: str
    topic: str
    sentiment: dict[str, float]
    score: float
    model: str
    user: str | None = None
    lang: str | None = None
    user_key: str | None = None
    v: int = CONTRACT_VERSION


class Excerpt(msgspec.Struct, frozen=True):
    """A redacted, shortened text of one event, chosen by `order` (negative ones first, then by a hash of the id)."""

    order: int
    text: str
    label: str
    topic: str
    occurred_at: int


class RefusedAnswer(msgspec.Struct, frozen=True):
    """The allocator's newest answer where it is no plan: status `failed` or `infeasible`, and why; to which shift."""

    shift: str
    status: str
    why: str


class AlertRecord(msgspec.Struct, frozen=True):
    """The state that one alert came to in one step, in `market.alerts`; readers keep the highest `seq` per `id`."""

    id: str
    seq: int
    kind: str
    market: str
    state: Literal["pending", "firing", "resolved"]
    started_at: int
    fired_at: int | None
    ended_at: int | None = None
    topic: str | None = None
    evidence: dict[str, Any] = {}
    v: int = CONTRACT_VERSION


class ShiftRecord(msgspec.Struct, frozen=True):
    """A threshold shift in `market.shifts`, with the metrics of all markets at that step.

    `n` (events of the last 24 h), `u_se` and `r_se` (standard errors) per market say how sure u and r are.
    """

    id: str
    seq: int
    cause: Literal["initial", "shift", "profile"]
    market: str | None
    stream_time: int
    u: dict[str, float]
    r: dict[str, float | None]
    evidence: dict[str, Any] = {}
    profiles: int = 0  # offset in market.profiles up to which the answer must have read
    n: dict[str, int] = {}
    u_se: dict[str, float] = {}
    r_se: dict[str, float] = {}
    v: int = CONTRACT_VERSION


class AllocationRecord(msgspec.Struct, frozen=True):
    """One answer of the allocator in `market.allocations`: adopted or rejected, with why."""

    id: str
    seq: int
    cause: Literal["initial", "shift", "profile"]
    market: str | None
    stream_time: int
    status: str
    adopted: bool
    spend: dict[str, float]
    moves: dict[str, float]
    allocation: dict[str, Any]
    why: str = ""
    v: int = CONTRACT_VERSION


class MetricsRecord(msgspec.Struct, frozen=True):
    """One market's metrics at one step, in `market.metrics` and in Redis; times in epoch ms.

    `newest_event` is the market's newest event time, `published_at` minus `stream_time` how stale the record was when
    it was written. `reliability` holds per language of the last 24 h its share of events and what the model's
    development set says of it. Flags: `warming` (fewer than 100 events in 24 h, or for an hour or 500 events after the
    model changed), `degraded` (a worker's model, device or key of user hashes is not what it should be), `key_changed`
    (a window, or what r compares it with, spans a change of that key: no users, no trend and no r there).
    """

    market: str
    step: int
    stream_time: int
    published_at: int
    newest_event: int | None
    metrics: dict[str, Any]
    model: str
    model_sha256: str
    reliability: dict[str, dict[str, float]] = {}
    flags: tuple[str, ...] = ()
    v: int = CONTRACT_VERSION


PREFIX = "allocation-"  # of an answer's id; the shift's id follows


class _Head(msgspec.Struct):
    id: str
    status: str
    why: str


def refused_of(content: bytes) -> RefusedAnswer | None:
    """What an answer (JSON of an AllocationRecord) refused; None where it is a plan or says that too little moves."""
    head = msgspec.json.decode(content, type=_Head)
    if head.status not in ("failed", "infeasible"):
        return None
    return RefusedAnswer(head.id.removeprefix(PREFIX), head.status, head.why)
