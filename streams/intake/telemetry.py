"""What the intake counts, by request, and what is read of it at a scrape."""

from collections.abc import Iterable, Sequence
from typing import Protocol, get_args

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from marketpulse.client.async_producer import Delivery, Outcome
from marketpulse.contract.decode import Rejected
from marketpulse.contract.feedback import DeadLetterCode
from streams.telemetry import instruments as telemetry
from streams.telemetry.instruments import family, new_counter, new_histogram, new_registry

STATUSES = (200, 207, 400, 401, 408, 413, 415, 422, 429, 431, 503)
"""What a request with events is answered with."""
ACCEPTED, REFUSED, UNACKNOWLEDGED = "accepted", "refused", "unacknowledged"


class Load(Protocol):
    """What can be read of the intake at any time."""

    @property
    def working(self) -> int:
        """Requests in flight."""

    @property
    def pending_bytes(self) -> int:
        """Bytes that Kafka has not acknowledged yet."""

    @property
    def ready(self) -> bool:
        """Whether Kafka answers."""


class IntakeTelemetry:
    """The instruments of one intake process."""

    def __init__(self, load: Load, clients: Sequence[str]) -> None:
        self.registry = new_registry()
        self._of_client = new_counter(self.registry, telemetry.INTAKE_CLIENT_EVENTS, clients)
        self._held_back = new_counter(self.registry, telemetry.INTAKE_HELD_BACK, clients)
        self._requests = new_counter(self.registry, telemetry.INTAKE_REQUESTS, map(str, STATUSES))
        self._events = new_counter(self.registry, telemetry.INTAKE_EVENTS, (ACCEPTED, REFUSED, UNACKNOWLEDGED))
        self._refused = new_counter(self.registry, telemetry.INTAKE_REFUSED, get_args(DeadLetterCode))
        self._seconds = new_histogram(self.registry, telemetry.INTAKE_SECONDS)
        self.registry.register(_LoadCollector(load))

    def answered(self, status: int) -> None:
        """A request was answered."""
        self._requests.labels(str(status)).inc()

    def held_back(self, client: str) -> None:
        """A request of a client was answered 429."""
        self._held_back.labels(client).inc()

    def events_answered(self, outcomes: Sequence[Outcome], seconds: float, client: str) -> None:
        """What became of a request's events, and how long that took."""
        codes = [one.code for one in outcomes if isinstance(one, Rejected)]
        accepted = sum(isinstance(one, Delivery) for one in outcomes)
        self._events.labels(ACCEPTED).inc(accepted)
        self._of_client.labels(client).inc(accepted)
        self._events.labels(REFUSED).inc(len(codes))
        self._events.labels(UNACKNOWLEDGED).inc(len(outcomes) - accepted - len(codes))
        for code in codes:
            self._refused.labels(code).inc()
        self._seconds.observe(seconds)


class _LoadCollector(Collector):
    def __init__(self, load: Load) -> None:
        self._load = load

    def collect(self) -> Iterable[Metric]:
        """What holds now."""
        yield family(telemetry.INTAKE_REQUESTS_NOW, self._load.working)
        yield family(telemetry.INTAKE_PENDING, self._load.pending_bytes)
        yield family(telemetry.INTAKE_READY, self._load.ready)
