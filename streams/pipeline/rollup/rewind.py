"""What a Redis that came back older has forgotten of what was published, and how the next step takes it back."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from marketpulse.client.kafka_servers import Servers, client_options
from marketpulse.contract.records import AlertRecord
from marketpulse.contract.topics import topic_name
from streams.contract.journal import StepRecord
from streams.kafka.admin import close_consumer, topic_offsets
from streams.kafka.compacted import read_all
from streams.kafka.errors import kafka_errors
from streams.kafka.tolerant import read_tolerantly
from streams.pipeline.rollup.state import CommonState

WHY = (
    "Resolved automatically: Redis was restored to a state before this alert. It fires again if the condition persists."
)


@dataclass(frozen=True, slots=True)
class Undone:
    """`ahead`: by how much later `seq`s must be raised; `alerts`: states on the topic that the ledger never came to."""

    ahead: int = 0
    alerts: tuple[AlertRecord, ...] = ()


FindUndone = Callable[[Servers, str, int], Awaitable[Undone]]


async def find_undone(servers: Servers, prefix: str, seq: int) -> Undone:
    """What is on the topics with a higher `seq` than the ledger's last one. Raises Unavailable."""
    newest = await _newest_seq(servers, topic_name(prefix, "market.steps"))
    if newest <= seq:
        return Undone()
    alerts = await read_all(servers, topic_name(prefix, "market.alerts"))
    return undone_of(newest, [record.value for record in alerts if record.value is not None], seq)


def undone_of(newest: int, alerts: Iterable[bytes], seq: int) -> Undone:
    """The same from what was read: `seq` of the journal's last step, and the alerts topic's values in order."""
    states: dict[str, AlertRecord] = {}
    for value in alerts:
        alert = msgspec.json.decode(value, type=AlertRecord)
        if alert.seq >= states.get(alert.id, alert).seq:
            states[alert.id] = alert
    return Undone(max(0, newest - seq), tuple(alert for alert in states.values() if alert.seq > seq))


def seq_of(step: bytes) -> int:
    """`seq` of what a step published, from its record in the journal."""
    record = msgspec.json.decode(step, type=StepRecord)
    return record.step + record.ahead


async def _newest_seq(servers: Servers, topic: str) -> int:
    """`seq` of the journal's last step; 0 of an empty journal."""
    partition = TopicPartition(topic, 0)
    first, end = (await topic_offsets(servers, topic))[0]
    read_tolerantly()
    consumer = AIOKafkaConsumer(**client_options(servers), enable_auto_commit=False)
    try:
        async with kafka_errors(servers, f"give records of {topic}"):
            await consumer.start()
            consumer.assign([partition])
            for at in range(end - 1, first - 1, -1):
                consumer.seek(partition, at)
                record = await consumer.getone(partition)
                if (record.key or b"").isdigit():  # what else is in the journal is no step
                    return seq_of(record.value)
    finally:
        await close_consumer(consumer)
    return 0


def corrections(
    undone: tuple[AlertRecord, ...], held: Mapping[str, bytes], changing: set[str], seq: int, at_ms: int
) -> list[AlertRecord]:
    """The records that take undone states back: the ledger's own state again, or resolved where it has none.

    Args:
        undone: states on the topic that the ledger does not know.
        held: alert id -> the ledger's own state (JSON).
        changing: ids of alerts that the same step publishes anyway.
        seq: of the step.
        at_ms: its time, epoch ms.
    """
    found = []
    for alert in undone:
        if alert.id in changing:
            continue
        if own := held.get(alert.id):
            found.append(msgspec.structs.replace(msgspec.json.decode(own, type=AlertRecord), seq=seq))
        elif alert.state != "resolved":
            ended_at, evidence = max(at_ms, alert.started_at), alert.evidence | {"cause": WHY}
            found.append(
                msgspec.structs.replace(alert, seq=seq, state="resolved", ended_at=ended_at, evidence=evidence)
            )
    return found


def note_ended(common: CommonState, alerts: Iterable[AlertRecord]) -> None:
    """Have those that were ended outside a step, by a repair or a rewind, forgotten in time as others are."""
    ended = {alert.id: alert.ended_at or alert.started_at for alert in alerts if alert.state == "resolved"}
    common.ended = dict(sorted((ended | common.ended).items(), key=itemgetter(1)))
