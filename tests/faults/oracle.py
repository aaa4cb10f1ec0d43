"""An independent count of the source topic: own reading, own arithmetic, nothing of ledger, windows or metrics."""

import json
import zlib
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

LABELS = ("negative", "neutral", "positive")


@dataclass
class Truth:
    """What must stand in Redis."""

    accepted: int = 0
    duplicates: int = 0
    dead_letters: int = 0
    labels: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(lambda: dict.fromkeys(LABELS, 0)))
    users: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


def _good(event: Any, record_ms: int) -> bool:
    if not isinstance(event, dict) or event.get("v", 1) != 1:
        return False
    if not all(isinstance(event.get(name), str) and event[name].strip() for name in ("id", "market", "text")):
        return False
    if event["market"] in ("XX", "ZZ", "QQ") or len(event["text"]) > 8192:
        return False
    try:
        at = datetime.fromisoformat(event["occurred_at"])
    except (KeyError, TypeError, ValueError):
        return False
    if at.tzinfo is None:
        return False
    age_ms = record_ms - at.timestamp() * 1000
    return -300_000 <= age_ms <= 7 * 86_400_000


async def count(bootstrap: str, topic: str) -> Truth:
    """Read every partition from its begin to its end and count as the contract says (stub classifier)."""
    truth = Truth()
    seen: dict[int, set[str]] = defaultdict(set)
    async for record in records(bootstrap, topic):
        _add(truth, seen[record.partition], record.value, record.timestamp)
    return truth


async def classified(bootstrap: str, topic: str) -> dict[str, dict[str, int]]:
    """Labels per market in `feedback.classified`: for one id the highest claim counts."""
    newest: dict[str, Any] = {}
    async for record in records(bootstrap, topic):
        one = json.loads(record.value)
        if one["claim"] >= newest.get(one["id"], one)["claim"]:
            newest[one["id"]] = one
    labels: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(LABELS, 0))
    for one in newest.values():
        labels[one["market"]][one["label"]] += 1
    return labels


async def records(bootstrap: str, topic: str) -> AsyncIterator[Any]:
    """Every record of a topic of eight partitions, up to its end now."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(8)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        while any([await consumer.position(one) < ends[one] for one in partitions]):
            for found in (await consumer.getmany(timeout_ms=500)).values():
                for record in found:
                    yield record
    finally:
        await consumer.stop()


def _add(truth: Truth, seen: set[str], value: bytes, record_ms: int) -> None:
    try:
        event = json.loads(value)
    except ValueError:
        event = None
    if not _good(event, record_ms):
        truth.dead_letters += 1
    elif event["id"] in seen:
        truth.duplicates += 1
    else:
        seen.add(event["id"])
        truth.accepted += 1
        truth.labels[event["market"]][LABELS[zlib.crc32(event["text"].strip().encode()) % 3]] += 1
        truth.users[event["market"]].add(event["user"])
