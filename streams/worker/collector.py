"""What is read at a scrape instead of being counted before: a worker's progress, its last step, the page."""

from collections.abc import Callable, Iterable

from prometheus_client.core import InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from marketpulse.contract.alert_kinds import ALERTS
from models.cache import CachedClassifier
from models.classifier import Classifier
from streams.telemetry import instruments as telemetry
from streams.telemetry.instruments import MOST_MARKETS, family
from streams.telemetry.progress import Progress
from streams.telemetry.worker import Telemetry


class WorkerCollector(Collector):
    """A worker: its partitions, what it waits for, its model; while it holds the lease also the last step.

    Scraped in a thread beside the event loop: every table is copied before it is walked.
    """

    def __init__(
        self,
        instruments: Telemetry,
        progress: Progress,
        classifier: Classifier,
        stall_s: float,
        now_ms: Callable[[], int],
    ) -> None:
        self._instruments = instruments
        self._progress = progress
        self._classifier = classifier
        self._stall_s = stall_s
        self._now_ms = now_ms

    def collect(self) -> Iterable[Metric]:
        """All that can be read now."""
        now_ms = self._now_ms()
        yield from self._doing(now_ms)
        yield from self._model()
        leads = self._instruments.held.until_ms > now_ms
        yield family(telemetry.LEASE, leads)
        if leads:
            yield from self._step(now_ms)

    def _doing(self, now_ms: int) -> Iterable[Metric]:
        progress = self._progress
        partitions = {(str(number),): one for number, one in sorted(progress.partitions.copy().items())}
        behind = {
            number: (now_ms - one.newest_record_ms) / 1_000 if one.newest_record_ms is not None and one.lag else 0.0
            for number, one in partitions.items()
            if one.newest_record_ms is not None or not one.lag
        }
        stalled = progress.stalled(self._stall_s)
        yield family(telemetry.UNAVAILABLE, {(server,): n for server, n in progress.failures.copy().items()})
        yield family(telemetry.WAITING, {(what,): seconds for what, seconds in progress.waiting.items()})
        yield family(telemetry.LAG_RECORDS, {number: one.lag for number, one in partitions.items()})
        yield family(telemetry.LAG_SECONDS, behind)
        yield family(telemetry.OFFSET, {number: one.counted for number, one in partitions.items()})
        yield family(telemetry.KNOWN_IDS, {number: one.known_ids for number, one in partitions.items()})
        yield family(telemetry.HORIZON, {number: one.horizon_ms / 1_000 for number, one in partitions.items()})
        yield family(telemetry.IN_FLIGHT, progress.in_flight)
        yield family(telemetry.READY, not stalled and not progress.not_ready())
        yield family(telemetry.STALLED, len(stalled))

    def _model(self) -> Iterable[Metric]:
        info = self._classifier.info
        made = InfoMetricFamily(telemetry.MODEL.name.removesuffix("_info"), telemetry.MODEL.meaning)
        made.add_metric((), {name: getattr(info, name) for name in telemetry.MODEL.labels})
        yield made
        yield family(telemetry.FELL_BACK, info.fell_back)
        cache = self._classifier if isinstance(self._classifier, CachedClassifier) else None
        answers = {} if cache is None else {("hit",): cache.hits, ("miss",): cache.asked - cache.hits}
        yield family(telemetry.CACHE, answers)

    def _step(self, now_ms: int) -> Iterable[Metric]:
        held = self._instruments.held
        kinds = list(held.firing.copy().values())
        firing = {(kind,): float(kinds.count(kind)) for kind in sorted({*ALERTS, *kinds})}
        yield family(telemetry.OUTBOX, held.outbox)
        yield family(telemetry.FIRING, firing)
        if held.published_ms is None:
            return
        days = {(market,): one.windows["24h"] for market, one in sorted(held.metrics.items())[:MOST_MARKETS]}
        yield family(telemetry.STEP, held.step)
        yield family(telemetry.PUBLISHED, held.published_ms / 1_000)
        if held.stream_ms is not None:
            yield family(telemetry.DELAY, (now_ms - held.stream_ms) / 1_000)
        yield family(telemetry.MARKETS, len(held.metrics))
        yield family(telemetry.SILENCES, held.silences)
        yield family(telemetry.LATE, held.late_events)
        yield family(telemetry.CANARIES_DROPPED, held.canaries_dropped)
        yield family(telemetry.EXPERIENCE, {market: day.u.value for market, day in days.items()})
        yield family(telemetry.SPEED, {market: day.r.value for market, day in days.items() if day.r is not None})
        yield family(telemetry.EVENTS, {market: day.n for market, day in days.items()})
