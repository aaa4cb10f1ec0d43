"""Wire types of every topic on the main path: the only place that knows field names."""

from typing import Annotated, Literal, get_args

import msgspec

from marketpulse.contract.alert_kinds import ALERTS
from marketpulse.contract.allocation import Allocation, Basis, Status
from marketpulse.contract.metrics import MarketMetrics
from marketpulse.contract.wire import CONTRACT_VERSION, EpochMs, Evidence, Label, MarketCode, Version, described


class ClassifiedRecord(msgspec.Struct, frozen=True):
    """What the model said of one event, in `feedback.classified`; no text.

    At least once: of the records with one id the one with the highest `claim` counts.
    """

    id: Annotated[str, described("topic-partition-offset of the event")]
    claim: Annotated[int, described("number of the worker's claim on the partition; only ever grows")]
    market: MarketCode
    occurred_at: EpochMs
    label: Label
    topic: Annotated[str, described("one of the model's topics")]
    sentiment: Annotated[dict[str, float], described("label -> probability")]
    score: Annotated[float, described("e in [0, 1], 1 = best; a rating is mixed in")]
    model: Annotated[str, described("name and version of the model")]
    user: Annotated[str, described("keyed hash in hexadecimal")] | None = None
    lang: Annotated[str, described("language of the text as the producer gave it, as pt-BR")] | None = None
    user_key: Annotated[str, described("which key `user` was hashed with")] | None = None
    lang_found: Annotated[str, described("primary language found in the text; null where none is plain")] | None = None
    unmeasured: Annotated[
        bool,
        described("true: over 10 % of the pieces of the text are unknown to the model, which was not measured on such"),
    ] = False
    v: Version = CONTRACT_VERSION


class Excerpt(msgspec.Struct, frozen=True):
    """A redacted, shortened text of one event."""

    order: Annotated[
        int, described("what it was chosen by: negative ones first, then by a keyed hash of partition and offset")
    ]
    text: str
    label: Label
    topic: str
    occurred_at: Annotated[int, described("epoch ms; in Redis `excerpts:<market>` the hour that it is in")]


class RefusedAnswer(msgspec.Struct, frozen=True):
    """The allocator's newest answer where it is no plan: status `failed` or `infeasible`, and why; to which shift."""

    shift: str
    status: str
    why: str


class AlertRecord(msgspec.Struct, frozen=True):
    """The state that one alert came to in one step, in `market.alerts`; readers keep the highest `seq` per `id`."""

    id: Annotated[str, described("of the alert, through all of its states")]
    seq: Annotated[int, described("only ever grows")]
    kind: Annotated[str, described("what is wrong", enum=[*ALERTS, "test"])]
    market: Annotated[str, described("ISO 3166-1 alpha-2 code, or * for all markets together")]
    state: Literal["pending", "firing", "resolved"]
    started_at: EpochMs
    fired_at: EpochMs | None
    ended_at: EpochMs | None = None
    topic: Annotated[str, described("one of the model's topics; null = the market as a whole")] | None = None
    evidence: Evidence = {}
    v: Version = CONTRACT_VERSION


class ShiftRecord(msgspec.Struct, frozen=True):
    """A threshold shift in `market.shifts`, with the metrics of all markets at that step."""

    id: str
    seq: Annotated[int, described("only ever grows")]
    cause: Literal["initial", "shift", "profile"]
    market: MarketCode | None
    stream_time: EpochMs
    u: Annotated[dict[str, float], described("market -> user experience in [0, 1] over 24 h")]
    r: Annotated[dict[str, float | None], described("market -> expansion speed a day; null = not known yet")]
    evidence: Evidence = {}
    profiles: Annotated[int, described("offset in market.profiles up to which the answer must have read")] = 0
    n: Annotated[dict[str, int], described("market -> events in 24 h")] = {}
    u_se: Annotated[dict[str, float], described("market -> standard error of u")] = {}
    r_se: Annotated[dict[str, float], described("market -> standard error of r")] = {}
    unheard: Annotated[
        tuple[MarketCode, ...], described("markets whose feed is silent, or whose baselines are learned again")
    ] = ()
    spend_day_ago: Annotated[
        dict[str, float],
        described(
            "market -> money per period, entry money apart, that was in force 24 h ago: change limits start there"
        ),
    ] = {}
    spend_currency: Annotated[str, described("currency of spend_day_ago; empty = that of the plan in force")] = ""
    v: Version = CONTRACT_VERSION


class AllocationRecord(msgspec.Struct, frozen=True):
    """One answer of the allocator in `market.allocations`: adopted or rejected, with why."""

    id: str
    seq: Annotated[int, described("that of the shift")]
    cause: Literal["initial", "shift", "profile"]
    market: MarketCode | None
    stream_time: EpochMs
    status: Annotated[str, described("what came of it", enum=list(get_args(Status)))]
    adopted: Annotated[bool, described("false: the allocation before it stays in force")]
    spend: Annotated[dict[str, float], described("market -> money per period")]
    moves: Annotated[dict[str, float], described("market -> change of its spend; empty where nothing is adopted")]
    allocation: Allocation
    why: str = ""
    basis: Annotated[
        Basis | None, described("market table that it was made with; null where nothing is adopted or it was not kept")
    ] = None
    v: Version = CONTRACT_VERSION


Flag = Annotated[str, described("reason to take the numbers with care", enum=["warming", "degraded", "key_changed"])]


class MetricsRecord(msgspec.Struct, frozen=True):
    """One market's metrics at one step, in `market.metrics` and in Redis.

    `published_at` minus `stream_time` says how stale the record was when it was written. Flags: `warming` (fewer than
    100 events in 24 h, or for an hour or 500 events after the model changed), `degraded` (a worker's model, device or
    key of user hashes is not what it should be), `key_changed` (a window, or what r compares it with, spans a change of
    that key: no users, no trend and no r there).
    """

    market: MarketCode
    step: Annotated[int, described("number of the roll-up step")]
    stream_time: EpochMs
    published_at: EpochMs
    newest_event: Annotated[int, described("newest event time of the market, epoch ms")] | None
    metrics: MarketMetrics
    model: Annotated[str, described("name and version of the model")]
    model_sha256: str
    reliability: Annotated[
        dict[str, dict[str, float]],
        described("language -> its share of the events of 24 h, and what the model's development set says of it"),
    ] = {}
    flags: tuple[Flag, ...] = ()
    v: Version = CONTRACT_VERSION


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
