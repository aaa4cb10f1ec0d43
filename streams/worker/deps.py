"""The work behind the agents: classify a batch, commit it, roll up, reallocate. No Faust in here."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from marketpulse.contract.portfolio import Portfolio
from marketpulse.contract.topics import topic_name
from models.classifier import Classifier
from streams.clock import epoch_ms
from streams.contract.rules import Rules
from streams.kafka.log_ends import LogEnds
from streams.kafka.outbound import Outbound
from streams.ledger.commit import Ledger
from streams.pipeline.count.cells import CellLayout
from streams.pipeline.count.layouts import layout_of
from streams.pipeline.failpoints import Failpoint, no_failpoint
from streams.pipeline.operators.labels import Labels
from streams.pipeline.operators.mutes import Mutes
from streams.pipeline.operators.profiles import Profiles
from streams.pipeline.rollup.rewind import FindUndone, find_undone
from streams.privacy.user_hashes import UserHashes
from streams.settings import Settings
from streams.telemetry.logs import get_logger
from streams.telemetry.progress import Progress
from streams.telemetry.tracing import exported_traces
from streams.telemetry.worker import Telemetry
from streams.worker.collector import WorkerCollector

log = get_logger("worker")


@dataclass(frozen=True)
class Deps:
    """What the agents work with; tests pass fakes of the same shape."""

    settings: Settings
    ledger: Ledger
    outbound: Outbound
    classifier: Classifier
    profiles: Profiles
    mutes: Mutes
    layout: CellLayout
    hashes: UserHashes
    candidate: Classifier | None = None
    failpoint: Failpoint = no_failpoint
    now_ms: Callable[[], int] = epoch_ms
    progress: Progress = field(default_factory=Progress)
    find_undone: FindUndone = find_undone
    telemetry: Telemetry = field(default_factory=Telemetry)
    rules: Rules = field(default_factory=Rules)
    labels: Labels = field(default_factory=Labels)
    log_ends: LogEnds = field(default_factory=LogEnds)


def _refused(event: str, code: str, offset: int, why: str) -> None:
    log.warning(event, code=code, offset=offset, why=why)


def make_deps(
    settings: Settings,
    classifier: Classifier,
    portfolio: Portfolio,
    candidate: Classifier | None = None,
    failpoint: Failpoint = no_failpoint,
    rules: Rules = Rules(),
) -> Deps:
    """The real dependencies of a worker; nothing is connected yet. Raises OperatorNeeded: traces without the extra."""
    traces = exported_traces(settings.prefix) if settings.traces else None
    deps = Deps(
        settings=settings,
        ledger=Ledger(settings.redis, settings.prefix),
        outbound=Outbound(settings.kafka_servers, settings.prefix, settings.codec),
        classifier=classifier,
        profiles=Profiles(portfolio),
        mutes=Mutes(partial(_refused, "mute_refused"), epoch_ms),
        labels=Labels(partial(_refused, "label_refused")),
        layout=layout_of(classifier.info),
        hashes=settings.user_hashes,
        candidate=candidate,
        failpoint=failpoint,
        telemetry=Telemetry(traces),
        rules=rules,
        log_ends=LogEnds(settings.kafka_servers, topic_name(settings.prefix, "feedback")),
    )
    deps.telemetry.registry.register(
        WorkerCollector(deps.telemetry, deps.progress, classifier, settings.stall_seconds, deps.now_ms)
    )
    return deps
