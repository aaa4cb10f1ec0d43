"""What a scrape says: counted by batch, the last step only from the lease holder, no label without a bound."""

from prometheus_client.parser import text_string_to_metric_families

from docs.generate.metrics import document
from marketpulse.contract.decode import Decoded
from marketpulse.contract.metrics import Estimate, MarketMetrics, WindowMetrics
from marketpulse.contract.records import AlertRecord
from marketpulse.errors import KafkaUnavailable, Unavailable
from models.cache import CachedClassifier
from models.stub import StubClassifier
from streams.batches import DeadLetter, DecodedBatch, Position, SourceMark
from streams.contract.journal import StepRecord
from streams.dashboard.collector import PageCollector
from streams.intake.telemetry import IntakeTelemetry
from streams.notify.collector import NotifyCollector
from streams.notify.courier import SinkStatus
from streams.pipeline.rollup.step import StepOutcome
from streams.telemetry.instruments import DECLARED, MOST_MARKETS, exposition
from streams.telemetry.progress import Progress
from streams.telemetry.worker import Telemetry
from streams.worker.collector import WorkerCollector
from tests.support.alerts import alert

NOW_MS = 1_000_000_000
Samples = dict[tuple[str, tuple[str, ...]], float]


def scraped(telemetry: Telemetry) -> Samples:
    """(name, label values) -> value."""
    content, _ = exposition(telemetry.registry, "text/plain")
    families = text_string_to_metric_families(content.decode())
    return {(one.name, tuple(one.labels.values())): one.value for family in families for one in family.samples}


def worker(progress: Progress, classifier: object = None) -> Telemetry:
    """A worker's telemetry at NOW_MS."""
    telemetry = Telemetry()
    telemetry.registry.register(
        WorkerCollector(telemetry, progress, classifier or StubClassifier(), 60, lambda: NOW_MS)  # type: ignore[arg-type]
    )
    return telemetry


def outcome(markets: int, *alerts: AlertRecord) -> StepOutcome:
    """A step with so many markets, u = .5 and n = 10 each."""
    day = WindowMetrics(10, {}, Estimate(0.5, 0.4, 0.6, 0.05), r=Estimate(0.1, 0, 0.2, 0.05))
    one = MarketMetrics(dict.fromkeys(("5m", "1h", "24h", "7d"), day), None, None, {})
    metrics = {f"{number:03}": one for number in range(markets)}
    return StepOutcome(
        7, 7, NOW_MS - 5_000, metrics, [], [], list(alerts), [], StepRecord(7, None, {}, {}), late_events=3
    )


def test_a_counted_batch_adds_each_record_once() -> None:
    """Events, duplicates and dead letters by code; the age is that of the oldest record."""
    letter = DeadLetter("bad_time", "", 0, 3, None, None, (), 5)
    events = [Decoded(str(at), "BR", "text", 1_000, None, None, None) for at in range(4)]
    batch = DecodedBatch(
        Position(0, 1, "g", 0, 7), events, [], [letter], 2, b"", 0, SourceMark(), NOW_MS - 3_000, NOW_MS
    )
    telemetry = Telemetry()
    telemetry.counted(batch, NOW_MS)
    found = scraped(telemetry)
    assert [4, 2, 1] == [
        found["marketpulse_records_counted_total", (result,)] for result in ("event", "duplicate", "dead_letter")
    ]
    assert (1, 0) == tuple(found["marketpulse_dead_letters_total", (code,)] for code in ("bad_time", "not_json"))
    assert (3, 1) == tuple(found[f"marketpulse_record_age_seconds_{part}", ()] for part in ("sum", "count"))


def test_a_stage_that_fails_is_timed_too() -> None:
    """The commit that raises is the one of interest."""
    telemetry = Telemetry()
    try:
        with telemetry.stage("commit"):
            raise Unavailable("away")
    except Unavailable:
        pass
    assert 1 == scraped(telemetry)["marketpulse_stage_seconds_count", ("commit",)]


def test_lag_is_in_records_and_seconds_for_each_partition() -> None:
    """Nothing behind is 0 s; a partition that is behind and was never read has no age."""
    progress = Progress()
    for number in range(3):
        progress.claimed(number, 10)
    progress.ends({0: 10, 1: 25, 2: 30})
    progress.delivered(Position(1, 1, "g", 10, 20), NOW_MS - 4_000)
    progress.remembers(1, 7, 3_000)
    found = scraped(worker(progress))
    assert [0, 15, 20] == [found["marketpulse_partition_lag_records", (str(at),)] for at in range(3)]
    assert [0, 4, None] == [found.get(("marketpulse_partition_lag_seconds", (str(at),))) for at in range(3)]
    assert 1 == found["marketpulse_batches_in_flight", ()]
    assert (7, 3) == tuple(found[f"marketpulse_dedupe_{part}", ("1",)] for part in ("ids", "horizon_seconds"))


def test_servers_that_are_away_are_told_apart() -> None:
    """Kafka's failures are Kafka's; what is waited for has a name and an age."""
    progress = Progress()
    progress.waits("dead letters")
    progress.clock = 4
    for error in (KafkaUnavailable("away"), KafkaUnavailable("away"), Unavailable("away")):
        progress.failed(error.server)
    found = scraped(worker(progress))
    assert (2, 1) == tuple(found["marketpulse_unavailable_total", (server,)] for server in ("kafka", "redis"))
    assert 4 == found["marketpulse_waiting_seconds", ("dead letters",)]
    assert (0, 0) == tuple(found[f"marketpulse_{name}", ()] for name in ("ready", "stalled_parts"))


def test_only_the_lease_holder_tells_of_the_last_step() -> None:
    """And no longer than its lease lasts, also where it never learns that it lost it."""
    telemetry = worker(Progress())
    telemetry.lease(NOW_MS + 1)
    telemetry.loaded([alert("old"), alert("over", kind="drop", state="resolved")])
    telemetry.held.silences = 3
    telemetry.published(outcome(2, alert("old", state="resolved"), alert("new", kind="drop")), NOW_MS - 2_000, 0.1)
    telemetry.outbox(12)
    found = scraped(telemetry)
    names = (
        "lease_held",
        "step_number",
        "stream_time_delay_seconds",
        "outbox_records",
        "late_events_total",
        "silences",
    )
    assert (1, 7, 5, 12, 3, 3) == tuple(found[f"marketpulse_{name}", ()] for name in names)
    assert (0, 1) == tuple(found["marketpulse_alerts_firing", (kind,)] for kind in ("surge", "drop"))
    assert (0.5, 0.1, 10) == tuple(
        found[f"marketpulse_market_{name}", ("001",)]
        for name in ("user_experience_ratio", "expansion_speed_per_day", "events")
    )
    telemetry.lease(NOW_MS)
    ended = scraped(telemetry)
    assert 0 == ended["marketpulse_lease_held", ()]
    assert not [name for name, _ in ended if name.startswith(("marketpulse_market", "marketpulse_step_n"))]


def test_a_lease_that_was_lost_leaves_nothing_behind() -> None:
    """Alerts of then do not count when it is taken again."""
    telemetry = worker(Progress())
    telemetry.lease(NOW_MS + 1)
    telemetry.loaded([alert("one")])
    telemetry.lease(0)
    telemetry.lease(NOW_MS + 1)
    assert 0 == scraped(telemetry)["marketpulse_alerts_firing", ("surge",)]


def test_markets_are_bounded() -> None:
    """More than there can be have no series of their own, and are still counted."""
    telemetry = worker(Progress())
    telemetry.lease(NOW_MS + 1)
    telemetry.published(outcome(MOST_MARKETS + 50), NOW_MS, 0.1)
    found = scraped(telemetry)
    assert MOST_MARKETS == sum(name == "marketpulse_market_events" for name, _ in found)
    assert MOST_MARKETS + 50 == found["marketpulse_markets", ()]


def test_the_cache_tells_hits_from_misses() -> None:
    """Three texts, one of them twice."""
    cached = CachedClassifier(StubClassifier(), 10)
    cached.classify(["a", "b", "a"], [None] * 3)
    found = scraped(worker(Progress(), cached))
    assert (1, 2) == tuple(found["marketpulse_cache_texts_total", (result,)] for result in ("hit", "miss"))


def test_each_metric_is_offered_as_it_is_declared() -> None:
    """Name, type, labels and unit's suffix; and nothing of ours is offered that is not declared."""
    telemetry = worker(Progress())
    telemetry.lease(NOW_MS + 1)
    telemetry.published(outcome(1), NOW_MS, 0.1)

    class Hub:
        number, error, clients = 1, None, 2

    class Load:
        working, pending_bytes, ready = 1, 0, True

    telemetry.registry.register(PageCollector(Hub()))
    status = SinkStatus(last_success_ms=NOW_MS)
    telemetry.registry.register(NotifyCollector({"chat": status}, lambda: NOW_MS))
    families = {
        family.name: family
        for registry in (telemetry.registry, IntakeTelemetry(Load(), ["shop"]).registry)
        for family in text_string_to_metric_families(exposition(registry, "text/plain")[0].decode())
        if family.name.startswith("marketpulse_")
    }
    for one in DECLARED:
        family = families.pop(one.name.removesuffix("_total") if one.kind == "counter" else one.name)
        assert (one.kind.replace("info", "gauge"), one.meaning) == (family.type, family.documentation), one.name
        assert (one.kind == "counter") == one.name.endswith("_total")
        assert one.unit != "seconds" or one.name.endswith("_seconds"), one.name
        assert {*one.labels} >= {label for sample in family.samples for label in sample.labels} - {"le"}, one.name
    assert {} == families


def test_open_metrics_is_spoken_where_it_is_asked_for() -> None:
    """Prometheus asks for it first."""
    content, content_type = exposition(Telemetry().registry, "application/openmetrics-text;version=1.0.0")
    assert content.endswith(b"# EOF\n")
    assert content_type.startswith("application/openmetrics-text")


def test_the_page_of_metrics_is_generated() -> None:
    """docs/metrics.md has a row for each declaration, in its section."""
    assert len(DECLARED) == sum(line.startswith("| `marketpulse_") for line in document().splitlines())
