"""Topics that keep the times of producers (CreateTime): a clock that is ahead or tells nothing costs only its event."""

import msgspec
import pytest
from aiokafka.structs import ConsumerRecord

from streams.batches import DecodedBatch, SourceMark
from streams.errors import TopicRecreated
from streams.ledger.types import Claim
from streams.pipeline.ingest.claims import Assigned, check_last_counted
from streams.pipeline.ingest.decoding import CREATE_TIME, decode_records
from streams.pipeline.ingest.dedupe import SeenIds
from streams.telemetry.worker import Telemetry

NOW = 1_790_000_000_000
HORIZON_MS = 60_000
AHEAD_MS = 3_500_000  # what a broker takes: up to an hour


def record(offset: int, name: str, time_ms: int) -> ConsumerRecord:
    """An event of now, with the time that its producer gave the record."""
    event = {"id": name, "market": "BR", "text": "bom", "occurred_at": NOW}
    value = msgspec.json.encode(event)
    return ConsumerRecord("feedback", 0, offset, time_ms, CREATE_TIME, b"k", value, None, 1, 1, ())


def partition(mark: SourceMark, offset: int) -> Assigned:
    """A partition as it is claimed, its last counted record still to be looked at."""
    claim = Claim(0, 1, "g", offset, mark, [], NOW)
    return Assigned(claim, offset, SeenIds(HORIZON_MS, 1_000), mark, verify=offset - 1)


async def read(state: Assigned, *records: ConsumerRecord) -> DecodedBatch:
    return await decode_records(state, 1, list(records), Telemetry())


async def test_an_id_is_remembered_whatever_a_clock_ahead_says() -> None:
    """Neither a record of in an hour nor one of 1970 makes ids as old as what is forgotten."""
    state = partition(SourceMark(), 0)
    first = await read(state, record(0, "x", NOW), record(1, "of 1970", 0))
    await read(state, record(2, "y", NOW + AHEAD_MS))
    again = await read(state, record(3, "x", NOW))
    assert (1, 0, 1) == (len(first.events), len(again.events), again.duplicates)


async def test_a_record_without_a_time_is_counted_and_known_again() -> None:
    """It is judged by Redis's clock, and the next claim finds it as the one that was counted; another it is not."""
    batch = await read(partition(SourceMark(), 0), record(0, "x", NOW), record(1, "y", -1))
    assert 2 == len(batch.events)
    check_last_counted(partition(batch.mark, 2), record(1, "y", -1), "feedback")
    with pytest.raises(TopicRecreated):
        check_last_counted(partition(batch.mark, 2), record(1, "z", -1), "feedback")
