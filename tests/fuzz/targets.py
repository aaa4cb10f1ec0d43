"""What is fuzzed: each target takes any bytes, and raises only where the product breaks a promise."""

import contextlib
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
from aiokafka.structs import ConsumerRecord

from marketpulse.contract.decode import Decoded, Rejected, decode, parse_object
from marketpulse.contract.feedback import FeedbackEvent
from marketpulse.contract.markets import MARKETS
from marketpulse.contract.operators import BadLabel, decode_label
from marketpulse.contract.portfolio import Market, Plan
from marketpulse.contract.records import AlertRecord, AllocationRecord, ClassifiedRecord, MetricsRecord, ShiftRecord
from marketpulse.contract.wire import UNREADABLE, encode
from marketpulse.contract.workers import WorkerState
from models.clean import MAX_CHARACTERS, clean
from models.language.tags import language_tag
from strategy.errors import BadPortfolio
from strategy.portfolio import load_portfolio
from streams.batches import CompactedRecord
from streams.bridge.events import MOST_EVENT_BYTES, MOST_EVENTS, Converter
from streams.contract.journal import CheckpointRecord, StepRecord
from streams.contract.rules import Rules
from streams.errors import BadInput, JournalIncomplete
from streams.kafka.dead_letters import market_in, parsed
from streams.pipeline.operators.labels import Labels
from streams.pipeline.operators.mutes import Mutes
from streams.pipeline.operators.profiles import Profiles, profile_of, profile_records
from streams.pipeline.operators.rules_file import changes, load_rules
from streams.pipeline.rollup.step_record import cut_of
from streams.privacy.redaction import EXCERPT_CHARACTERS, excerpt, redact, redact_log
from streams.recovery.journal import step_of
from streams.sources.feed import Feed
from streams.sources.mapped import MappedForm, mapped_form
from streams.sources.mapping_file import load_mapping
from streams.sources.shift import Times

RECORD_MS = 1_767_225_600_000  # the records' own time: the begin of 2026
PLANTED = ("ana@example.org", "4111111111111111", "DE02120300000000202051", "https://a.example/?t=s3cr3t")
CONTRACTS = (
    ClassifiedRecord, StepRecord, CheckpointRecord, AlertRecord, ShiftRecord, AllocationRecord, MetricsRecord,
    WorkerState,
)  # fmt: skip


def parts(data: bytes) -> tuple[bytes, list[tuple[str, bytes]]]:
    """A record: its value, and after an empty line its headers, `name: text` each."""
    value, _, rest = data.rpartition(b"\n\n") if b"\n\n" in data else (data, b"", b"")
    lines = [line.partition(b": ") for line in rest.split(b"\n") if line]
    return value, [(name.decode("utf-8", "replace"), text) for name, _, text in lines]


def decoder(data: bytes) -> None:
    """Feedback records, plain and CloudEvents in both modes: an event within its bounds, or Rejected."""
    value, headers = parts(data)
    try:
        event = decode(value, RECORD_MS, headers)
    except Rejected as rejected:
        assert len(str(rejected)) < 200
        assert all(mark not in str(rejected) for mark in PLANTED)
        return
    assert event.market in MARKETS
    assert 1 <= len(event.text) <= 8_192
    assert event.text == event.text.strip()
    assert 1 <= len(event.id) <= 128
    assert event.user is None or 1 <= len(event.user) <= 128
    assert language_tag(language_tag(event.lang)) == language_tag(event.lang)
    assert event == decode(written(event), RECORD_MS)
    excerpt(event.text)


def written(event: Decoded) -> bytes:
    """An accepted event as a producer would send it."""
    return encode(
        FeedbackEvent(event.id, event.market, event.text, event.occurred_ms, 1, event.user, event.lang, event.rating)
    )


def profiles(data: bytes) -> None:
    """Operators' profiles, key and value: in force, or put aside with a reason; never more."""
    key, _, value = data.partition(b"\n")
    base = load_portfolio()
    held = Profiles(base)
    held.take(CompactedRecord(0, key, value or None))
    assert held.bad or held.now.markets
    for kind in (Market, Plan):
        with contextlib.suppress(BadPortfolio):
            one = profile_of(value, kind)
            assert isinstance(one, kind)
            assert one == profile_of(msgspec.json.encode(one), kind)
    assert len(profile_records(held.now)) == len(held.now.markets) + 1


def mutes(data: bytes) -> None:
    """Silences, key and value: in force or passed over; never an error."""
    key, _, value = data.partition(b"\n")
    held = Mutes()
    held.take(CompactedRecord(0, key, value or None))
    for mute in held.active(0):
        again = Mutes()
        again.take(CompactedRecord(0, key, encode(mute)))
        assert [mute] == again.active(0)


def labels(data: bytes) -> None:
    """Answers of people, key and value: taken or passed over; never an error."""
    key, _, value = data.partition(b"\n")
    held = Labels()
    held.take(CompactedRecord(0, key, value or None))
    try:
        label = decode_label(key, value)
    except BadLabel:
        assert not held.weeks()
        return
    assert label == decode_label(key, encode(label))
    assert {label.id: label} == held.of_week(label.market, label.week)


def steps(data: bytes) -> None:
    """Steps of the journal: readable, or JournalIncomplete; what was read is written the same."""
    try:
        record = step_of(data, 0)
        cut = cut_of(record)
    except JournalIncomplete:
        return
    assert record == step_of(encode(record), 0)
    assert cut == cut_of(step_of(encode(record), 0))


def contracts(data: bytes) -> None:
    """Every other contract: a record that is written the same as it was read, or a named error of reading."""
    for kind in CONTRACTS:
        try:
            record = msgspec.json.decode(data, type=kind)
        except UNREADABLE:
            continue
        assert encode(record) == encode(msgspec.json.decode(encode(record), type=kind))


def in_file(name: str, data: bytes, read: Callable[[Path], object]) -> None:
    """Hand the bytes over as a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        read(path)


def rules(data: bytes) -> None:
    """Rules files: rules that can be compared, or BadInput."""

    def read(path: Path) -> None:
        with contextlib.suppress(BadInput):
            changes(Rules(), load_rules(path))

    in_file("rules.toml", data, read)


def portfolio(data: bytes) -> None:
    """Market tables: a portfolio, or BadPortfolio."""

    def read(path: Path) -> None:
        with contextlib.suppress(BadPortfolio):
            profile_records(load_portfolio(path))

    in_file("markets.toml", data, read)


def feed(data: bytes) -> None:
    """Feedback files: records that can be shifted and sent, lines that are skipped, or BadInput."""
    for name, raw in (("feed.csv", False), ("feed.jsonl", False), ("feed.jsonl", True), ("feed.jsonl.gz", True)):

        def read(path: Path, raw: bool = raw) -> None:
            with contextlib.suppress(BadInput), Feed(str(path), raw) as feed:
                shift = Times(feed.records()).shift_to(RECORD_MS)
                records, moved = list(feed.records()), list(shift.of(feed.records()))
                assert len(records) == len(moved)
                assert all(raw or parse_object(one.value) is not None for one in moved)

        in_file(name, data, read)


def mappings(data: bytes) -> None:
    """A mapping and, after a line of dashes, a foreign record as a bridge reads it: events, or why there are none."""
    table, _, record = data.partition(b"\n---\n")
    value, headers = parts(record)
    read: list[MappedForm | None] = [None]

    def load(path: Path) -> None:
        with contextlib.suppress(BadInput):
            read.append(mapped_form(load_mapping(str(path)), ""))

    in_file("mapping.toml", table, load)
    for form in read:
        found = Converter("crm", form, now_ms=lambda: RECORD_MS).converted(foreign(value, headers))
        assert len(found.events) <= MOST_EVENTS
        assert sum(len(event.value) for event in found.events) <= MOST_EVENT_BYTES
        assert all(isinstance(decode(event.value, RECORD_MS), Decoded) for event in found.events)
        assert found.letter is None or found.letter.value is None
        assert found.letter is None or "cannot be read:" not in found.letter.message


def foreign(value: bytes, headers: list[tuple[str, bytes]]) -> ConsumerRecord:
    """A record of a foreign topic; its key is that of a header `key`."""
    key = dict(headers).get("key")
    return ConsumerRecord("crm", 0, 7, RECORD_MS, 0, key, value, None, len(key or b""), len(value), headers)


def letters(data: bytes) -> None:
    """Dead letters whoever wrote them: always readable."""
    value, headers = parts(data)
    one = parsed(7, None, value, RECORD_MS, tuple(headers))
    assert one.offset == 7
    assert isinstance(market_in(value), str | None)


def redaction(data: bytes) -> None:
    """Texts: nothing planted is left, redacting again changes nothing, excerpts are short and of one line."""
    text = (
        data.decode("utf-8", "surrogatepass" if b"\xed" in data else "replace")
        if readable(data)
        else data.decode("latin-1")
    )
    once = redact(text)
    assert once == redact(once)
    told = redact_log(text)
    assert told == redact_log(told)
    short = excerpt(text)
    assert short == excerpt(short) or short.endswith("…")
    assert len(short) <= EXCERPT_CHARACTERS
    assert short.isprintable() or not text.isascii()
    for mark in PLANTED:
        assert not alone(mark, redact(f"{text} ; {mark} ; {text}"))
        assert mark in text or mark not in redact_log(f"{text} ; {mark} ; {text}")  # in a longer number it is none


def alone(mark: str, text: str) -> bool:
    """Whether a text holds the mark as it was planted, and not as part of a longer number or word."""
    return re.search(rf"(?<![0-9A-Za-z]){re.escape(mark)}(?![0-9A-Za-z])", text) is not None


def readable(data: bytes) -> bool:
    """Whether the bytes are UTF-8, lone surrogates included."""
    try:
        data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


def cleaning(data: bytes) -> None:
    """Texts as the model sees them: short, and clean stays clean."""
    text = data.decode("utf-8", "surrogatepass") if readable(data) else data.decode("latin-1")
    once = clean(text)
    assert len(once) <= MAX_CHARACTERS
    assert once == clean(once) or "&" in once


TARGETS: dict[str, Callable[[bytes], None]] = {
    one.__name__: one
    for one in (
        decoder,
        profiles,
        mutes,
        labels,
        steps,
        contracts,
        rules,
        portfolio,
        feed,
        mappings,
        letters,
        redaction,
        cleaning,
    )
}
