"""The notifier's metrics, read from its couriers at a scrape."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from streams.notify.courier import SinkStatus
from streams.telemetry import instruments as telemetry
from streams.telemetry.instruments import family


class NotifyCollector(Collector):
    """What became of each sink's alerts; `sinks` are by their names in the file, 50 at most."""

    def __init__(self, sinks: Mapping[str, SinkStatus], now_ms: Callable[[], int]) -> None:
        self._sinks = sinks
        self._now_ms = now_ms

    def collect(self) -> Iterable[Metric]:
        """All that can be read now."""
        now_ms = self._now_ms()
        every = {(name,): one for name, one in self._sinks.items()}
        yield family(telemetry.NOTIFY_DELIVERED, {name: one.delivered for name, one in every.items()})
        yield family(telemetry.NOTIFY_UNDELIVERED, {name: one.undelivered for name, one in every.items()})
        yield family(telemetry.NOTIFY_RETRIES, {name: one.retries for name, one in every.items()})
        yield family(telemetry.NOTIFY_SUMMARIES, {name: one.summaries for name, one in every.items()})
        yield family(telemetry.NOTIFY_QUEUE, {name: one.queue for name, one in every.items()})
        since = {name: one.last_success_ms for name, one in every.items()}
        yield family(
            telemetry.NOTIFY_SUCCESS,
            {name: (now_ms - at) / 1_000 for name, at in since.items() if at is not None},
        )
        yield family(
            telemetry.NOTIFY_FAILING,
            {
                name: 0.0 if one.failing_since_ms is None else (now_ms - one.failing_since_ms) / 1_000
                for name, one in every.items()
            },
        )


class NotifyTelemetry:
    """The notifier's registry."""

    def __init__(self, sinks: Mapping[str, SinkStatus], now_ms: Callable[[], int]) -> None:
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self.registry.register(NotifyCollector(sinks, now_ms))
