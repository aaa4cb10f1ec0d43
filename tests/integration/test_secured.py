"""The main job with TLS, logins and ACLs on everywhere; each principal is refused what it does not need."""

import asyncio
import json
import shutil
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
import redis
from aiokafka import AIOKafkaConsumer

from marketpulse.client.kafka_servers import client_options
from marketpulse.client.reader import Reader
from marketpulse.client.redis_server import connect, translated_errors
from marketpulse.client.snapshot import Snapshot
from marketpulse.contract.topics import topic_name
from marketpulse.errors import EXIT_OPERATOR, OperatorNeeded, Unavailable
from streams.access.kafka_acls import create_acls
from streams.access.rights import ROLES, Role
from streams.dashboard.app import create_page
from streams.dev.embedded.programs import server_version
from streams.dev.embedded.servers import Endpoints
from streams.dev.feeds.simulate import FeedPlan, write_feed
from streams.dev.processes import ending, start_marketpulse
from streams.kafka.admin import create_topics, topic_offsets
from streams.kafka.compacted import read_all, write_all
from streams.kafka.errors import kafka_errors
from streams.kafka.profiles import apply_profiles
from streams.kafka.publish import publish
from streams.ledger.commit import Ledger
from streams.recovery.doctor import examine
from streams.recovery.first_start import set_up
from streams.recovery.verify import verify
from streams.settings import Settings
from streams.sources.feed import Feed
from streams.sources.shift import Times
from tests.support.intakes import intake
from tests.support.notifiers import SECRET
from tests.support.processes import marketpulse_process
from tests.support.receiver import Receiver
from tests.support.secured import DEBIAN_REDIS, Secured
from tests.support.waiting import until, until_async

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(
        not shutil.which(DEBIAN_REDIS) or server_version(DEBIAN_REDIS) < (7, 0, 0),
        reason="needs a Redis 7 with TLS: the Debian package redis-server",
    ),
]
PREFIX = "shop"
NOBODY: dict[Role, str] = dict.fromkeys(ROLES, "User:nobody")


@dataclass(frozen=True)
class Job:
    """What one run of the main job left: the servers, the feed's truth, what the reader saw, Redis's refusals."""

    servers: Secured
    truth: dict[str, Any]
    seen: Snapshot
    refused: list[Any]


def worker(servers: Secured, folder: Path, **changes: str) -> subprocess.Popen[str]:
    """A worker process; what it logs goes to `worker.log`."""
    environment = servers.environment("worker") | changes
    with (folder / "worker.log").open("ab") as log:
        return start_marketpulse("worker", environment=environment, stdout=log, stderr=log, cwd=folder)


def admin_of(servers: Secured) -> Any:
    """Redis's administrator."""
    return connect(servers.settings("admin").redis)


def counted(reader: Reader, lines: int) -> Snapshot:
    """The snapshot once everything is counted, published, answered and relayed."""
    seen = reader.snapshot()

    def complete() -> bool:
        nonlocal seen
        seen = reader.snapshot()
        done, status = sum(seen.status.partitions.values()), seen.status
        quiet = not status.open_cells and not status.outbox and status.shifts_answered
        return done >= lines and quiet and seen.allocation is not None

    until(complete, 120, what=lambda: seen.status)
    return seen


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Job]:
    """Operator, producer, one worker and a reader, each with its own login, until 6,000 lines are counted."""
    folder = tmp_path_factory.mktemp("secured")
    with Secured(folder, PREFIX) as servers:
        asyncio.run(create_acls(servers.settings("admin").kafka_servers, PREFIX, servers.principals))
        operator = servers.settings("operator")
        assert asyncio.run(set_up(Endpoints(operator.kafka_servers, operator.redis), PREFIX, 2))
        truth = write_feed(FeedPlan(seed=11, events=6_000), folder / "feed.jsonl")
        feed = Feed(str(folder / "feed.jsonl"), raw=True)
        moved = Times(feed.records()).shift_to(int(time.time() * 1e3)).of(feed.records())
        with ending(worker(servers, folder)) as working:
            feedback = topic_name(PREFIX, "feedback")
            asyncio.run(publish(servers.settings("producer").kafka_servers, feedback, moved))
            with Reader(servers.settings("reader").redis, prefix=PREFIX) as reader:
                seen = counted(reader, truth["lines"])
        assert 0 == working.returncode, (folder / "worker.log").read_text()[-3_000:]
        refused = [(one["username"], one["object"]) for one in admin_of(servers).acl_log()]
        yield Job(servers, truth, seen, refused)


def test_every_line_is_counted_as_its_truth_says(job: Job) -> None:
    """Accepted, duplicates and dead letters: exact; nothing that a part asked of Redis was refused."""
    totals = job.seen.status.totals
    letters = sum(count for name, count in totals.items() if name.startswith("dead_letter:"))
    assert (job.truth["accepted"], job.truth["duplicates"], job.truth["dead_letter"]) == (
        totals["accepted"],
        totals["duplicates"],
        letters,
    )
    assert [] == job.refused


def test_alert_and_allocation_are_published_where_the_reader_reads_them(job: Job) -> None:
    """The incident's surge stands in Redis and on its topic, the allocation that answers it too."""
    servers = job.servers.settings("reader").kafka_servers
    alerts = asyncio.run(read_all(servers, topic_name(PREFIX, "market.alerts")))
    assert any(b'"surge"' in (one.value or b"") and b'"BR"' in (one.value or b"") for one in alerts)
    assert any(one.kind == "surge" and one.market == "BR" for one in job.seen.alerts)
    allocations = asyncio.run(read_all(servers, topic_name(PREFIX, "market.allocations")))
    assert job.seen.allocation is not None
    assert job.seen.allocation.id in [(one.key or b"").decode() for one in allocations]


def test_the_operator_verifies_the_ledger(job: Job) -> None:
    """Counting the topic again gives what stands in Redis; scratch keys of the operator's own are allowed."""
    report = asyncio.run(verify(job.servers.settings("operator"), lambda *_: None))
    assert report.equal, report.differences


async def test_the_page_shows_the_markets(job: Job) -> None:
    """With the page's own logins: overview, a market with its history of users, health; Redis refuses nothing."""
    admin_of(job.servers).acl_log_reset()
    page = create_page(job.servers.settings("page"))
    transport = httpx.ASGITransport(page)
    async with (
        page.router.lifespan_context(page),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client,
    ):

        async def ready() -> bool:
            return (await client.get("/view.json")).status_code == 200

        await until_async(ready, 20, every_s=0.05)
        for path, shown in (("/", "BR"), ("/market/BR", "BR"), ("/health", "cpu")):
            answer = await client.get(path)
            assert (200, True) == (answer.status_code, shown in answer.text), path
    assert [] == admin_of(job.servers).acl_log()


def test_the_intake_takes_events_as_a_producer(job: Job) -> None:
    """With a producer's login alone: an event is answered once Kafka has it."""
    login = job.servers.environment("producer")
    with intake(job.servers.kafka.bootstrap, PREFIX, login) as taking:
        event = {"id": "s-1", "market": "BR", "text": "chegou quebrado", "occurred_at": time.time_ns() // 1_000_000}
        answer = taking.post(event)
        assert (200, "accepted") == (answer.status_code, answer.json()["results"][0]["status"]), answer.text


def test_the_notifier_tells_a_sink(job: Job, tmp_path: Path) -> None:
    """With a login that may read alerts and silences, and nothing of Redis: the alert that fires is sent."""
    sinks, log = tmp_path / "sinks.toml", tmp_path / "log"
    own = {"MARKETPULSE_SINKS": str(sinks), "DESK_SECRET": SECRET}
    environment = job.servers.environment("notifier") | own
    with Receiver() as receiver, log.open("wb") as out:
        sinks.write_text(
            f'private_hosts = ["127.0.0.1"]\n[sink.desk]\nkind = "webhook"\nurl = "http://127.0.0.1:{receiver.port}/"\n'
            'secrets = ["${DESK_SECRET}"]\n',
            "utf-8",
        )
        notifier = start_marketpulse("notify", environment=environment, stdout=out, stderr=out, cwd=tmp_path)
        with ending(notifier):
            until(lambda: any(b'"surge"' in one.body for one in receiver.got), what=log.read_text)
    assert 0 == notifier.returncode, log.read_text()[-3_000:]


def test_rules_are_applied_by_command(job: Job, tmp_path: Path) -> None:
    """The administrator may, again and again; the operator may not, and is told so with exit code 78."""

    def said(role: Role | Literal["admin"], *arguments: str) -> tuple[int, str]:
        done = marketpulse_process(*arguments, environment=job.servers.environment(role), cwd=tmp_path)
        return done.returncode, done.stdout + done.stderr

    code, shown = said("reader", "acls", "show", "--json")
    rules = len(json.loads(shown)["kafka"])
    assert (0, True) == (code, rules > 50)
    assert (0, f"{rules} rules in force for {PREFIX}\n") == said("admin", "acls", "apply")
    code, text = said("operator", "acls", "apply")
    assert (EXIT_OPERATOR, True) == (code, "Operator action: grant" in text)


async def _group(settings: Settings, topic: str, group: str) -> None:
    consumer = AIOKafkaConsumer(topic, **client_options(settings.kafka_servers), group_id=group)
    async with kafka_errors(settings.kafka_servers, "give records"):
        try:
            await consumer.start()
            await consumer.getmany(timeout_ms=2_000)
        finally:
            await consumer.stop()


def _reads(topic: str) -> Callable[[Settings], Awaitable[object]]:
    return lambda settings: read_all(settings.kafka_servers, topic_name(PREFIX, topic))


def _writes(topic: str) -> Callable[[Settings], Awaitable[object]]:
    return lambda settings: write_all(settings.kafka_servers, topic_name(PREFIX, topic), [("k", b"{}")])


async def _applies(settings: Settings) -> None:
    await apply_profiles(settings.kafka_servers, PREFIX, [("NG", None)])


def _offsets(topic: str) -> Callable[[Settings], Awaitable[object]]:
    return lambda settings: topic_offsets(settings.kafka_servers, topic_name(PREFIX, topic))


def _asks(*command: str | int) -> Callable[[Settings], Awaitable[object]]:
    async def ask(settings: Settings) -> object:
        with translated_errors(settings.redis), connect(settings.redis) as client:
            return client.execute_command(*command)

    return ask


REFUSED: list[tuple[Role, str, Callable[[Settings], Awaitable[object]]]] = [
    ("notifier", "read feedback", _reads("feedback")),
    ("notifier", "read steps", _reads("market.steps")),
    ("notifier", "write alerts", _writes("market.alerts")),
    ("notifier", "join the workers", lambda s: _group(s, f"{PREFIX}.market.alerts", f"{PREFIX}.classify")),
    ("notifier", "use Redis", _asks("PING")),
    ("producer", "read feedback", _reads("feedback")),
    ("producer", "write alerts", _writes("market.alerts")),
    ("producer", "write profiles", _writes("market.profiles")),
    ("producer", "apply profiles", _applies),
    ("producer", "use Redis", _asks("PING")),
    ("worker", "write feedback", _writes("feedback")),
    ("worker", "write profiles", _writes("market.profiles")),
    ("worker", "apply profiles", _applies),
    ("worker", "write mutes", _writes("market.mutes")),
    ("worker", "write labels", _writes("market.labels")),
    ("worker", "read dead letters", _reads("feedback.dead-letter")),
    ("worker", "create topics", lambda s: create_topics(s.kafka_servers, f"{PREFIX}2")),
    ("worker", "create ACLs", lambda s: create_acls(s.kafka_servers, PREFIX, NOBODY)),
    ("worker", "join another group", lambda s: _group(s, f"{PREFIX}.feedback", f"{PREFIX}.other")),
    ("worker", "empty Redis", _asks("FLUSHALL")),
    ("worker", "list keys", _asks("KEYS", "*")),
    ("worker", "configure Redis", _asks("CONFIG", "SET", "maxmemory", 1)),
    ("worker", "see Redis's passwords", _asks("CONFIG", "GET", "*")),
    ("worker", "see another prefix", _asks("GET", "other:allocation")),
    ("worker", "write another prefix", _asks("SET", "other:allocation", "{}")),
    ("worker", "make users", _asks("ACL", "SETUSER", "x")),
    ("reader", "read feedback", _reads("feedback")),
    ("reader", "read dead letters", _reads("feedback.dead-letter")),
    ("reader", "write alerts", _writes("market.alerts")),
    ("reader", "join the workers", lambda s: _group(s, f"{PREFIX}.market.alerts", f"{PREFIX}.classify")),
    ("reader", "have a group of another name", lambda s: _group(s, f"{PREFIX}.market.alerts", f"{PREFIX}.readers")),
    ("reader", "write Redis", _asks("SET", f"{PREFIX}:allocation", "{}")),
    ("reader", "delete from Redis", _asks("UNLINK", f"{PREFIX}:ledger")),
    ("reader", "run scripts", _asks("EVAL", "return 1", 0)),
    ("reader", "read what the model said of each event", _reads("feedback.classified")),
    ("reader", "read checksums of records", _asks("HGETALL", f"{PREFIX}:partition:0")),
    ("reader", "read where a step was cut", _asks("GET", f"{PREFIX}:step:1:cut")),
    ("reader", "read sums of minutes", _asks("HGETALL", f"{PREFIX}:buckets:minute:BR")),
    ("reader", "count users of an hour", _asks("PFCOUNT", f"{PREFIX}:users:hour:BR:1")),
    ("analyst", "read feedback", _reads("feedback")),
    ("analyst", "read quotes", _reads("market.alerts")),
    ("analyst", "use Redis", _asks("PING")),
    ("reader", "read ids of events", _asks("LRANGE", f"{PREFIX}:ids:0", 0, -1)),
    ("reader", "read users", _asks("GET", f"{PREFIX}:users:hour:BR:1")),
    ("reader", "read users of an open step", _asks("GET", f"{PREFIX}:step:1:users:BR:1")),
    ("page", "read users of an open step", _asks("GET", f"{PREFIX}:step:1:users:BR:1")),
    ("page", "read feedback", _reads("feedback")),
    ("page", "write feedback", _writes("feedback")),
    ("page", "write allocations", _writes("market.allocations")),
    ("page", "write profiles", _writes("market.profiles")),
    ("page", "write labels", _writes("market.labels")),
    ("page", "write Redis", _asks("HSET", f"{PREFIX}:alerts", "a", "{}")),
    ("operator", "create other topics", lambda s: create_topics(s.kafka_servers, "other")),
    ("operator", "create ACLs", lambda s: create_acls(s.kafka_servers, PREFIX, NOBODY)),
    ("operator", "empty Redis", _asks("FLUSHDB")),
    ("operator", "configure Redis", _asks("CONFIG", "SET", "maxmemory", 1)),
    ("operator", "see Redis's passwords", _asks("CONFIG", "GET", "*")),
    ("operator", "write another prefix", _asks("SET", "other:x", "1")),
]


@pytest.mark.parametrize(("role", "what", "work"), REFUSED, ids=[f"{role}: {what}" for role, what, _ in REFUSED])
def test_each_is_refused_what_it_does_not_need(
    job: Job, role: Role, what: str, work: Callable[[Settings], Awaitable[object]]
) -> None:
    """The refusal is the project's error, within seconds; it names the server and what to do, and no password."""
    settings = job.servers.settings(role)
    with pytest.raises(OperatorNeeded, match="Operator action: ") as caught:
        asyncio.run(asyncio.wait_for(work(settings), 20))
    assert job.servers.kafka.bootstrap in str(caught.value) or str(job.servers.redis.port) in str(caught.value)
    assert job.servers.passwords[role] not in str(caught.value)


ALLOWED: list[tuple[Role, str, Callable[[Settings], Awaitable[object]]]] = [
    ("page", "write mutes", _writes("market.mutes")),
    ("notifier", "see how far steps are", _offsets("market.steps")),
    ("operator", "write profiles", _writes("market.profiles")),
    ("operator", "write labels", _writes("market.labels")),
    ("operator", "apply profiles", _applies),
    ("analyst", "read what the model said of each event", _reads("feedback.classified")),
    ("analyst", "have a group of its own", lambda s: _group(s, f"{PREFIX}.feedback.classified", f"{PREFIX}.analyst")),
    ("page", "read sums of minutes", _asks("HGETALL", f"{PREFIX}:buckets:minute:BR")),
    ("page", "count users of an hour", _asks("PFCOUNT", f"{PREFIX}:users:hour:BR:1")),
    ("reader", "have a group of its own", lambda s: _group(s, f"{PREFIX}.market.alerts", f"{PREFIX}.reader.x")),
]


@pytest.mark.parametrize(("role", "what", "work"), ALLOWED, ids=[f"{role}: {what}" for role, what, _ in ALLOWED])
def test_each_may_do_what_it_needs_now_and_then(
    job: Job, role: Role, what: str, work: Callable[[Settings], Awaitable[object]]
) -> None:
    """What the job above does not do."""
    asyncio.run(asyncio.wait_for(work(job.servers.settings(role)), 20))


WRONG: list[tuple[str, dict[str, object], str]] = [
    ("kafka password", {"kafka_password": "wrong-one"}, "refuses the login of user shop-worker"),
    ("kafka user", {"kafka_username": "nobody"}, "refuses the login of user nobody"),
    ("kafka mechanism", {"kafka_sasl_mechanism": "PLAIN"}, "has no login by PLAIN"),
    ("kafka authority", {"kafka_ca": "other"}, "a certificate that is not trusted"),
    ("kafka without TLS", {"kafka_security_protocol": "SASL_PLAINTEXT", "kafka_ca": None}, "speaks TLS, this process"),
    ("redis password", {"redis_password": "wrong-one"}, "refuses these credentials"),
    ("redis authority", {"redis_ca": "other"}, "a certificate that is not trusted"),
]


@pytest.mark.parametrize(("changes", "said"), [pytest.param(*one[1:], id=one[0]) for one in WRONG])
def test_what_does_not_fit_is_told_apart(job: Job, changes: dict[str, object], said: str) -> None:
    """`doctor` names it once per server that it concerns, with what to do and without a password."""
    other = {name: job.servers.certificates.other_ca for name, value in changes.items() if value == "other"}
    settings = job.servers.settings("worker", **(changes | other))
    findings = {one.part: one for one in asyncio.run(examine(settings))}
    wrong = findings["kafka and topics" if "kafka" in next(iter(changes)) else "redis"]
    assert (False, True, True) == (wrong.fine, said in wrong.what, len(wrong.do) > 20), wrong
    assert "wrong-one" not in str(findings)


def test_plain_connections_are_refused(job: Job) -> None:
    """Neither server answers a client without TLS; Kafka's protocol is named, Redis's may be away."""
    plain = Settings(kafka=job.servers.kafka.bootstrap)
    with pytest.raises(OperatorNeeded, match="speaks TLS, this process does not"):
        asyncio.run(topic_offsets(plain.kafka_servers, f"{PREFIX}.feedback", patience=1))
    url = job.servers.redis.url.replace("rediss", "redis")
    with pytest.raises(Unavailable, match="may want rediss://"), translated_errors(url), connect(url) as client:
        client.ping()


@pytest.mark.parametrize(
    "changes",
    [{"MARKETPULSE_KAFKA_PASSWORD": "wrong-one"}, {"MARKETPULSE_REDIS_PASSWORD": "wrong-one"}],
    ids=["kafka", "redis"],
)
def test_a_worker_with_a_wrong_password_stays_down(job: Job, tmp_path: Path, changes: dict[str, str]) -> None:
    """Exit code 78, an operator's action in the last line, no trace, no password."""
    with ending(worker(job.servers, tmp_path, MARKETPULSE_MODEL="stub", **changes)) as refused:
        assert EXIT_OPERATOR == refused.wait(60)
    log = (tmp_path / "worker.log").read_text()
    assert "Operator action: fix" in log.splitlines()[-1]
    assert "Traceback" not in log
    assert "wrong-one" not in log


async def test_a_ledger_is_not_there_for_a_reader(job: Job) -> None:
    """What a worker does with Redis, a reader's login cannot: the first script ends it."""
    ledger = Ledger(job.servers.settings("reader").redis, PREFIX)
    try:
        with pytest.raises(OperatorNeeded, match="acls show redis"):
            await ledger.claim(0)
    finally:
        await ledger.close()


def test_redis_lets_nobody_in_without_a_login(job: Job) -> None:
    """The default user is off."""
    url = f"{job.servers.redis.url}?ssl_ca_certs={job.servers.certificates.ca}"
    with pytest.raises(redis.exceptions.AuthenticationError), connect(url) as client:
        client.ping()
