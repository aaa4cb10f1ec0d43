"""The feedback counted again from the topics alone, with arithmetic of its own: what the ledger must hold."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from marketpulse.contract.canary import canary_of
from marketpulse.contract.decode import Decoded, Rejected, decode
from marketpulse.contract.records import AlertRecord, ClassifiedRecord
from marketpulse.contract.topics import topic_name
from marketpulse.contract.units import DAY_MS, HOUR_MS
from streams.clock import epoch_ms
from streams.kafka.log_reader import LogReader
from streams.kafka.tolerant import UNKNOWN_TIME, unreadable
from streams.pipeline.ingest.decoding import judged_ms
from streams.settings import Settings

_classified = msgspec.json.Decoder(ClassifiedRecord)
Say = Callable[[str, int, int | None], object]


@dataclass
class Recount:
    """Sums over the records before each partition's offset.

    `labels`: (market, hour) -> label -> events; label "" where `feedback.classified` does not tell. `users`: (market,
    day) -> distinct users. `doubtful`: repeated ids of which the topics do not say whether they fell within the
    horizon. `begins_ms`: records of before are not all there (0 = they are). `last`: each partition's last record.
    """

    records: int = 0
    totals: Counter[str] = field(default_factory=Counter)
    labels: dict[tuple[str, int], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    users: dict[tuple[str, int], set[str]] = field(default_factory=lambda: defaultdict(set))
    doubtful: int = 0
    unlabelled: int = 0
    begins_ms: int = 0
    last: dict[int, Any] = field(default_factory=dict)


class Recounter:
    """Reads `feedback` and what `feedback.classified` says of it. Everything raises Unavailable."""

    def __init__(self, settings: Settings, say: Say) -> None:
        self._settings = settings
        self._say = say
        self._horizon_ms = settings.dedupe_ms
        self._said: dict[tuple[int, int], tuple[int, str]] = {}  # (partition, offset) -> claim, label

    async def count(self, feedback: LogReader, ends: Mapping[int, int], began: Mapping[int, int]) -> Recount:
        """Count the records of each partition before an offset; `began`: where the ledger did, -1 in another topic."""
        await self._read_classified()
        found, total = Recount(), sum(max(0, end - feedback.offsets[number][0]) for number, end in ends.items())
        for number, end in sorted(ends.items()):
            counted: dict[str, int] = {}  # id -> time of the record that counted
            first, first_ms = feedback.offsets[number][0], 0
            gone = not 0 <= first <= began[number]
            if gone and first >= end:
                found.begins_ms = epoch_ms()  # nothing at all is there
            async for record in feedback.records(first, end, number, whole=True):
                if gone and not first_ms:
                    first_ms = record.timestamp
                    found.begins_ms = max(found.begins_ms, first_ms)
                self._add(found, counted, record, first_ms)
                found.last[number] = _as_the_ledger_has_it(record, found.last.get(number))
                if found.records % 500 == 0:
                    self._say("counting feedback", found.records, total)
        return found

    async def _read_classified(self) -> None:
        """The label of every event; at least once: the highest claim counts."""
        source = topic_name(self._settings.prefix, "feedback")
        async with LogReader(self._settings.kafka_servers, f"{source}.classified") as reader:
            total, done = sum(end - first for first, end in reader.offsets.values()), 0
            for number, (first, end) in reader.offsets.items():
                async for record in reader.records(first, end, number):
                    one = _classified.decode(record.value)
                    _, partition, offset = one.id.rsplit("-", 2)
                    key = int(partition), int(offset)
                    if one.claim >= self._said.get(key, (0, ""))[0]:
                        self._said[key] = one.claim, one.label
                    done += 1
                    if done % 500 == 0:
                        self._say("reading what the model said", done, total)

    def _add(self, found: Recount, counted: dict[str, int], record: Any, first_ms: int) -> None:
        found.records += 1
        record_ms = judged_ms(record, epoch_ms())
        if canary_of(record.headers):
            found.totals["canaries"] += 1
            return
        try:
            event = decode(record.value, record_ms, record.headers)
        except Rejected as rejected:
            code = "unreadable_batch" if unreadable(record) else rejected.code
            found.totals[f"dead_letter:{code}"] += 1
            return
        said = self._said.get((record.partition, record.offset))
        before_ms = counted.get(event.id)
        repeated = before_ms is not None and record_ms - before_ms <= self._horizon_ms
        # The ledger forgets ids batch by batch, and may know some that the topic no longer holds: there only what it
        # did tells.
        perhaps = before_ms is not None or (first_ms and record_ms - first_ms <= self._horizon_ms)
        if repeated or (perhaps and self._said and said is None):
            found.totals["duplicates"] += 1
        else:
            found.doubtful += bool(perhaps and said is None)
            counted[event.id] = record_ms
            self._accept(found, event, "" if said is None else said[1])

    def _accept(self, found: Recount, event: Decoded, label: str) -> None:
        found.unlabelled += not label
        found.totals["accepted"] += 1
        found.labels[event.market, event.occurred_ms // HOUR_MS][label] += 1
        if event.user is not None:
            found.users[event.market, event.occurred_ms // DAY_MS].add(event.user)


def _as_the_ledger_has_it(record: Any, before: Any) -> Any:
    """A partition's last record; what represents a damaged batch has the time of the record before it."""
    if record.timestamp == UNKNOWN_TIME and before is not None:
        return replace(record, timestamp=before.timestamp)
    return record


async def newest_alerts(
    settings: Settings, last_step: int, on_their_way: Sequence[AlertRecord]
) -> dict[str, AlertRecord]:
    """The newest state of every alert up to a step, on its topic or on its way there. Raises Unavailable."""
    newest: dict[str, AlertRecord] = {}
    async with LogReader(settings.kafka_servers, topic_name(settings.prefix, "market.alerts")) as reader:
        values = [record.value async for record in reader.records(*reader.offsets[0])]
        for alert in [*(msgspec.json.decode(value, type=AlertRecord) for value in values), *on_their_way]:
            if alert.seq <= last_step and (alert.id not in newest or newest[alert.id].seq <= alert.seq):
                newest[alert.id] = alert
    return newest
