"""Mappings that are proposed for topics: what is read of one, and what becomes of its records."""

import json
import tomllib
from collections import deque
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from aiokafka import ConsumerRecord

from streams.bridge import sample
from streams.bridge.sample import Sample, proposed_of
from streams.errors import BadInput
from streams.sources.adopt import MIN_KEYS

TICKET = {"nr": "7", "land": "DE", "kommentar": "langsam", "datum": "2026-11-27T09:00:00Z"}
AT_MS = 1_795_770_010_000
proposed = partial(proposed_of, now_ms=lambda: AT_MS)


def record(value: object, offset: int = 0, **changes: Any) -> ConsumerRecord:
    """A consumer's record of a foreign topic."""
    encoded = value if isinstance(value, bytes | None) else json.dumps(value).encode()
    fields = {
        "topic": "crm", "partition": 0, "offset": offset, "timestamp": AT_MS + offset, "timestamp_type": 0, "key": None,
        "value": encoded, "checksum": None, "serialized_key_size": 1, "serialized_value_size": 1, "headers": (),
    }  # fmt: skip
    return ConsumerRecord(**fields | changes)


def without(*names: str) -> dict[str, str]:
    return {name: value for name, value in TICKET.items() if name not in names}


def test_records_are_shown_as_the_bridge_would_bring_them() -> None:
    """Out of their envelopes; what would be refused has its reason, in the order of the sample."""
    values = [TICKET | {"nr": str(number)} for number in range(8)]
    change = {"op": "c", "after": values[0], "before": None}
    cloud_event = {"specversion": "1.0", "id": "e", "source": "s", "type": "t", "data": values[1]}
    nowhere = TICKET | {"nr": "8", "land": "Atlantis"}
    sent = [change, cloud_event, *values[2:], b"{", nowhere]
    found = proposed(Sample([record(value, offset) for offset, value in enumerate(sent)]), "crm")
    assert {"id", "market", "text", "occurred_at"} == tomllib.loads(found.toml).keys()
    events = [(row["id"], row["market"], row["text"]) for row in found.rows if isinstance(row, dict)]
    assert [(str(number), "DE", "langsam") for number in range(8)] == events
    assert ["the value is not UTF-8 JSON", "market: no country that is known"] == found.rows[8:]


def test_envelopes_may_stay() -> None:
    """The paths lead into them then."""
    cloud_event = {"specversion": "1.0", "data": TICKET}
    tables = tomllib.loads(proposed(Sample([record(cloud_event)]), "crm", envelopes=False).toml)
    assert "data.kommentar" == tables["text"]["from"]


def test_time_and_id_come_from_kafka_where_the_values_have_none() -> None:
    """The key only where each record has another one, which no field repeats; else the place, with what it says."""
    value = without("nr", "datum")
    unkeyed = proposed(Sample([record(value, 5), record(value, 6)]), "crm")
    tables = tomllib.loads(unkeyed.toml)
    assert {"from": "kafka.timestamp"} == tables["occurred_at"]
    assert {"hash": ["kafka.partition", "kafka.offset", "kafka.timestamp", "kommentar"]} == tables["id"]
    assert 2 == len({str(row["id"]) for row in unkeyed.rows if isinstance(row, dict)})
    keys = [f"t-{number}".encode() for number in range(MIN_KEYS)]
    for given, own in (
        (keys, True),
        (keys[1:], False),
        ([*keys, b"t-1"], False),
        ([b"\0\1" + key for key in keys], False),
    ):
        records = [record(value, offset, key=key) for offset, key in enumerate(given)]
        assert own == ({"from": "kafka.key"} == tomllib.loads(proposed(Sample(records), "crm").toml)["id"])
    repeated = [record(value | {"konto": key.decode()}, key=key) for key in keys]
    assert "hash" in tomllib.loads(proposed(Sample(repeated), "crm").toml)["id"]


def test_a_time_and_an_id_of_the_values_go_first() -> None:
    """However well Kafka's own names fit, and whatever the value has below `kafka`."""
    value = {"meta": without("kommentar"), "kommentar": "gut", "kafka": {"timestamp": 1, "key": "x"}}
    tables = tomllib.loads(proposed(Sample([record(value)]), "crm").toml)
    assert ("meta.nr", "meta.datum") == (tables["id"]["from"], tables["occurred_at"]["from"])


def test_a_shipped_mapping_fits_a_topic_too() -> None:
    """With the market that is given; the command that follows names it."""
    review = {"review_id": "1", "user_id": "u", "stars": 4.0, "text": "ok", "date": "2026-11-27 09:00:00"}
    found = proposed(Sample([record(review)]), "crm", "us")
    assert ("yelp-reviews", ("--mapping", "yelp-reviews", "--market", "US")) == (found.ready, found.options)
    assert found.toml.startswith("# shipped: marketpulse bridge TOPIC --mapping yelp-reviews --market US\n")
    [event] = found.rows
    assert isinstance(event, dict)
    assert ("1", "US") == (event["id"], event["market"])


def test_what_schema_registry_frames_is_counted_and_left_out() -> None:
    """Where nothing else is there, it is refused with what to do."""
    framed = record(b"\0\0\0\0\1abc")
    found = proposed(Sample([framed, record(TICKET), framed], ["first"]), "crm")
    assert 1 == len(found.rows)
    left_out = "2 records left out: in the framing of Schema Registry (Avro, Protobuf, JSON Schema)"
    assert ["first", left_out] == found.notes
    with pytest.raises(
        BadInput, match=r"None of the newest 2 records of crm .* 1 are in the framing .*Operator action"
    ):
        proposed(Sample([framed, record([1])]), "crm")


def test_events_of_the_contract_need_no_mapping() -> None:
    """Which is reported."""
    event = {"id": "1", "market": "DE", "text": "gut", "occurred_at": AT_MS}
    [note] = proposed(Sample([record(event)]), "crm").notes
    assert "need no --mapping" in note


class Log:
    """In place of a LogReader: partitions of records, and which offsets were asked for."""

    def __init__(self, *partitions: list[ConsumerRecord]) -> None:
        self._partitions = partitions
        self.offsets = {number: (0, len(records)) for number, records in enumerate(partitions)}
        self.read: list[tuple[int, int, int]] = []

    async def records(self, first: int, end: int, partition: int) -> AsyncIterator[ConsumerRecord]:
        """Those that are there."""
        self.read.append((partition, first, end))
        for found in self._partitions[partition][first:end]:
            yield found


async def read_of(*partitions: list[ConsumerRecord]) -> tuple[list[list[int]], list[tuple[int, int, int]]]:
    """Offsets that were kept of each partition, and what was asked for."""
    log = Log(*partitions)
    found: dict[int, deque[Any]] = {}
    await sample._read(log, found)  # type: ignore[arg-type]
    return [[record.offset for record in found.get(number, [])] for number in range(len(partitions))], log.read


async def test_each_partition_has_its_share_of_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest of it; what one has not, the next ones have."""
    monkeypatch.setattr(sample, "MAX_RECORDS", 6)
    few, many = [record({}, 0)], [record({}, offset) for offset in range(50)]
    kept, read = await read_of(few, [], many, many)
    assert [[0], [], [47, 48, 49], [48, 49]] == kept
    assert [(0, 0, 1), (2, 47, 50), (3, 48, 50)] == read


async def test_an_end_without_values_is_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as there is something before it."""
    monkeypatch.setattr(sample, "MAX_RECORDS", 2)
    tombstones = [record(None, offset) for offset in range(3, 30)]
    kept, read = await read_of([*(record({}, offset) for offset in range(3)), *tombstones])
    assert ([[1, 2]], [(0, 28, 30), (0, 10, 30), (0, 0, 30)]) == (kept, read)
    assert [[]] == (await read_of(tombstones))[0]


async def test_large_records_are_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    """One is always kept."""
    monkeypatch.setattr(sample, "MAX_BYTES", 250)
    large = [record(b"x" * 100, offset) for offset in range(9)]
    assert [[7, 8]] == (await read_of(large))[0]
    assert [[8]] == (await read_of([record(b"x" * 999, offset) for offset in range(9)]))[0]


def test_records_that_are_too_old_are_counted() -> None:
    """They are shown as they were when they were written; the bridge refuses them."""
    old = record(without(), timestamp=AT_MS - 8 * 86_400_000)
    found = proposed(Sample([record(without()), old]), "crm")
    assert ["1 record older than 7 days: the bridge refuses events so late"] == found.notes
