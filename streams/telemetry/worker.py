"""The hands of a worker that count, by batch, step or answer; what they count is declared in `instruments.py`."""

from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from typing import get_args

from prometheus_client import Counter, Histogram

from marketpulse.contract.feedback import DeadLetterCode
from marketpulse.contract.metrics import MarketMetrics
from marketpulse.contract.records import AlertRecord
from streams.batches import DecodedBatch
from streams.pipeline.rollup.step import StepOutcome
from streams.telemetry import instruments as telemetry
from streams.telemetry.instruments import Declared, Stage, new_counter, new_histogram, new_registry
from streams.telemetry.tracing import Traces

ANSWERS = ("ok", "already", "fenced", "rewound", "ahead", "full", "not_held")
STATUSES = ("optimal", "near_optimal", "within_dead_band", "infeasible", "failed")
RESULTS = ("event", "duplicate", "dead_letter")


@dataclass
class Held:
    """What only the lease holder knows, at its last step; `until_ms` (epoch) = when the lease runs out."""

    until_ms: int = 0
    step: int = 0
    published_ms: int | None = None
    stream_ms: int | None = None
    outbox: int = 0
    late_events: int = 0
    canaries_dropped: int = 0
    silences: int = 0
    metrics: dict[str, MarketMetrics] = field(default_factory=dict)
    firing: dict[str, str] = field(default_factory=dict)  # alert id -> kind


class Telemetry:
    """The instruments of one process. All is counted by batch, step or answer, never by event.

    What can be read at a scrape is read then: see `streams.worker.collector`.
    """

    def __init__(self, traces: Traces | None = None) -> None:
        self.registry = new_registry()
        self.held = Held()
        self.traces = traces or Traces()
        stages = self._histogram(telemetry.STAGE)
        self._stages = {stage: stages.labels(stage) for stage in get_args(Stage)}
        self._batch = self._histogram(telemetry.BATCH)
        self._age = self._histogram(telemetry.AGE)
        self._counted = self._counter(telemetry.COUNTED, RESULTS)
        self._letters = self._counter(telemetry.LETTERS, get_args(DeadLetterCode))
        self._commits = self._counter(telemetry.COMMITS, ANSWERS)
        self._allocations = self._counter(telemetry.ALLOCATIONS, STATUSES)
        self._steps = self._counter(telemetry.STEPS)
        self._loads = self._counter(telemetry.LOADS)
        self._relayed = self._counter(telemetry.RELAYED)
        self._changes = self._counter(telemetry.CHANGES)
        self._shifts = self._counter(telemetry.SHIFTS, ("initial", "shift", "profile"))

    def _histogram(self, one: Declared) -> Histogram:
        return new_histogram(self.registry, one)

    def _counter(self, one: Declared, values: Iterable[str] = ()) -> Counter:
        return new_counter(self.registry, one, values)

    # --- the source's side --------------------------------------------------------------------------------------

    def stage(self, name: Stage) -> AbstractContextManager[object]:
        """Times what is done inside, also where it fails; a span where there are traces."""
        if not self.traces.on:
            return self._stages[name].time()
        both = ExitStack()
        both.enter_context(self.traces.stage(name))
        both.enter_context(self._stages[name].time())
        return both

    def read(self, records: int) -> None:
        """A partition batch was read."""
        self._batch.observe(records)

    def answered(self, answer: str) -> None:
        """The ledger's answer to one batch."""
        self._commits.labels(answer.lower()).inc()

    def counted(self, batch: DecodedBatch, now_ms: int) -> None:
        """The ledger has counted a batch."""
        self._counted.labels("event").inc(len(batch.events))
        self._counted.labels("duplicate").inc(batch.duplicates)
        self._counted.labels("dead_letter").inc(len(batch.dead_letters))
        for letter in batch.dead_letters:
            self._letters.labels(letter.code).inc()
        self._age.observe(max(0, now_ms - batch.first_record_ms) / 1_000)

    def refused_profiles(self, count: int) -> None:
        """So many profiles went to the dead letters."""
        self._letters.labels("bad_profile").inc(count)

    def allocated(self, status: str) -> None:
        """An answer of the allocator was stored."""
        self._allocations.labels(status).inc()

    # --- the lease holder's side --------------------------------------------------------------------------------

    def lease(self, until_ms: int) -> None:
        """The lease is held until then; 0 = another worker has it."""
        if until_ms == 0:
            self.held = Held()
        self.held.until_ms = until_ms

    def loaded(self, alerts: Iterable[AlertRecord]) -> None:
        """The roll-up was loaded: the alerts as the last published step left them."""
        self.held = Held(until_ms=self.held.until_ms)
        self._loads.inc()
        self.alerts_are(alerts)

    def published(self, outcome: StepOutcome, at_ms: int, seconds: float) -> None:
        """A step was published, at a time of Redis's clock in epoch ms; how long it took since it was cut."""
        held = self.held
        held.step, held.published_ms, held.stream_ms = outcome.step, at_ms, outcome.stream_time_ms
        held.metrics, held.late_events = outcome.metrics, outcome.late_events
        held.canaries_dropped = outcome.canaries_dropped
        self._steps.inc()
        self._stages["step"].observe(seconds)
        self.alerts_are(outcome.alerts)
        for alert in outcome.alerts:
            self._changes.labels(alert.kind, alert.state).inc()
        for shift in outcome.shifts:
            self._shifts.labels(shift.cause).inc()

    def alerts_are(self, alerts: Iterable[AlertRecord]) -> None:
        """Newest states of some alerts: what fires is kept in mind."""
        for alert in alerts:
            self.held.firing.pop(alert.id, None)
            if alert.state == "firing":
                self.held.firing[alert.id] = alert.kind

    def outbox(self, records: int) -> None:
        """So many records wait in the outbox."""
        self.held.outbox = records

    def relayed(self, records: int) -> None:
        """Kafka has acknowledged N records of the outbox."""
        self._relayed.inc(records)
