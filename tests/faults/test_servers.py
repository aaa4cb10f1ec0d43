"""Servers that fall, come back, come back older, refuse or are badly connected: scenarios 6, 8 to 12, 19, 24b."""

import asyncio
import json
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from marketpulse.errors import EXIT_OPERATOR
from streams.dev.feeds.simulate import Incident
from streams.errors import EXIT_RESTART
from streams.kafka.admin import create_topics
from streams.ledger.commit import Ledger
from tests.faults.feed import simulated
from tests.faults.job import Job
from tests.faults.oracle import records
from tests.faults.probes import answer_of, ready, refuses
from tests.faults.servers import FaultStack, empty, keep_redis, proxies, remove_topics, set_redis_back

pytestmark = [pytest.mark.faults, pytest.mark.nemesis, pytest.mark.timeout(420)]

FILL = "for n = 1, 1000 do redis.call('SET', 'filler:' .. ARGV[1] .. ':' .. n, string.rep('x', 1500)) end"
DISK_S = 1.2  # Redis writes its file to the disk every second


# --- 6: the broker ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("deed", "seconds"), [("kill", 15.0), ("kill", 70.0), ("stop", 30.0)])
def test_fault_6_the_broker_is_away(make_job: Callable[..., Job], deed: str, seconds: float) -> None:
    """Broker killed for 15 and 70 s, stopped for 30 s: workers stay up, readiness says no meanwhile; exact."""
    job = make_job(health_port=0)
    job.crew.start(2)
    job.feed(12_000, 800.0)
    job.under_way()
    job.until(lambda: all(map(ready, job.crew.workers)), 20, "both are ready")
    away = time.monotonic()
    if deed == "kill":
        job.stack.kafka.kill()
    else:
        job.stack.kafka.send(signal.SIGSTOP)
    told = job.until(lambda: all(map(refuses, job.crew.workers)), 20, "readiness says no")
    job.figures["seconds_until_not_ready"] = round(told, 1)
    job.pause(seconds - (time.monotonic() - away))
    assert all(map(refuses, job.crew.workers))
    if deed == "kill":
        job.stack.kafka.start()
    else:
        job.stack.kafka.send(signal.SIGCONT)
    job.figures["seconds_until_ready"] = round(job.until(lambda: all(map(ready, job.crew.workers)), 60, "ready"), 1)
    job.check()
    assert (0, []) == (job.crew.restarts, job.crew.codes())


def test_fault_6_the_broker_is_down_when_a_worker_starts(make_job: Callable[..., Job]) -> None:
    """A worker started without a broker waits, says that it is not ready, and goes on by itself; exact."""
    job = make_job(health_port=0)
    job.publish(simulated(job.seed, 4_000))
    job.stack.kafka.kill()
    worker = job.crew.start(1)[0]
    job.until(lambda: refuses(worker), 30, "readiness says no")
    job.pause(10)
    assert refuses(worker)
    job.stack.kafka.start()
    job.until(lambda: ready(worker), 40, "ready")
    job.check()
    assert (0, []) == (job.crew.restarts, job.crew.codes())


# --- 8: Redis ---------------------------------------------------------------------------------------------------------


@pytest.mark.seeds
@pytest.mark.parametrize("seconds", [3.0, 40.0])
def test_fault_8_redis_is_killed(make_job: Callable[..., Job], seconds: float) -> None:
    """Redis killed for 3 and 40 s: commits are retried inside, readiness says no, no process ends; exact."""
    job = make_job(health_port=0)
    job.crew.start(2)
    job.feed(12_000, 800.0)
    job.under_way(0.1 + job.rng.random() * 0.2)
    job.stack.redis.kill()
    away = time.monotonic()
    job.until(lambda: all(map(refuses, job.crew.workers)), 20, "readiness says no")
    job.pause(max(0.0, seconds - (time.monotonic() - away)))
    job.stack.redis.start()
    job.check()
    assert (0, []) == (job.crew.restarts, job.crew.codes())
    assert 0 == job.total("rewinds")


def test_fault_8_redis_is_away_across_a_rebalance(make_job: Callable[..., Job]) -> None:
    """Claims that cannot be made within 10 s (60 by default) end the process with 75; it is started again.

    The partitions of a worker that is killed meanwhile go to the other one; a worker that starts waits for Redis.
    """
    job = make_job(claim_timeout_seconds=10.0)
    _, second = job.crew.start(2)
    job.feed(10_000, 800.0)
    job.under_way()
    job.shared()
    job.stack.redis.kill()
    second.send(signal.SIGKILL)
    job.pause(35)
    job.stack.redis.start()
    job.check()
    assert EXIT_RESTART in job.crew.codes()
    assert {EXIT_RESTART, -signal.SIGKILL} >= set(job.crew.codes())


# --- 9 and 24b: Redis comes back older --------------------------------------------------------------------------------


@pytest.mark.seeds
def test_fault_9_redis_comes_back_older(job: Job, tmp_path: Path) -> None:
    """Redis restored to an older append-only file with batches in hand: exit 75 or a new claim sees it; exact."""
    job.crew.start(2, failpoint="scored:*:0.05")
    job.feed(15_000, 1_000.0)
    job.under_way(0.2)
    keep_redis(job.stack, tmp_path / "older")
    kept = job.committed()
    job.until(lambda: job.committed() > kept + 2_000 + job.rng.randrange(2_000), 40, "more was counted")
    job.figures["records_set_back"] = job.committed() - kept
    set_redis_back(job.stack, tmp_path / "older")
    job.guard.forgive()
    job.pause(1)
    job.stack.redis.start()
    job.check()
    # A commit that starts too late ends the process; where a rebalance comes first, the claim sees it.
    assert EXIT_RESTART in job.crew.codes() or job.crew.said('"ledger_rewound"')
    assert job.total("rewinds") >= 1


# --- 10: Redis comes back empty ---------------------------------------------------------------------------------------


def test_fault_10_redis_comes_back_empty(job: Job) -> None:
    """Workers end with 78 and count nothing; after `ledger rebuild` all is exact, and `ledger verify` agrees."""
    job.crew.start(2)
    feed = job.feed(12_000, 800.0)
    job.under_way(0.4)
    job.stack.redis.kill()
    empty(job.stack.redis)
    job.guard.forgive()
    job.stack.redis.start()
    job.until(lambda: not job.crew.workers, 60, "both workers have ended")
    assert {EXIT_OPERATOR} == set(job.crew.codes())
    assert 2 == job.crew.said('"ledger_lost"')
    assert not job.redis.keys(f"{job.prefix}:partition:*")
    job.until(lambda: not feed.under_way, 60, "the feed is published")
    began = time.monotonic()
    rebuilt = job.marketpulse("ledger", "rebuild", "--yes", "--json")
    job.figures["rebuild_s"] = round(time.monotonic() - began, 1)
    assert 0 == rebuilt.returncode, rebuilt.stderr
    job.figures["events_rebuilt"] = json.loads(rebuilt.stdout)["events"]
    job.guard.forgive()
    job.crew.start(2)
    job.check()
    verified = job.marketpulse("ledger", "verify", "--json")
    assert 0 == verified.returncode, verified.stdout


def test_fault_24b_an_alert_was_relayed_before_redis_went_back(job: Job, tmp_path: Path) -> None:
    """An alert that Redis forgot is resolved with a reason or fires again with a higher seq: never firing for ever."""
    job.crew.start(1)
    rows = simulated(job.seed, 12_000, 12.0, Incident("BR", 0.8, 1.0, volume=0.0))
    quiet_from = int(len(rows) * 0.75)
    job.feed(0, 2_000.0, rows[:quiet_from])
    job.until(lambda: not job.feeds[0].under_way and job.settled(), 60, "counted")
    job.pause(DISK_S)
    keep_redis(job.stack, tmp_path / "older")
    job.feed(0, 2_000.0, rows[quiet_from:])
    job.until(lambda: any("no_data-BR" in name and state == "firing" for name, state in _alerts(job)), 60, "it fires")
    job.until(job.settled, 30, "relayed")
    relayed = _newest_seq(job)
    set_redis_back(job.stack, tmp_path / "older")
    job.guard.forgive()
    job.stack.redis.start()
    job.check()
    job.figures["seq_before"], job.figures["seq_after"] = relayed, _newest_seq(job)
    assert _newest_seq(job) > relayed


def _alerts(job: Job) -> list[tuple[str, str]]:
    rows = job.redis.hgetall(f"{job.prefix}:alerts")
    return [(name.decode(), json.loads(value)["state"]) for name, value in rows.items()]


def _newest_seq(job: Job) -> int:
    async def newest() -> int:
        topic = job.name("market.alerts")
        return max([json.loads(one.value)["seq"] async for one in records(job.stack.endpoints.kafka, topic)], default=0)

    return asyncio.run(newest())


# --- 11: Redis answers, but refuses -----------------------------------------------------------------------------------


def _memory(job: Job, limited: bool) -> None:
    job.redis.config_set("maxmemory", 1_000_000 if limited else 0)


def _replica(job: Job, limited: bool) -> None:
    if limited:
        job.redis.replicaof("127.0.0.1", "1")
    else:
        job.redis.replicaof("NO", "ONE")


@pytest.mark.parametrize(
    ("refuse", "says"), [(_memory, "out of memory"), (_replica, "read-only replica")], ids=["memory", "replica"]
)
def test_fault_11_redis_takes_no_writes(
    make_job: Callable[..., Job], refuse: Callable[[Job, bool], Any], says: str
) -> None:
    """Out of memory, and a read-only replica: workers say which, wait, and go on; never a part of a batch; exact."""
    job = make_job(health_port=0)
    job.crew.start(2)
    job.feed(9_000, 900.0)
    job.under_way()
    refuse(job, True)
    job.until(lambda: job.crew.said(says), 20, f"workers say {says}")
    job.until(lambda: all(map(refuses, job.crew.workers)), 20, "readiness says no")
    counted = job.committed()
    job.pause(6)
    assert counted == job.committed()
    refuse(job, False)
    job.check()
    assert (0, []) == (job.crew.restarts, job.crew.codes())


def test_fault_11_redis_loads_its_file(job: Job) -> None:
    """While Redis loads its file after a restart it answers LOADING: workers wait; exact."""
    job.crew.start(2)
    job.feed(9_000, 900.0)
    job.under_way()
    job.redis.config_set("auto-aof-rewrite-percentage", 0)
    for thousands in range(200):
        job.redis.eval(FILL, 0, thousands)
    job.pause(DISK_S)
    job.stack.redis.kill()
    job.stack.redis.start()
    job.check()
    took = re.findall(r"DB loaded from append only file: ([\d.]+)", job.stack.redis.log.read_text("utf-8", "replace"))
    job.figures["seconds_loading"] = float(took[-1])
    assert job.figures["seconds_loading"] > 0.3, "workers try again within that time"
    assert (0, []) == (job.crew.restarts, job.crew.codes())


def test_fault_11_redis_refuses_the_credentials(job: Job) -> None:
    """Credentials that Redis refuses end every worker with 78 and say so; with good ones the rest is counted; exact."""
    workers = job.crew.start(2)
    job.feed(9_000, 900.0)
    job.under_way()
    job.redis.config_set("requirepass", "other")
    job.redis.client_kill_filter(_type="normal", skipme=True)
    codes = [job.crew.ends(worker, 30) for worker in workers]
    said = job.crew.said("refuses these credentials")
    job.redis.config_set("requirepass", "")
    job.crew.start(2)
    job.check()
    assert [EXIT_OPERATOR, EXIT_OPERATOR] == codes
    assert said >= 2


# --- 12: bad connections ----------------------------------------------------------------------------------------------


def _mark(script: str) -> bytes:
    """What a call of a ledger script holds: its SHA-1."""
    ledger = Ledger("redis://127.0.0.1:1/0", "x")
    return ledger._scripts[script].sha.encode()


@pytest.mark.seeds
@pytest.mark.parametrize("trouble", ["slow", "resets", "half-open", "lost replies"])
def test_fault_12_bad_connections(servers: FaultStack, make_job: Callable[..., Job], trouble: str) -> None:
    """Slow, reset and half-open connections to both servers, replies lost after commit and publish: exact."""
    with proxies(servers) as (links, kafka, redis):
        job = make_job(links=links)
        job.crew.start(2)
        job.feed(9_000, 900.0)
        job.under_way()
        if trouble == "slow":
            for proxy in (kafka, redis):
                proxy.slow(0.03)
            job.pause(10)
            for proxy in (kafka, redis):
                proxy.slow(0)
        elif trouble == "resets":
            for _ in range(10):
                job.pause(0.3 + job.rng.random())
                job.rng.choice((kafka, redis)).reset()
        elif trouble == "half-open":
            job.figures["half_open"] = redis.half_open()
            job.pause(2 + job.rng.random() * 3)
            job.figures["half_open"] += kafka.half_open()
        else:
            redis.lose_replies(8, _mark("commit"), _mark("publish"))
            job.until(lambda: redis.lost >= 8, 40, "eight replies were lost")
        job.check(60)  # of which 40 are two requests on dead connections, one after the other
        job.figures["connections"] = kafka.carried + redis.carried
        job.figures["replies_lost"] = redis.lost
        job.crew.stop()
    assert trouble != "lost replies" or redis.lost >= 8


# --- 19: topics that cannot be written --------------------------------------------------------------------------------


@pytest.mark.parametrize("topic", ["feedback.dead-letter", "market.alerts"])
def test_fault_19_a_topic_cannot_be_written(make_job: Callable[..., Job], topic: str) -> None:
    """Dead-letter or alerts topic gone: intake or relay waits, readiness says no; afterwards nothing is missing."""
    job = make_job(health_port=0)
    kafka = job.stack.endpoints.kafka
    asyncio.run(remove_topics(kafka, job.prefix, topic))
    worker = job.crew.start(1)[0]
    job.feed(0, 1_500.0, simulated(job.seed, 6_000, 12.0, Incident("BR", 0.8, 1.0, volume=0.0)))
    waits = "dead letters" if topic == "feedback.dead-letter" else "roll-up"
    took = job.until(lambda: waits in (answer_of(worker) or {}).get("waiting", ()), 80, f"it says: waits for {waits}")
    job.figures["seconds_until_told"] = round(took, 1)
    assert refuses(worker)
    job.until(lambda: not job.feeds[0].under_way, 30)
    before = job.backlog()
    asyncio.run(create_topics(kafka, job.prefix, 8))
    job.check(90)
    assert (topic == "feedback.dead-letter") == (before > 0)
    assert sum(job.truth.dead_letters.values()) == len(_dead_letters(job))
    assert [] == job.crew.codes()


def _dead_letters(job: Job) -> set[tuple[bytes, bytes]]:
    """Partition and offset of every record on the dead-letter topic."""

    async def found() -> set[tuple[bytes, bytes]]:
        topic, rows = job.name("feedback.dead-letter"), set()
        async for one in records(job.stack.endpoints.kafka, topic):
            headers = dict(one.headers)
            rows.add((headers["__streams.errors.partition"], headers["__streams.errors.offset"]))
        return rows

    return asyncio.run(found())
