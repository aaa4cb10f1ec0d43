"""Records of foreign topics as events and dead letters."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from aiokafka import ConsumerRecord

from marketpulse.contract.feedback import MAX_VALUE_BYTES
from streams.bridge.events import MAX_RECORD_BYTES, MOST_EVENT_BYTES, MOST_EVENTS, Converter
from streams.kafka.tolerant import Unreadable
from streams.sources.mapped import MappedForm, mapped_form
from streams.sources.mapping_file import load_mapping

NOW_MS = 1_700_000_000_000
EVENT = {"id": "a", "market": "BR", "text": "lento", "occurred_at": NOW_MS, "user": "u1"}
MAPPING = """
[id]
hash = ["kafka.partition", "kafka.offset"]
[market]
from = "land"
[text]
from = "body"
[occurred_at]
from = "kafka.timestamp"
[user]
from = "kafka.key"
"""


def record(value: object, **changes: Any) -> ConsumerRecord:
    """A consumer's record of a foreign topic."""
    encoded = value if isinstance(value, bytes | None) else json.dumps(value).encode()
    fields = {
        "topic": "crm", "partition": 3, "offset": 9, "timestamp": NOW_MS, "timestamp_type": 0, "key": b"k",
        "value": encoded, "checksum": None, "serialized_key_size": 1, "serialized_value_size": 1, "headers": (),
    }  # fmt: skip
    return ConsumerRecord(**fields | changes)


def values(converted: Any) -> list[dict[str, Any]]:
    return [json.loads(event.value) for event in converted.events]


def converter(form: MappedForm | None = None, **given: Any) -> Converter:
    """At the time of the events."""
    return Converter("c1", form, now_ms=lambda: NOW_MS, **given)


@pytest.fixture
def mapped(tmp_path: Path) -> Converter:
    (file := tmp_path / "crm.toml").write_text(MAPPING)
    return converter(mapped_form(load_mapping(str(file)), ""))


def test_an_event_goes_over_as_it_is() -> None:
    """Keyed by its user; one without an id is known by where it stood, those of a batch by their number too."""
    plain = converter()
    assert [EVENT] == values(found := plain.converted(record(EVENT)))
    assert (b"u1", None) == (found.events[0].key, found.letter)
    without = {name: value for name, value in EVENT.items() if name != "id"}
    assert ["bridge:c1/crm/3/9", "bridge:c1/crm/3/9/1"] == [
        one["id"] for one in values(plain.converted(record([without, without])))
    ]


def test_a_mapping_reads_what_kafka_knows_of_a_record(mapped: Converter) -> None:
    """Time, key and place; who writes the value does not choose them."""
    (event,) = values(mapped.converted(record({"land": "Brazil", "body": "lento"})))
    assert ("BR", "lento", "k") == (event["market"], event["text"], event["user"])
    assert "2023-11-14T22:13:20.000Z" == event["occurred_at"]
    forged = {"land": "BR", "body": "x", "kafka": {"offset": 1, "key": "v"}, "kafka.offset": 1, "kafka.key": "v"}
    (other,) = values(mapped.converted(record(forged)))
    assert (event["id"], "k") == (other["id"], other["user"])


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (b"\0\0\0\0\1abc", "not_json"),
        (b"{", "not_json"),
        (b"\xff", "not_json"),
        ("text", "not_an_object"),
        ([EVENT, 3], "not_an_object"),
        (EVENT | {"text": "x" * MAX_VALUE_BYTES}, "too_large"),
        (b"[" + b"{}," * MAX_RECORD_BYTES + b"{}]", "too_large"),
        (EVENT | {"id": "bridge:c1/crm/3/10"}, "bad_value"),
        ({"mail": "anna@example.org", "password": "x"}, "missing_field"),
        (EVENT | {"occurred_at": NOW_MS - 8 * 86_400_000}, "too_late"),
        (EVENT | {"text": 1, "specversion": "1.0", "data": EVENT | {"id": "bridge:c1/crm/3/10"}}, "bad_type"),
        (EVENT | {"user": "u" * 130_000}, "bad_value"),
    ],
)
def test_what_cannot_become_an_event_is_a_dead_letter(value: object, code: str) -> None:
    """With the record's place and size, without its bytes; the rest of a batch goes over."""
    given = record(value, headers=(("h", b"1"),))
    found = converter().converted(given)
    assert found.letter is not None
    letter = found.letter
    assert (code, 3, 9, len(given.value)) == (letter.code, letter.partition, letter.offset, letter.value_bytes)
    assert (None, None, ()) == (letter.key, letter.value, letter.headers)
    assert (1 if value == [EVENT, 3] else 0) == len(found.events)


def test_what_a_mapping_refuses_is_counted_in_one_dead_letter(mapped: Converter) -> None:
    """The first reason stands for those of its record."""
    found = mapped.converted(record([{"land": "Atlantis", "body": "x"}, {"body": "x"}, {"land": "BR", "body": "x"}]))
    assert found.letter is not None
    assert ("bad_value", True, 1) == (found.letter.code, "and 1 more" in found.letter.message, len(found.events))


def test_tombstones_and_deletes_are_nothing() -> None:
    """No event, no dead letter."""
    for value in (None, {"op": "d", "before": {"id": 1}, "after": None, "source": {}}):
        found = converter().converted(record(value))
        assert ([], None) == (found.events, found.letter)


def test_a_batch_that_cannot_be_read_is_one_dead_letter() -> None:
    """From its first offset to its last."""
    found = converter().converted(record(None, checksum=Unreadable(7, 9, "damaged")))
    assert found.letter is not None
    assert ("unreadable_batch", 7, 9) == (found.letter.code, found.letter.offset, found.letter.last_offset)


def test_a_record_of_too_many_events_is_cut() -> None:
    """The first ones go over, and a dead letter says that there were more."""
    found = converter().converted(record([EVENT] * (MOST_EVENTS + 1)))
    assert found.letter is not None
    assert ("too_large", MOST_EVENTS) == (found.letter.code, len(found.events))


def test_an_error_of_ours_costs_one_record(mapped: Converter, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would come again at every start."""
    monkeypatch.setattr(MappedForm, "event", lambda *_: 1 // 0)
    found = mapped.converted(record({"land": "BR", "body": "x"}))
    assert found.letter is not None
    assert ("bad_value", "it cannot be read: ZeroDivisionError") == (found.letter.code, found.letter.message)


def test_a_list_that_a_mapping_reads_has_as_many_events(tmp_path: Path) -> None:
    """Those of a list inside of a record too, with what Kafka knows of the record and not what they say of it."""
    given = MAPPING.replace('["kafka.partition", "kafka.offset"]', '["kafka.partition", "kafka.offset", "nr"]')
    (file := tmp_path / "listed.toml").write_text(given + '[file]\nrecords = "all"\n')
    listed = converter(mapped_form(load_mapping(str(file)), ""))
    rows = [{"land": "BR", "body": "x", "nr": n, "kafka": {"offset": n, "key": "victim"}} for n in range(1_200)]
    found, next_one = (listed.converted(record({"all": rows}, offset=offset)) for offset in (9, 10))
    assert found.letter is not None
    assert (MOST_EVENTS, True) == (len(found.events), "more than 1,000" in found.letter.message)
    assert {"k"} == {event["user"] for event in values(found)}
    assert 2 * MOST_EVENTS == len({event["id"] for event in values(found) + values(next_one)})


@pytest.mark.parametrize("entry", [{}, 0, [], {"schema": None, "payload": None}])
def test_what_is_refused_is_bounded_too(tmp_path: Path, entry: object) -> None:
    """Of a list in a record, and of lists in a list: a thousand are looked at, whatever they are."""
    (file := tmp_path / "listed.toml").write_text(MAPPING + '[file]\nrecords = "all"\n')
    listed = converter(mapped_form(load_mapping(str(file)), ""))
    for value in ({"all": [entry] * 30_000}, [entry] * 30_000, [{"all": [entry] * 500}] * 50):
        found = listed.converted(record(value))
        assert found.letter is not None
        assert not found.events
        more = re.search(r"and ([0-9]+) more", found.letter.message)
        assert more is None or int(more[1]) <= MOST_EVENTS + 1


def test_what_stands_beside_a_list_does_not_grow_with_it(tmp_path: Path) -> None:
    """A text of 60 KB in each of a thousand events."""
    names = 'id = ["kafka.offset", "nr"]\ntext.from = "kafka.key"\nmarket.is = "BR"\noccurred_at = "kafka.timestamp"\n'
    (file := tmp_path / "beside.toml").write_text(names + '[file]\nrecords = "all"\n')
    beside = converter(mapped_form(load_mapping(str(file)), ""))
    found = beside.converted(record({"all": [{"nr": n} for n in range(1_000)]}, key=b"bad " * 15_000))
    assert found.letter is not None
    assert ("too_large", True) == (found.letter.code, "4,194,304 bytes" in found.letter.message)
    assert MOST_EVENT_BYTES - 65_536 < sum(len(one.value) for one in found.events) <= MOST_EVENT_BYTES


def test_the_key_belongs_to_a_records_size() -> None:
    """And is read once, however many events there are."""
    found = converter().converted(record([EVENT], key=b"k" * MAX_RECORD_BYTES))
    assert found.letter is not None
    assert ("too_large", []) == (found.letter.code, found.events)


def test_nothing_but_the_contract_goes_over() -> None:
    """What a worker would take for an envelope, and what nobody asked for."""
    more = EVENT | {"specversion": "1.0", "data": EVENT | {"id": "bridge:c1/crm/3/10"}, "mail": "a@b"}
    for value in (more, [[[[more]]]]):
        assert [EVENT] == values(converter().converted(record(value)))
