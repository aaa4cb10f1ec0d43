"""`MARKETPULSE_EXCERPTS=false` on a product that had excerpts, on a real Kafka and Redis: nobody is quoted any more."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from marketpulse.contract.records import AlertRecord
from marketpulse.contract.topics import topic_name
from streams.dev.embedded.servers import EmbeddedStack
from streams.kafka.compacted import read_all
from streams.kafka.publish import Record
from streams.ledger.commit import Ledger
from streams.pipeline.detect.market_state import MarketState
from tests.support.job import Job, complaining

pytestmark = [pytest.mark.long, pytest.mark.timeout(200)]


def alerts_on_topic(job: Job) -> list[AlertRecord]:
    """All records of `market.alerts`."""
    records = asyncio.run(read_all(job.settings.kafka, topic_name(job.settings.prefix, "market.alerts")))
    return [msgspec.json.decode(record.value, type=AlertRecord) for record in records if record.value is not None]


def quoting(alerts: list[AlertRecord]) -> list[str]:
    """Ids of alerts that hold what users wrote."""
    return [one.id for one in alerts if one.evidence.get("excerpts") or one.evidence.get("words")]


def kept(job: Job) -> set[str]:
    """Texts that readers see, and those in the roll-up's state."""

    async def in_state() -> list[str]:
        ledger = Ledger(job.settings.redis, job.settings.prefix)
        try:
            state = await ledger.load_state()
        finally:
            await ledger.close()
        markets = [msgspec.msgpack.decode(one, type=MarketState) for name, one in state.items() if "market:" in name]
        return [one.text for market in markets for one in market.excerpts]

    shown = [one.text for market in job.reader.snapshot().metrics for one in job.reader.excerpts(market)]
    return {*shown, *asyncio.run(in_state())}


def test_texts_go_with_the_first_step_and_come_back_by_no_repair(
    stack: EmbeddedStack, prefix: str, tmp_path: Path
) -> None:
    """Out of Redis and out of alerts that fire; new alerts quote nobody; replay and rebuild come to the same."""
    job = Job(stack, prefix, tmp_path)
    job.environment["MARKETPULSE_CHECKPOINT_MINUTES"] = "60"  # so that a rebuild begins before the change
    feed = [*job.feed[:2_000], *(Record(one.key, complaining(one.value)) for one in job.feed[2_000:])]
    job.workers(1)
    try:
        job.publish(feed[:2_000])
        job.until(job.settled)
        job.publish(feed[2_000:2_400])
        job.until(lambda: job.settled() and bool(quoting(job.reader.snapshot().alerts)))
        assert kept(job)
        job.supervisor.stop()
        before = len(alerts_on_topic(job))
        job.environment["MARKETPULSE_EXCERPTS"] = "false"
        job.workers(1)
        job.publish(feed[2_400:2_800])
        job.until(job.settled)
        assert (set(), []) == (kept(job), quoting(job.reader.snapshot().alerts))
        assert [] == quoting(alerts_on_topic(job)[before:])
        assert 0 == job.cli("replay").returncode
        job.supervisor.stop()
        job.done("ledger", "rebuild")
        assert (set(), []) == (kept(job), quoting(job.reader.snapshot().alerts))
        job.environment["MARKETPULSE_EXCERPTS"] = "true"
        job.workers(1)
        job.publish(feed[2_800:])
        job.until(lambda: job.settled() and bool(kept(job)))
        assert 0 == job.cli("replay").returncode
        assert 0 == job.cli("ledger", "verify").returncode
    finally:
        job.supervisor.stop()
        job.reader.close()
