"""The one composition root: settings and dependencies in, a Faust app with its agents out."""

import asyncio
import atexit
import gc
import os
import shutil
import signal
import tempfile
from functools import partial

import faust
import faust.auth

from marketpulse.client.kafka_servers import KafkaServers
from marketpulse.contract.topics import topic_name
from models.cache import CachedClassifier
from models.classifier import Classifier
from models.load import load_classifier
from strategy.portfolio import load_portfolio
from streams.agents import make_classify, make_commit, make_reallocate, make_roll_up
from streams.batches import DecodedBatch
from streams.kafka.admin import check_reading, kafka_answers
from streams.kafka.compacted import CompactedTopic
from streams.ledger.commit import Ledger
from streams.ledger.server import check_server
from streams.pipeline.classify.scorer import Scorer
from streams.pipeline.count.committer import Committer
from streams.pipeline.failpoints import Failpoint, no_failpoint
from streams.pipeline.ingest.consumer import request_timeout_s
from streams.pipeline.ingest.source import KAFKA, Source
from streams.pipeline.ingest.topic_settings import batches_too_large, times_of_producers
from streams.pipeline.operators.rules_file import load_rules
from streams.pipeline.reallocate.reallocator import Reallocator
from streams.pipeline.retry import patiently
from streams.pipeline.rollup.leader import Leader
from streams.pipeline.rollup.state import known_key
from streams.serving.ending import Ending
from streams.serving.probes import HealthServer
from streams.settings import Settings, load_settings
from streams.telemetry.logs import configure_logs, get_logger
from streams.worker.channels import SteadyChannel, acknowledging
from streams.worker.deps import Deps, make_deps
from streams.worker.pump import Pump, Work

log = get_logger("app")

REDIS = "Redis"
MOST_WAITING_BATCHES = 2  # per channel; two channels: no more than four batches wait


def _credentials(servers: KafkaServers) -> faust.auth.Credentials | None:
    tls = servers.tls
    if servers.protocol.startswith("SASL"):
        return faust.auth.SASLCredentials(
            mechanism=servers.mechanism, username=servers.username, password=servers.password, ssl_context=tls
        )
    return None if tls is None else faust.auth.SSLCredentials(context=tls)


def create_app(settings: Settings, deps: Deps) -> faust.App:
    """A Faust app whose agents work with `deps`; nothing is connected before the worker starts it."""
    folder = tempfile.mkdtemp(prefix="marketpulse-faust-")  # Faust wants one, and keeps nothing in it
    remove_folder = partial(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(remove_folder)
    app = faust.App(
        f"{settings.prefix}.control",
        broker=f"kafka://{settings.kafka}".replace(",", ";kafka://"),
        broker_credentials=_credentials(settings.kafka_servers),
        store="memory://",
        datadir=folder,
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        stream_wait_empty=False,
        broker_session_timeout=settings.session_timeout_seconds,
        broker_request_timeout=request_timeout_s(settings),
        broker_heartbeat_interval=max(settings.session_timeout_seconds / 3, 0.3),
        consumer_auto_offset_reset="earliest",
        value_serializer="raw",
    )
    decoded = SteadyChannel(app, maxsize=MOST_WAITING_BATCHES)
    scored = SteadyChannel(app, maxsize=MOST_WAITING_BATCHES)
    ticks = SteadyChannel(app, maxsize=1)
    shifts = app.topic(topic_name(settings.prefix, "market.shifts"), value_type=bytes, value_serializer="raw")
    feedback = topic_name(settings.prefix, "feedback")

    async def deliver(batch: DecodedBatch) -> None:
        scorer.look_ahead(batch)
        await decoded.put(batch)

    source = Source(settings, feedback, deps.ledger, deliver, progress=deps.progress, telemetry=deps.telemetry)
    scorer, leader = Scorer(deps, source), Leader(deps)
    ending = Ending()

    app.agent(decoded, name="classify")(ending(make_classify(scorer, scored)))
    app.agent(scored, name="commit")(ending(make_commit(Committer(deps, source))))
    app.agent(ticks, name="roll_up")(ending(make_roll_up(leader)))
    app.agent(shifts, name="reallocate")(ending(acknowledging(make_reallocate(Reallocator(deps)))))

    def settle_profiles() -> None:
        if deps.profiles.settle(deps.now_ms()) and deps.profiles.incomplete:
            log.warning("apply_incomplete", why=[*map(str, deps.profiles.incomplete)])

    servers, prefix = settings.kafka_servers, settings.prefix
    followed = [
        CompactedTopic(servers, topic_name(prefix, "market.profiles"), deps.profiles.take, settle_profiles),
        CompactedTopic(servers, topic_name(prefix, "market.mutes"), deps.mutes.take),
        CompactedTopic(servers, topic_name(prefix, "market.labels"), deps.labels.take),
    ]

    @app.task  # type: ignore[untyped-decorator]
    async def start_pump() -> None:
        remove_folder()  # used at the start alone; a process that ends at once would leave it behind
        await app.add_runtime_dependency(Pump(settings, Work(source, leader, ticks, followed, deps), ending))

    return app


def classifier_of(settings: Settings) -> Classifier:
    """The classifier the settings name, with its cache."""
    classifier = load_classifier(
        settings.model, settings.model_folder, settings.device, settings.threads, settings.model_sha256
    )
    if settings.model == "stub" or not settings.cache_texts:
        return classifier
    return CachedClassifier(classifier, settings.cache_texts)


def _candidate_of(settings: Settings) -> Classifier | None:
    if settings.candidate_folder is None:
        return None
    return load_classifier("onnx", settings.candidate_folder, settings.device, settings.threads)


async def _wait_for_servers(settings: Settings, deps: Deps) -> None:
    """Until Redis and Kafka answer, with probes answered meanwhile: Faust would give up at once.

    Raises:
        OperatorNeeded: one of them refuses this login, a right is missing, or Redis is a Cluster.
    """
    health, control = HealthServer(deps.progress, settings, deps.telemetry), f"{settings.prefix}.control"
    await health.start()
    try:
        await patiently(lambda: check_server(settings.redis, settings.prefix), REDIS, deps.progress)
        await patiently(lambda: _keep_key_id(settings, deps), REDIS, deps.progress)
        await patiently(lambda: kafka_answers(settings.kafka_servers), KAFKA, deps.progress)
        shifts = topic_name(settings.prefix, "market.shifts")
        await patiently(lambda: check_reading(settings.kafka_servers, shifts, control), KAFKA, deps.progress)
        if too_large := await patiently(lambda: batches_too_large(settings), KAFKA, deps.progress):
            log.warning("batches_too_large", why=too_large)
        if dated := await patiently(lambda: times_of_producers(settings), KAFKA, deps.progress):
            log.warning("times_of_producers", why=dated)
    finally:
        await health.stop()


async def _keep_key_id(settings: Settings, deps: Deps) -> None:
    """Call the key of user hashes what the ledger calls it."""
    ledger = Ledger(settings.redis, settings.prefix)  # of this event loop
    try:
        key = known_key((await ledger.load_state()).get("common"))
    finally:
        await ledger.close()
    deps.hashes.known_as([] if key is None else [key.id])


def _end_before_work(*_: object) -> None:
    """SIGTERM while a model is loaded or Kafka is waited for; Faust takes over later."""
    raise SystemExit(0)


def run_worker(settings: Settings, failpoint: Failpoint = no_failpoint, classifier: Classifier | None = None) -> None:
    """Run one worker until a signal; never returns (SystemExit, or exit codes 75 and 78).

    Tests hand in a failpoint and a classifier; the settings name the classifier otherwise.
    """
    configure_logs(settings)
    signal.signal(signal.SIGTERM, _end_before_work)
    portfolio, rules, candidate = (
        load_portfolio(settings.portfolio),
        load_rules(settings.rules),
        _candidate_of(settings),
    )
    deps = make_deps(settings, classifier or classifier_of(settings), portfolio, candidate, failpoint, rules)
    app = create_app(settings, deps)
    worker = faust.Worker(app, loglevel="WARN", override_logging=False, redirect_stdouts=False, quiet=True)
    gc.freeze()  # what lives as long as the process is not looked at again ...
    gc.set_threshold(100_000, 50, 100)  # ... and events, which form no cycles, seldom: 1,000 of them come every 10 ms
    log.info("worker_started", pid=os.getpid(), model=deps.classifier.info.id, device=deps.classifier.info.device)
    asyncio.run(_wait_for_servers(settings, deps))
    worker.execute_from_commandline()


def __getattr__(name: str) -> faust.App:
    """`app` made on first use, so that `faust -A streams.app agents` works and importing does nothing."""
    if name != "app":
        raise AttributeError(name)
    settings = load_settings()
    portfolio, rules = load_portfolio(settings.portfolio), load_rules(settings.rules)
    return create_app(settings, make_deps(settings, classifier_of(settings), portfolio, rules=rules))
