"""An operator's recovery on a real Kafka and Redis: emptied, replaced, reset; a topic without its records."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, RecordsToDelete
from aiokafka.structs import TopicPartition

from streams.batches import DecodedBatch, Delta, Position, SourceMark
from streams.dev.embedded.servers import EmbeddedStack
from streams.dev.processes import start_marketpulse
from streams.errors import LedgerBroken
from streams.kafka.admin import create_topics
from streams.ledger.commit import Ledger
from streams.recovery.replay_report import replay_journal
from streams.settings import Settings
from tests.faults.oracle import truth_of
from tests.support.job import Job
from tests.support.redis_servers import url_of
from tests.support.waiting import until_async

pytestmark = [pytest.mark.long, pytest.mark.timeout(200)]


@pytest.fixture
def job(stack: EmbeddedStack, prefix: str, tmp_path: Path) -> Iterator[Job]:
    """A job whose workers are stopped by process id."""
    one = Job(stack, prefix, tmp_path)
    yield one
    one.supervisor.stop()
    one.reader.close()


def test_an_emptied_redis_is_rebuilt_and_goes_on_exactly(job: Job) -> None:
    """Workers stop with 78; after the rebuild all is as before; what follows and what repeats is counted once."""
    job.workers(2)
    job.publish(job.feed[:2_000], 1_500.0)
    job.until(job.settled)
    job.until(lambda: job.reader.snapshot().allocation is not None and job.settled())
    before, told = job.reader.snapshot(), job.reader.allocations()
    asyncio.run(job.empty_redis())
    assert "Redis was emptied" in job.ends_with("ledger_lost")

    refused = job.cli("ledger", "init", "--yes")
    assert (78, True) == (refused.returncode, "ledger rebuild" in refused.stderr)
    unasked = job.cli("ledger", "rebuild")
    assert (2, True) == (unasked.returncode, "nothing was changed" in unasked.stderr)
    report = job.done("ledger", "rebuild")
    assert (False, 0, None) == (report["live"], report["to_count"], report["first_differing_step"])
    after = job.reader.snapshot()
    assert (before.metrics, before.alerts, before.allocation) == (after.metrics, after.alerts, after.allocation)
    totals = [
        one.status.totals | {"fenced_commits": 0} for one in (before, after)
    ]  # of these the journal knows nothing
    assert (totals[0], before.status.partitions) == (totals[1], after.status.partitions)
    assert (before.status.digest, told) == (after.status.digest, job.reader.allocations())

    job.workers(1)
    job.publish([*job.feed[2_000:], *job.feed[:300]])
    job.until(job.settled)
    job.check()
    replayed = asyncio.run(replay_journal(job.settings))
    assert (job.reader.snapshot().status.digest, None) == (replayed.sha256, replayed.first_differing_step)


def test_events_after_the_last_step_are_counted_again(job: Job) -> None:
    """What was committed and in no step when Redis was emptied is counted from the topic, once."""
    worker = job.workers(1).workers[0]
    job.publish(job.feed[:1_000])
    job.until(job.settled)
    job.publish(job.feed[1_000:2_000])
    job.until(lambda: job.reader.committed() > 1_100)
    worker.kill()
    worker.wait()
    asyncio.run(job.empty_redis())
    assert 0 < job.done("ledger", "rebuild")["to_count"] <= 1_000
    job.workers(1)
    job.until(job.settled)
    job.check()


def test_partitions_that_were_added_are_counted_from_their_begin(job: Job) -> None:
    """A running worker takes them up by itself, counts every record once, and rebuild and replay know them."""

    async def add() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=job.settings.kafka)
        await admin.start()
        await admin.create_partitions({job.topic: NewPartitions(10)})

        async def known() -> bool:  # to the broker, so that the publisher sees them from the begin
            [topic] = await admin.describe_topics([job.topic])
            return len(topic["partitions"]) == 10

        await until_async(known)
        await admin.close()

    job.workers(1)
    job.publish(job.feed[:1_000])
    job.until(job.settled)
    asyncio.run(add())
    job.publish(job.feed[1_000:2_000])
    job.until(job.settled)
    counted = job.reader.snapshot().status.partitions
    assert (10, True) == (len(counted), counted[8] + counted[9] > 0)
    job.check()
    assert 0 == job.cli("replay").returncode
    job.done("ledger", "rebuild", "--whole")
    job.publish(job.feed[2_000:2_500])
    job.until(job.settled)
    job.check()


async def break_ledger(settings: Settings) -> None:
    """Commit with a login that may not append to lists: counts are added, the offset is not moved."""
    ledger, user = Ledger(settings.redis, settings.prefix), settings.prefix
    await ledger.redis.execute_command("ACL", "SETUSER", user, "on", ">pw", "~*", "+@all", "-rpush")
    limited = Ledger(url_of(settings.redis, user, "pw"), settings.prefix)
    claim = await limited.claim(0)
    position = Position(0, claim.number, claim.generation, claim.next, claim.next + 3)
    batch = DecodedBatch(position, [], [], [], 0, b"i" * 24, 0, SourceMark(), 1_000, 1_000)
    with pytest.raises(LedgerBroken):
        await limited.commit(batch, Delta({"BR:600:negative/app": 3}, {}, {"accepted": 3}))
    await ledger.redis.execute_command("ACL", "DELUSER", user)
    for one in (limited, ledger):
        await one.close()


def test_a_broken_ledger_stays_down_until_it_is_rebuilt(job: Job) -> None:
    """Started again, a worker ends with 78 and counts nothing; `doctor` says why; the rebuild makes all exact."""
    job.workers(1)
    job.publish(job.feed[:1_000])
    job.until(job.settled)
    job.supervisor.stop()
    asyncio.run(break_ledger(job.settings))
    job.publish(job.feed[1_000:1_500])
    for _ in range(2):
        job.workers(1)
        assert "`commit` failed after its first write" in job.ends_with("ledger_broken")
    said = job.cli("doctor").stdout
    assert "WRONG ledger" in said
    assert "marketpulse ledger rebuild" in said
    job.done("ledger", "rebuild")
    job.workers(1)
    job.until(job.settled)
    job.check()


async def content(settings: Settings) -> dict[bytes, bytes]:
    """All keys of the prefix as Redis dumps them."""
    ledger = Ledger(settings.redis, settings.prefix)
    found = {key: await ledger.redis.dump(key) async for key in ledger.redis.scan_iter(f"{ledger.keys.namespace}*")}
    await ledger.close()
    return found


async def restore(settings: Settings, older: dict[bytes, bytes]) -> None:
    """Put Redis back to where it was."""
    ledger = Ledger(settings.redis, settings.prefix)
    keys = [key async for key in ledger.redis.scan_iter(f"{ledger.keys.namespace}*")]
    async with ledger.redis.pipeline(transaction=True) as pipe:
        pipe.unlink(*keys)
        for key, value in older.items():
            pipe.restore(key, 0, value)
        await pipe.execute()
    await ledger.close()


def test_an_older_redis_is_noticed_although_nothing_new_comes(job: Job) -> None:
    """The worker ends with 75 by itself and counts again what the older state had not seen: exact, and replayable."""
    job.workers(1)
    job.publish(job.feed[:1_000])
    job.until(job.settled)
    older = asyncio.run(content(job.settings))
    job.publish(job.feed[1_000:1_400])
    job.until(job.settled)
    steps = job.reader.snapshot().status.step
    asyncio.run(restore(job.settings, older))
    job.until(lambda: 75 in [event.get("exit_code") for event in job.events])
    logs = [line for log in job.supervisor.logs() for line in log.read_text().splitlines()]
    assert "ledger_rewound" == json.loads(next(line for line in logs if '"process_ends"' in line))["code"]
    job.until(lambda: job.settled() and job.reader.snapshot().status.step >= steps)
    job.check()
    replayed = asyncio.run(replay_journal(job.settings))
    assert (job.reader.snapshot().status.digest, None) == (replayed.sha256, replayed.first_differing_step)


def test_a_ledger_is_replaced_under_running_workers_and_readers(job: Job) -> None:
    """A damaged one is named by `verify`; the rebuilt one stands there at once; the worker starts anew with it."""
    job.workers(1)
    job.publish(job.feed[:1_000])
    job.until(job.settled)
    asyncio.run(double_an_hour(job.settings))
    found = job.cli("ledger", "verify", "--json")
    assert 1 == found.returncode
    first = json.loads(found.stdout)["differences"][0]
    assert (True, 2 * first["counted"]) == (first["key"].startswith("market BR, hour 20"), first["in_redis"])

    with ThreadPoolExecutor(1) as beside:
        publishing = beside.submit(job.publish, job.feed[1_000:2_000], 150.0)
        rebuilding = start_marketpulse(
            "ledger", "rebuild", "--whole", "--yes", environment=job.environment, stderr=subprocess.STDOUT
        )
        seen = []
        while rebuilding.poll() is None:
            snapshot = job.reader.snapshot()
            n = sum(one.windows["24h"].n for one in snapshot.metrics.values())
            seen.append((snapshot.status.step, n))
        told = rebuilding.communicate()[0]
        assert 0 == rebuilding.returncode, told
        publishing.result()
    assert [] == [(one, other) for one, other in pairwise(seen) if other[0] < one[0] or other[1] < one[1]]
    job.until(job.settled)
    assert 75 in [event.get("exit_code") for event in job.events]
    job.check()


async def double_an_hour(settings: Settings) -> None:
    """Count the events of one hour in BR twice."""
    ledger = Ledger(settings.redis, settings.prefix)
    buckets = (await ledger.load_buckets(["BR"]))["BR"][1]
    doubled = 2 * np.frombuffer(buckets[min(buckets)], np.int64)
    await ledger.redis.hset(ledger.keys.hours("BR"), min(buckets), doubled.tobytes())
    await ledger.close()


def test_a_reset_begins_anew_and_goes_on_with_the_numbers(job: Job) -> None:
    """From the latest offset: nothing is counted, the allocation stays, steps go on; from the earliest: all again."""
    job.workers(1)
    job.publish(job.feed[:1_500], 1_500.0)
    job.until(lambda: job.reader.snapshot().allocation is not None and job.settled())
    job.supervisor.stop()
    before = job.reader.snapshot()
    assert 0 == job.done("ledger", "reset", "--from", "latest")["to_count"]
    after = job.reader.snapshot()
    assert ({}, before.allocation) == (after.metrics, after.allocation)
    assert 0 == after.status.totals.get("accepted", 0)
    assert 1_500 == job.done("ledger", "reset")["to_count"]
    job.workers(1)
    job.until(lambda: job.reader.snapshot().status.step > before.status.step and job.settled())
    job.check()
    assert asyncio.run(replay_journal(job.settings, newest_checkpoint=True)).same


def test_retention_and_a_new_topic_are_told_apart_and_can_be_left_behind(job: Job) -> None:
    """78 with a code of its own; a rebuild says the same; with --skip-lost it goes on and keeps what was counted."""
    job.workers(1)
    job.publish(job.feed[:1_000])
    job.until(job.settled)
    job.supervisor.stop()
    kept = job.reader.snapshot().status.totals["accepted"]

    job.publish(job.feed[1_000:1_400])
    asyncio.run(delete_records(job.settings, job.topic))
    job.workers(1)
    assert "retention took" in job.ends_with("retention_passed")
    refused = job.cli("ledger", "rebuild", "--yes")
    assert (78, True) == (refused.returncode, "--skip-lost" in refused.stderr)
    report = job.done("ledger", "rebuild", "--skip-lost")
    assert (400, 0) == (report["lost"], report["to_count"])
    job.workers(1)
    job.until(job.settled)
    assert kept == job.reader.snapshot().status.totals["accepted"]
    job.supervisor.stop()

    asyncio.run(recreate(job.settings, job.topic))
    job.published = 0
    job.publish(job.feed[1_400:1_500])
    job.workers(1)
    assert "the topic was recreated" in job.ends_with("topic_recreated")
    assert 100 == job.done("ledger", "rebuild", "--skip-lost")["to_count"]
    job.workers(1)
    job.until(job.settled)
    truth = asyncio.run(truth_of(job.settings.kafka, job.topic))
    assert kept + truth.accepted == job.reader.snapshot().status.totals["accepted"]
    verified = job.cli("ledger", "verify")
    assert (0, True) == (verified.returncode, "not compared: totals" in verified.stdout), verified.stdout


async def delete_records(settings: Settings, topic: str) -> None:
    """What retention does: all records of the topic go, offsets go on."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka)
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(topic, number): RecordsToDelete(-1) for number in range(8)})
    finally:
        await admin.close()


async def recreate(settings: Settings, topic: str) -> None:
    """Delete the topic and create it again."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka)
    await admin.start()
    try:
        await admin.delete_topics([topic])

        async def gone() -> bool:
            return topic not in await admin.list_topics()

        await until_async(gone, 20, every_s=0.1)
    finally:
        await admin.close()
    await create_topics(settings.kafka, settings.prefix)
