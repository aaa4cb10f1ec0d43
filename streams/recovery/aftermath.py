"""What topics hold beyond the journal's last step, and what they lack: a lost ledger may have told more than that."""

import math
from collections.abc import Iterable

import msgspec

from marketpulse.client.kafka_servers import Servers
from marketpulse.contract.records import AlertRecord
from marketpulse.contract.topics import topic_name
from streams.kafka.log_reader import LogReader

TOLD = ("market.alerts", "market.shifts", "market.allocations")
MARGIN_MS = 600_000
TAIL = 500

_seq = msgspec.json.Decoder(dict[str, object])


class Aftermath(msgspec.Struct):
    """`seen` are (topic, id, seq) since a time; `highest` the largest seq or step anywhere; `alerts` the newest record
    of each, by id. `deleted`: topic -> seq up to which records of that time were taken from it."""

    seen: set[tuple[str, str, int]]
    highest: int
    alerts: dict[str, AlertRecord]
    deleted: dict[str, float] = {}

    @property
    def open_alerts(self) -> dict[str, AlertRecord]:
        """Those whose newest record says pending or firing."""
        return {name: alert for name, alert in self.alerts.items() if alert.state != "resolved"}

    def revived(self, known: Iterable[AlertRecord]) -> list[AlertRecord]:
        """Of the alerts that a ledger knows, those that are open there and have ended on their topic since."""
        return [
            alert
            for alert in sorted(known, key=lambda one: one.id)
            if alert.state != "resolved"
            and (newest := self.alerts.get(alert.id)) is not None
            and newest.state == "resolved"
            and newest.seq > alert.seq
        ]

    def orphans(self, last_seq: int) -> list[AlertRecord]:
        """Alerts that a step after the last one opened."""
        return [alert for _, alert in sorted(self.open_alerts.items()) if alert.seq > last_seq]

    def missing(self, published: Iterable[tuple[str, str, bytes]]) -> list[tuple[str, str, bytes]]:
        """Records that ought to be on their topic and are not (metrics and steps aside).

        What was deleted there on purpose is not missing: nothing is that is no newer than the oldest record left.
        """
        found = []
        for topic, key, value in published:
            if topic in TOLD:
                name, seq = identity(value)
                if (topic, name, seq) not in self.seen and seq > self.deleted.get(topic, 0):
                    found.append((topic, key, value))
        return found


def identity(value: bytes) -> tuple[str, int]:
    """Id and seq of an alert, a shift or an allocation."""
    content = _seq.decode(value)
    return str(content["id"]), int(str(content["seq"]))


async def look(servers: Servers, prefix: str, since_ms: int | None) -> Aftermath:
    """Read alerts, shifts and allocations since a time, and the ends of metrics and steps.

    Args:
        servers: Kafka servers.
        prefix: of the topics.
        since_ms: epoch time of the oldest record that matters; None = all.

    Raises:
        Unavailable: Kafka does not answer.
    """
    found = Aftermath(set(), 0, {})
    for topic in TOLD:
        async with LogReader(servers, topic_name(prefix, topic)) as reader:
            begin, end = reader.offsets[0]
            first = begin if since_ms is None else max(begin, await reader.offset_at(since_ms - MARGIN_MS))
            if first == begin > 0:
                found.deleted[topic] = math.inf
            async for record in reader.records(first, end):
                name, seq = identity(record.value)
                found.deleted.update({topic: seq} if found.deleted.get(topic) == math.inf else {})
                found.seen.add((topic, name, seq))
                found.highest = max(found.highest, seq)
                if topic == "market.alerts":
                    _follow(found.alerts, msgspec.json.decode(record.value, type=AlertRecord))
    for topic in ("market.metrics", "market.steps"):
        async with LogReader(servers, topic_name(prefix, topic)) as reader:
            for partition, (first, end) in reader.offsets.items():
                async for record in reader.records(max(first, end - TAIL), end, partition):
                    found.highest = max(found.highest, int(str(_seq.decode(record.value)["step"])))
    return found


def _follow(alerts: dict[str, AlertRecord], alert: AlertRecord) -> None:
    if alert.id not in alerts or alerts[alert.id].seq <= alert.seq:
        alerts[alert.id] = alert
