"""What a replay came to, and whether it is what stands on the topics."""

import uuid
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import msgspec

from marketpulse.contract.topics import topic_name
from streams.errors import JournalIncomplete
from streams.kafka.log_reader import LogReader
from streams.ledger.commit import Ledger
from streams.recovery.journal import Journal, Progress, silent
from streams.recovery.replay import Replayed, Replayer
from streams.settings import Settings

COMPARED = ("market.metrics", "market.alerts", "market.shifts", "market.allocations")
Identity = tuple[str, str, int]  # topic without the prefix, market or id, step or seq


class Difference(msgspec.Struct, frozen=True):
    """One record that is not the same on its topic and in the replay; None = it is not there at all."""

    topic: str
    id: str
    seq: int
    on_topic: Any
    replayed: Any


class ReplayReport(msgspec.Struct, frozen=True):
    """A replay's result. `sha256` is the digest of all outcomes up to the last step, as the journal holds it too.

    `first_differing_step` is the first whose digest is not the journal's; `differences` are against the topics (at most
    20), None where they were not compared; `aged` counts records whose topic no longer holds that time.
    """

    first_step: int
    last_step: int
    steps: int
    metrics: int
    alerts: list[dict[str, Any]]
    shifts: list[str]
    allocations: list[dict[str, Any]]
    sha256: str
    first_differing_step: int | None = None
    compared: int | None = None
    aged: int = 0
    differences: list[Difference] | None = None

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return self.first_differing_step is None and not self.differences


@dataclass
class _Found:
    steps: list[int] = field(default_factory=list)
    metrics: int = 0
    alerts: list[dict[str, Any]] = field(default_factory=list)
    shifts: list[str] = field(default_factory=list)
    allocations: list[dict[str, Any]] = field(default_factory=list)
    contents: dict[Identity, bytes] = field(default_factory=dict)
    differing: int | None = None

    def take(self, one: Replayed) -> None:
        self.steps.append(one.record.step)
        if not one.same and self.differing is None:
            self.differing = one.record.step
        outcome = one.outcome
        self.metrics += sum(topic == "market.metrics" for topic, *_ in one.published)
        self.alerts += [{"id": alert.id, "seq": alert.seq, "state": alert.state} for alert in outcome.alerts]
        self.shifts += [shift.id for shift in outcome.shifts]
        if one.answer is not None:
            answer = one.answer
            self.allocations.append({"id": answer.id, "status": answer.status, "adopted": answer.adopted})


async def replay_journal(
    settings: Settings, newest_checkpoint: bool = False, compare: bool = False, progress: Progress = silent
) -> ReplayReport:
    """Replay all of the journal, or from its newest checkpoint on.

    Raises:
        Unavailable: Kafka or Redis does not answer. JournalIncomplete: there is nothing to begin from.
    """
    scratch = Ledger(settings.redis, f"{settings.prefix}~replay-{uuid.uuid4().hex[:8]}")
    found = _Found()
    async with LogReader(settings.kafka_servers, topic_name(settings.prefix, "market.steps")) as reader:
        journal = Journal(reader, progress)
        if newest_checkpoint:
            await journal.find_newest(settings.checkpoint_ms)
        else:
            await journal.find_all()
        chain = journal.chain
        stretches = [one for one in (chain.newest_stretch(),) if one] if newest_checkpoint else chain.stretches()
        total = sum(len(one.places) for one in stretches)
        replayer = Replayer(journal, scratch, int(settings.idle_partition_seconds * 1000))
        if not stretches:
            raise JournalIncomplete(
                f"{reader.topic} holds {'no complete checkpoint' if chain.steps else 'no step'}. Operator action: "
                "let workers run for a while, or mend MARKETPULSE_PREFIX."
            )
        try:
            async for one in replayer.replay(stretches):
                found.take(one)
                if compare:
                    found.contents |= {_identity(topic, value): _kept(topic, value) for topic, _, value in one.published
                                       if topic in COMPARED}  # fmt: skip
                progress(len(found.steps), total)
        finally:
            await replayer.content.remove()
            await scratch.close()
    comparison = await _compare(settings, found) if compare else {}
    return ReplayReport(
        first_step=min(found.steps, default=0),
        last_step=chain.last,
        steps=len(found.steps),
        metrics=found.metrics,
        alerts=found.alerts,
        shifts=found.shifts,
        allocations=found.allocations,
        sha256=replayer.rollup.common.digest,
        first_differing_step=found.differing,
        **comparison,
    )


def _identity(topic: str, value: bytes) -> Identity:
    content = msgspec.json.decode(value)
    if topic == "market.metrics":
        return topic, content["market"], content["step"]
    return topic, content["id"], content["seq"]


def _kept(topic: str, value: bytes) -> bytes:
    """Metrics are many: of them a digest is kept."""
    return blake2b(value, digest_size=16).digest() if topic == "market.metrics" else value


async def _compare(settings: Settings, found: _Found) -> dict[str, Any]:
    """Every record of the replayed steps against its topic; a record that a rewind wrote twice matches either time."""
    first, last = min(found.steps, default=0), max(found.steps, default=0)
    differences: dict[Identity, Difference] = {}
    matched: set[Identity] = set()
    oldest: dict[str, int] = {}
    for topic in COMPARED:
        async with LogReader(settings.kafka_servers, topic_name(settings.prefix, topic)) as reader:
            for partition, (begin, end) in reader.offsets.items():
                async for record in reader.records(begin, end, partition):
                    name = _identity(topic, record.value)
                    oldest[topic] = min(oldest.get(topic, name[2]), name[2])
                    if not first <= name[2] <= last or name in matched:
                        continue
                    replayed = found.contents.get(name)
                    if replayed == _kept(topic, record.value):
                        matched.add(name)
                        differences.pop(name, None)
                    else:
                        shown = replayed if topic != "market.metrics" else None
                        differences[name] = Difference(*name, _shown(record.value), _shown(shown))
    missing = [name for name in found.contents if name not in matched and name not in differences]
    aged = {name for name in missing if name[2] < oldest.get(name[0], 0)}
    for name in missing:
        if name not in aged:
            content = found.contents[name]
            differences[name] = Difference(*name, None, _shown(content) if name[0] != "market.metrics" else "metrics")
    first_ones = [differences[name] for name in sorted(differences, key=lambda name: (name[2], name))[:20]]
    return {"compared": len(matched), "aged": len(aged), "differences": first_ones}


def _shown(value: bytes | None) -> Any:
    return None if value is None else msgspec.json.decode(value)
