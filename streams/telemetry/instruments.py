"""Every metric that a process offers to Prometheus, as it is declared; docs/metrics.md is made from here."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder

Stage = Literal[
    "decode",
    "deduplicate",
    "classify",
    "shadow",
    "aggregate",
    "dead_letters",
    "classified",
    "commit",
    "cut",
    "decide",
    "publish",
    "step",
    "relay",
    "allocate",
]
Kind = Literal["counter", "gauge", "histogram", "info"]
Process = Literal["worker", "lease holder", "page", "intake", "notifier"]

MOST_MARKETS = 300
"""Markets with series of their own, in the order of their codes; ISO 3166-1 has 249."""

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
AGES = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
SIZES = (1.0, 10.0, 32.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 4000.0)


@dataclass(frozen=True)
class Declared:
    """One metric as PromQL names it; `of`: the process that has it (the lease holder is a worker too)."""

    name: str
    kind: Kind
    unit: str
    meaning: str
    labels: tuple[str, ...] = ()
    of: Process = "worker"
    buckets: tuple[float, ...] = ()


# fmt: off
STAGE = Declared("marketpulse_stage_seconds", "histogram", "seconds",
    "How long one batch, step or answer took in a stage: " + ", ".join(get_args(Stage)) + ".",
    ("stage",), buckets=SECONDS)
BATCH = Declared("marketpulse_batch_records", "histogram", "records", "Records of one partition batch as it was read.",
    buckets=SIZES)
AGE = Declared("marketpulse_record_age_seconds", "histogram", "seconds",
    "Age of a batch's oldest record when the batch was counted: from Kafka's clock to the worker's.", buckets=AGES)
COUNTED = Declared("marketpulse_records_counted_total", "counter", "records",
    "Records committed by this worker, by result.", ("result",))
LETTERS = Declared("marketpulse_dead_letters_total", "counter", "records",
    "Records that went to the dead letters, by code.", ("code",))
COMMITS = Declared("marketpulse_commits_total", "counter", "batches",
    "Batches by the ledger's answer; not_held = given up before the commit, another worker has the partition.",
    ("answer",))
ALLOCATIONS = Declared("marketpulse_allocations_total", "counter", "answers",
    "The allocator's answers that were stored, by status.", ("status",))
STEPS = Declared("marketpulse_steps_total", "counter", "steps", "Roll-up steps that this worker published.")
LOADS = Declared("marketpulse_rollup_loads_total", "counter", "loads",
    "How often this worker loaded the roll-up: it took the lease, or half a step was thrown away.")
RELAYED = Declared("marketpulse_relayed_records_total", "counter", "records",
    "Records of the outbox that Kafka has acknowledged.")
CHANGES = Declared("marketpulse_alert_changes_total", "counter", "changes",
    "New states of alerts that this worker published.", ("kind", "state"))
SHIFTS = Declared("marketpulse_shifts_total", "counter", "shifts", "Shifts that this worker published.", ("cause",))

UNAVAILABLE = Declared("marketpulse_unavailable_total", "counter", "tries",
    "Tries that failed because a server was away or refused for now; each is tried again.", ("server",))
WAITING = Declared("marketpulse_waiting_seconds", "gauge", "seconds",
    "How long this worker has been waiting for what it needs; absent while it waits for nothing.", ("what",))
LAG_RECORDS = Declared("marketpulse_partition_lag_records", "gauge", "records",
    "Records of a partition of this worker that are not counted yet.", ("partition",))
LAG_SECONDS = Declared("marketpulse_partition_lag_seconds", "gauge", "seconds",
    "Age of the newest record read of a partition that is behind; 0 where nothing is behind.", ("partition",))
OFFSET = Declared("marketpulse_partition_counted_offset", "gauge", "records",
    "Next offset of a partition that the ledger wants, as this worker last knew it.", ("partition",))
KNOWN_IDS = Declared("marketpulse_dedupe_ids", "gauge", "ids",
    "Event ids of a partition that are remembered; at MARKETPULSE_DEDUPE_CAPACITY the oldest go.", ("partition",))
HORIZON = Declared("marketpulse_dedupe_horizon_seconds", "gauge", "seconds",
    "Record time over which ids of a partition are remembered: less than asked for where the capacity is reached.",
    ("partition",))
IN_FLIGHT = Declared("marketpulse_batches_in_flight", "gauge", "batches", "Batches read and not committed yet.")
READY = Declared("marketpulse_ready", "gauge", "0 or 1", "1 if ready, as /readyz reports.")
STALLED = Declared("marketpulse_stalled_parts", "gauge", "parts", "What stands still although nothing is waited for.")
MODEL = Declared("marketpulse_model_info", "info", "", "1, with the model in use and where it runs.",
    ("id", "sha256", "device", "provider"))
FELL_BACK = Declared("marketpulse_model_fell_back", "gauge", "0 or 1",
    "1 where the worker was built for a GPU and runs on the CPU.")
CACHE = Declared("marketpulse_cache_texts_total", "counter", "texts",
    "Texts that were asked of the answer cache; absent without one.", ("result",))
LEASE = Declared("marketpulse_lease_held", "gauge", "0 or 1", "1 on the worker that holds the roll-up lease.")

STEP = Declared("marketpulse_step_number", "gauge", "steps", "Number of the step published last.", of="lease holder")
PUBLISHED = Declared("marketpulse_step_published_timestamp_seconds", "gauge", "seconds since 1970",
    "Time the last step was published (Redis clock).", of="lease holder")
DELAY = Declared("marketpulse_stream_time_delay_seconds", "gauge", "seconds",
    "Now minus stream time T: how old the moment is that the metrics describe.", of="lease holder")
OUTBOX = Declared("marketpulse_outbox_records", "gauge", "records",
    "Records that wait to be relayed to Kafka, at the last tick.", of="lease holder")
FIRING = Declared("marketpulse_alerts_firing", "gauge", "alerts", "Alerts that fire now, muted ones too.", ("kind",),
    of="lease holder")
SILENCES = Declared("marketpulse_silences", "gauge", "silences",
    "Silences in force; at 1,000 those that end first are given up.", of="lease holder")
MARKETS = Declared("marketpulse_markets", "gauge", "markets", "Markets ever seen.", of="lease holder")
LATE = Declared("marketpulse_late_events_total", "counter", "events",
    "Events whose minute had gone to the detectors when they came: they joined a later one, or wait for it.",
    of="lease holder")
CANARIES_DROPPED = Declared("marketpulse_canaries_dropped_total", "counter", "records",
    "Canaries that became no alert: one begins in 10 s, and one more waits.", of="lease holder")
EXPERIENCE = Declared("marketpulse_market_user_experience_ratio", "gauge", "0 to 1",
    "u of a market over 24 h.", ("market",), of="lease holder")
SPEED = Declared("marketpulse_market_expansion_speed_per_day", "gauge", "per day",
    "r of a market over 24 h; absent while the stream does not cover it.", ("market",), of="lease holder")
EVENTS = Declared("marketpulse_market_events", "gauge", "events", "n of a market: its events of the last 24 h.",
    ("market",), of="lease holder")

PAGE_READY = Declared("marketpulse_page_ready", "gauge", "0 or 1", "1 while the page can read Redis.", of="page")
PAGE_VIEWS = Declared("marketpulse_page_views_total", "counter", "views",
    "Views that the page has made of the tables: one for each step that it saw.", of="page")
PAGE_STREAMS = Declared("marketpulse_page_streams", "gauge", "streams", "Streams that are open: pages in browsers.",
    of="page")

INTAKE_REQUESTS = Declared("marketpulse_intake_requests_total", "counter", "requests",
    "Requests with events, by the status of their answer.", ("status",), of="intake")
INTAKE_EVENTS = Declared("marketpulse_intake_events_total", "counter", "events",
    "Events by what was told of them: Kafka has it, it breaks the contract, Kafka did not acknowledge it in time.",
    ("result",), of="intake")
INTAKE_REFUSED = Declared("marketpulse_intake_refused_total", "counter", "events",
    "Events that break the contract, by the code that a dead letter would have.", ("code",), of="intake")
INTAKE_CLIENT_EVENTS = Declared("marketpulse_intake_client_events_total", "counter", "events",
    "Events that Kafka has, by the name of the token that sent them.", ("client",), of="intake")
INTAKE_HELD_BACK = Declared("marketpulse_intake_held_back_total", "counter", "requests",
    "Requests answered 429 (quota, requests at once, load), by the name of the token.", ("client",), of="intake")
INTAKE_SECONDS = Declared("marketpulse_intake_request_seconds", "histogram", "seconds",
    "How long requests whose events were sent to Kafka took, from their head to their answer.", of="intake",
    buckets=SECONDS)
INTAKE_REQUESTS_NOW = Declared("marketpulse_intake_requests_in_flight", "gauge", "requests",
    "Requests that are worked on; at MARKETPULSE_INTAKE_MAX_REQUESTS others are answered 429.", of="intake")
INTAKE_PENDING = Declared("marketpulse_intake_pending_bytes", "gauge", "bytes",
    "What is on its way to Kafka and not acknowledged yet.", of="intake")
INTAKE_READY = Declared("marketpulse_intake_ready", "gauge", "0 or 1", "What /readyz says: 1 while Kafka answers.",
    of="intake")
NOTIFY_DELIVERED = Declared("marketpulse_notify_delivered_total", "counter", "alerts",
    "States of alerts that a sink has taken.", ("sink",), of="notifier")
NOTIFY_UNDELIVERED = Declared("marketpulse_notify_undelivered_total", "counter", "alerts",
    "States of alerts that were given up: refused, or tried for as long as the sink's retry_for; the log names each.",
    ("sink",), of="notifier")
NOTIFY_RETRIES = Declared("marketpulse_notify_retries_total", "counter", "tries",
    "Tries after a first one that failed.", ("sink",), of="notifier")
NOTIFY_SUMMARIES = Declared("marketpulse_notify_summaries_total", "counter", "messages",
    "Messages that stand for several that were over a sink's limit.", ("sink",), of="notifier")
NOTIFY_QUEUE = Declared("marketpulse_notify_queue_alerts", "gauge", "alerts",
    "States that wait for a sink: not read from Kafka yet, being tried, or held back by its limit.", ("sink",),
    of="notifier")
NOTIFY_SUCCESS = Declared("marketpulse_notify_success_age_seconds", "gauge", "seconds",
    "Since a sink took a message last; absent while it has taken none since the process began.", ("sink",),
    of="notifier")
NOTIFY_FAILING = Declared("marketpulse_notify_failing_seconds", "gauge", "seconds",
    "Since a sink began to fail; 0 where its last try was taken, or nothing was tried.", ("sink",), of="notifier")
# fmt: on

DECLARED = tuple(one for one in list(globals().values()) if isinstance(one, Declared))


def new_registry() -> CollectorRegistry:
    """A registry with what the client library says of the process."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # they would double the number of series
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    return registry


def new_histogram(registry: CollectorRegistry, one: Declared) -> Histogram:
    """A histogram as it is declared."""
    return Histogram(one.name, one.meaning, one.labels, buckets=one.buckets, registry=registry)


def new_counter(registry: CollectorRegistry, one: Declared, values: Iterable[str] = ()) -> Counter:
    """A counter; the label values that are known are there from the start, so that a first rise is seen as one."""
    made = Counter(one.name, one.meaning, one.labels, registry=registry)
    for value in values:
        made.labels(value)
    return made


def family(one: Declared, values: Mapping[tuple[str], float] | float | bool) -> Metric:
    """One metric with its samples: a value, or values by their labels."""
    kind = CounterMetricFamily if one.kind == "counter" else GaugeMetricFamily
    made = kind(one.name, one.meaning, labels=one.labels)
    samples = values.items() if isinstance(values, Mapping) else [((), values)]
    for labels, value in samples:
        made.add_metric(labels, float(value))
    return made


def exposition(registry: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """All metrics of a process and their content type, in the format that `Accept` asks for."""
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type
