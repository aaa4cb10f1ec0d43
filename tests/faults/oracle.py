"""An independent count of the source topic: own reading, own contract, own arithmetic; nothing of ledger or windows."""

import json
import re
import zlib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

LABELS = ("negative", "neutral", "positive")
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HALF = re.compile("[\ud800-\udfff]")  # of a surrogate pair: read as U+FFFD
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:?\d\d)")
_TYPES: dict[str, type] = {"user": str, "lang": str, "rating": int, "channel": str, "attributes": dict}
_LENGTHS = {"id": 128, "user": 128, "lang": 35, "channel": 64}
NO_MARKETS = ("XX", "ZZ", "QQ")  # user-assigned codes, which the feeds use for markets that do not exist


class Broken(Exception):
    """A record that breaks the contract; the code is its only argument."""


@dataclass
class Market:
    """Exact sums of one market: events, labels, score e in micro-units, events per hour, users per hour."""

    n: int = 0
    labels: dict[str, int] = field(default_factory=lambda: dict.fromkeys(LABELS, 0))
    e: int = 0
    hours: Counter[int] = field(default_factory=Counter)
    users: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))


@dataclass
class Truth:
    """What must stand in Redis and on the topics."""

    records: int = 0
    accepted: int = 0
    duplicates: int = 0
    dead_letters: Counter[str] = field(default_factory=Counter)
    markets: dict[str, Market] = field(default_factory=lambda: defaultdict(Market))
    classified: dict[str, tuple[str, str]] = field(default_factory=dict)  # id -> market, label
    newest_ms: int = 0


async def truth_of(bootstrap: str, topic: str, horizon_ms: int = HOUR_MS, poison: str = "\0") -> Truth:
    """Read every partition from its begin to its end and count as the contract says.

    Args:
        bootstrap: Kafka servers.
        topic: full name of the source topic.
        horizon_ms: record time within which an id counts once per partition.
        poison: texts that hold this are those on which the test's classifier fails.
    """
    truth = Truth()
    seen: dict[int, dict[str, int]] = defaultdict(dict)
    async for record in records(bootstrap, topic):
        truth.records += 1
        try:
            event = judged(record.value, record.timestamp)
        except Broken as broken:
            truth.dead_letters[str(broken)] += 1
            continue
        before = seen[record.partition].get(event["id"])
        if before is not None and record.timestamp - before <= horizon_ms:
            truth.duplicates += 1
            continue
        seen[record.partition][event["id"]] = record.timestamp
        if poison in event["text"]:
            truth.dead_letters["model_failed"] += 1
            continue
        _count(truth, event, f"{topic}-{record.partition}-{record.offset}")
    return truth


def _count(truth: Truth, event: dict[str, Any], name: str) -> None:
    label = zlib.crc32(event["text"].encode("utf-8", "surrogatepass")) % 3
    market = truth.markets[event["market"]]
    rating = event.get("rating")
    hour = event["at"] // HOUR_MS
    truth.accepted += 1
    truth.newest_ms = max(truth.newest_ms, event["at"])
    truth.classified[name] = (event["market"], LABELS[label])
    market.n += 1
    market.labels[LABELS[label]] += 1
    # e = P(positive) + P(neutral)/2 with a certain label; a rating counts half
    market.e += label * 500_000 if rating is None else label * 250_000 + (rating - 1) * 125_000
    market.hours[hour] += 1
    if event.get("user"):
        market.users[hour].add(event["user"])


def judged(value: bytes | None, record_ms: int) -> dict[str, Any]:
    """The event in a value, with `at` in epoch ms and its text trimmed; raises Broken with the code."""
    if not value:
        raise Broken("empty_value")
    if len(value) > 262_144:
        raise Broken("too_large")
    try:
        event = json.loads(value.decode("utf-8-sig"), parse_constant=_no_constant)
        event = json.loads(_HALF.sub("\ufffd", json.dumps(event, ensure_ascii=False)))
    except (ValueError, RecursionError):
        raise Broken("not_json") from None
    if not isinstance(event, dict):
        raise Broken("not_an_object")
    _check_fields(event)
    if event["market"] == "UK":
        event["market"] = "GB"
    if not re.fullmatch("[A-Z]{2}", event["market"]) or event["market"] in NO_MARKETS:
        raise Broken("unknown_market")
    event["text"] = event["text"].strip()
    if not event["text"]:
        raise Broken("text_empty")
    if len(event["text"]) > 8_192:
        raise Broken("text_too_long")
    if record_ms - event["at"] > 7 * DAY_MS:
        raise Broken("too_late")
    if event["at"] - record_ms > 5 * MINUTE_MS:
        raise Broken("from_the_future")
    return event


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _check_fields(event: dict[str, Any]) -> None:
    version = event.get("v", 1)
    if type(version) is not int:
        raise Broken("bad_type")
    if version != 1:
        raise Broken("unknown_version")
    if any(event.get(name) is None for name in ("id", "market", "text", "occurred_at")):
        raise Broken("missing_field")
    if any(type(event[name]) is not str for name in ("id", "market", "text")):
        raise Broken("bad_type")
    event["at"] = _milliseconds(event["occurred_at"])
    given = {name: event[name] for name in _TYPES if event.get(name) is not None}
    if any(type(one) is not _TYPES[name] for name, one in given.items()):
        raise Broken("bad_type")
    if any(type(one) is not str for one in given.get("attributes", {}).values()):
        raise Broken("bad_type")
    lengths_hold = all(len(event.get(name) or "") <= most for name, most in _LENGTHS.items()) and event["id"]
    if not lengths_hold or not 1 <= given.get("rating", 1) <= 5:
        raise Broken("bad_value")


def _milliseconds(time: object) -> int:
    if type(time) is int:
        if not 0 <= time <= 7_258_118_400_000:
            raise Broken("bad_time")
        return time
    if type(time) not in (str, float):
        raise Broken("bad_type")
    try:
        if type(time) is not str or not _TIME.fullmatch(time):
            raise ValueError("no time with an offset")
        at = datetime.fromisoformat(time)
        return (at - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        raise Broken("bad_time") from None


async def records(bootstrap: str, topic: str) -> AsyncIterator[Any]:
    """Every record of a topic, in order per partition, up to its end now."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        partitions = sorted(consumer.assignment())
        ends = await consumer.end_offsets(partitions)
        while any([await consumer.position(one) < ends[one] for one in partitions]):
            for found in (await consumer.getmany(timeout_ms=500)).values():
                for record in found:
                    if record.offset < ends[TopicPartition(topic, record.partition)]:
                        yield record
    finally:
        await consumer.stop()
