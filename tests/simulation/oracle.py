"""The independent recount: what must stand in Redis once each partition was counted up to an offset."""

import json
import zlib
from collections import Counter
from collections.abc import Sequence

from models.labels import SENTIMENTS, TOPICS
from tests.simulation.kafka import Record

MICRO = 1_000_000
HOUR_MS = 3_600_000
DEAD_LETTERS = "dead letters"
DUPLICATES = "duplicates"
Counts = Counter[tuple[str, int, str]]  # (market, hour, cell)


def counted(record: Record, seen: set[str]) -> Counts:
    """What one record adds; `seen` holds the ids of its partition so far."""
    try:
        event = json.loads(record.value or b"")
        market, text, at = event["market"], event["text"].strip(), event["occurred_at"]
    except (ValueError, KeyError):
        return Counter({("*", 0, DEAD_LETTERS): 1})
    if event["id"] in seen:
        return Counter({("*", 0, DUPLICATES): 1})
    seen.add(event["id"])
    number = zlib.crc32(text.encode())
    label, topic = number % 3, TOPICS[number // 3 % 12]
    e = label / 2
    if "rating" in event:
        e = 0.5 * e + 0.5 * (event["rating"] - 1) / 4
    hour = at // HOUR_MS
    found = {f"{SENTIMENTS[label]}/{topic}": 1, f"e/{topic}": round(e * MICRO), "e2": round(e * e * MICRO),
             "with_user": int("user" in event), "confidence": MICRO}  # fmt: skip
    return Counter({(market, hour, cell): value for cell, value in found.items() if value})


class Recount:
    """Everything below an offset of each partition."""

    def __init__(self, log: Sequence[Sequence[Record]]) -> None:
        self._log = log
        self._read = [0] * len(log)
        self._seen: list[set[str]] = [set() for _ in log]
        self.total: Counts = Counter()

    def advance(self, partition: int, upto: int) -> None:
        """Count on, up to an offset."""
        records, at = self._log[partition], self._read[partition]
        while at < len(records) and records[at].offset < upto:
            self.total.update(counted(records[at], self._seen[partition]))
            at += 1
        self._read[partition] = at


def users(log: Sequence[Sequence[Record]]) -> dict[tuple[str, int], int]:
    """Distinct users per (market, hour) over the whole log."""
    found: dict[tuple[str, int], set[str]] = {}
    for records in log:
        seen: set[str] = set()
        for record in records:
            if any("/" in cell for _, _, cell in counted(record, seen)):
                event = json.loads(record.value or b"")
                if "user" in event:
                    found.setdefault((event["market"], event["occurred_at"] // HOUR_MS), set()).add(event["user"])
    return {at: len(names) for at, names in found.items()}
