"""Topics as Kafka has them: creation, deletion, lives and offsets."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)

from marketpulse.client.kafka_servers import Servers, client_options
from marketpulse.contract.topics import TOPICS, TopicSpec, topic_name
from marketpulse.contract.units import DAY_MS
from marketpulse.errors import TopicMissing
from streams.kafka.errors import kafka_errors
from streams.kafka.tolerant import read_tolerantly

MISSING = "topic {} does not exist. Operator action: `marketpulse topics create`."


async def close_consumer(consumer: AIOKafkaConsumer) -> None:
    """Stop a consumer that has no group: one of its tasks may not have begun, and would raise that it was cancelled."""
    await asyncio.sleep(0)
    await consumer.stop()


@contextlib.asynccontextmanager
async def _admin(servers: Servers, doing: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """A connected admin client; what Kafka refuses becomes one of the project's errors."""
    admin = AIOKafkaAdminClient(**client_options(servers))
    try:
        async with kafka_errors(servers, doing):
            await admin.start()
            yield admin
    finally:
        await admin.close()


async def kafka_answers(servers: Servers) -> None:
    """Return if Kafka answers. Raises Unavailable, OperatorNeeded."""
    async with _admin(servers, "answer"):
        pass


async def cluster_of(servers: Servers) -> str:
    """The id of the cluster; its bootstrap servers where Kafka tells none. Raises Unavailable, OperatorNeeded."""
    async with _admin(servers, "tell the id of its cluster") as admin:
        found = await admin.describe_cluster()
    return found.get("cluster_id") or str(servers)


async def consumer_groups(servers: Servers) -> list[str]:
    """Names of all consumer groups that this client may know of. Raises Unavailable, OperatorNeeded."""
    async with _admin(servers, "list consumer groups") as admin:
        return sorted({str(group) for group, _ in await admin.list_consumer_groups()})


async def check_reading(servers: Servers, topic: str, group: str) -> None:
    """Return if this client may read a topic as a member of a group. Raises Unavailable, OperatorNeeded.

    Asked before Faust is: its consumer would end the process with a trace of its own, or try for ever.
    """
    async with _admin(servers, f"give records of {topic}") as admin:
        await _partitions(admin, topic, patience=1)
        await admin.find_coordinator(group)
        read_tolerantly()
        consumer = AIOKafkaConsumer(**client_options(servers), enable_auto_commit=False, fetch_max_wait_ms=1)
        try:
            await consumer.start()
            consumer.assign([TopicPartition(topic, 0)])
            await consumer.getmany(timeout_ms=200)
        finally:
            await close_consumer(consumer)


async def create_topics(servers: Servers, prefix: str, feedback_partitions: int = 8, replication: int = 1) -> list[str]:
    """Create what is missing; the names of the topics that were created. Raises Unavailable, OperatorNeeded."""
    async with _admin(servers, "create the topics") as admin:
        wanted = [_new_topic(prefix, spec, feedback_partitions, replication) for spec in TOPICS]
        response = await admin.create_topics(wanted)
        created = []
        for topic, code, *_ in response.topic_errors:
            if code == 0:
                created.append(topic)
            elif for_code(code) is not TopicAlreadyExistsError:
                raise for_code(code)(topic)
    return created


def _new_topic(prefix: str, spec: TopicSpec, feedback_partitions: int, replication: int) -> NewTopic:
    settings = dict(spec.settings)
    settings["cleanup.policy"] = "compact" if spec.compact else "delete"
    if spec.retention_days is not None:
        settings["retention.ms"] = str(spec.retention_days * DAY_MS)
        settings["segment.ms"] = str(DAY_MS)  # Kafka deletes whole segments: none may hold a week of records
    return NewTopic(
        topic_name(prefix, spec.name), spec.partitions or feedback_partitions, replication, topic_configs=settings
    )


async def lives_of(servers: Servers, topics: Sequence[str]) -> dict[str, int | None]:
    """How long a record may stay in each topic, as the broker has it. Raises Unavailable.

    Retention and one segment, in ms; None = for ever.
    """
    lives: dict[str, int | None] = {}
    for topic, found in (await _settings_of(servers, topics, "say how long topics keep records")).items():
        endless = "delete" not in found["cleanup.policy"] or int(found["retention.ms"]) < 0
        lives[topic] = None if endless else int(found["retention.ms"]) + int(found["segment.ms"])
    return lives


async def largest_batches(servers: Servers, topics: Sequence[str]) -> dict[str, int]:
    """How large a batch of records each topic takes, in bytes as it is sent. Raises Unavailable, OperatorNeeded."""
    found = await _settings_of(servers, topics, "say how large records may be")
    return {topic: int(settings["max.message.bytes"]) for topic, settings in found.items()}


async def producers_set_times(servers: Servers, topic: str) -> bool:
    """Whether a topic keeps the times that producers give (CreateTime). Raises Unavailable, OperatorNeeded."""
    found = await _settings_of(servers, [topic], "say whose clock records are dated by")
    return found[topic]["message.timestamp.type"] == "CreateTime"


async def _settings_of(servers: Servers, topics: Sequence[str], doing: str) -> dict[str, dict[str, str]]:
    """Settings of each topic as the broker has them, defaults too. Raises Unavailable, TopicMissing, OperatorNeeded."""
    settings: dict[str, dict[str, str]] = {}
    async with _admin(servers, doing) as admin:
        wanted = [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in topics]
        for answer in await admin.describe_configs(wanted):
            for code, _, _, topic, entries in answer.resources:
                if code == UnknownTopicOrPartitionError.errno:
                    raise TopicMissing(MISSING.format(topic))
                if code:
                    raise for_code(code)(topic)
                settings[topic] = {entry[0]: entry[1] for entry in entries}
    return settings


async def delete_before(servers: Servers, topic: str, offsets: Mapping[int, int]) -> None:
    """Delete each partition's records before an offset, of whomever they are. Raises Unavailable."""
    async with _admin(servers, f"delete records of {topic}") as admin:
        await admin.delete_records(
            {TopicPartition(topic, number): RecordsToDelete(before_offset=offset) for number, offset in offsets.items()}
        )


async def topic_offsets(servers: Servers, topic: str, patience: int = 50) -> dict[int, tuple[int, int]]:
    """First offset of every partition, and the last stable one: what is before it is not in an open transaction.

    Args:
        servers: Kafka servers.
        topic: full name.
        patience: tenths of a second for which a topic just created may not be known yet.

    Raises:
        Unavailable: Kafka does not answer; TopicMissing: or the topic does not exist.
        OperatorNeeded: Kafka refuses this client.
    """
    async with _admin(servers, f"tell the offsets of {topic}") as admin:
        consumer = AIOKafkaConsumer(
            **client_options(servers), enable_auto_commit=False, isolation_level="read_committed"
        )
        try:
            await consumer.start()
            partitions = [TopicPartition(topic, number) for number in await _partitions(admin, topic, patience)]
            if not partitions:
                raise TopicMissing(MISSING.format(topic))
            first = await consumer.beginning_offsets(partitions)
            end = await consumer.end_offsets(partitions)
        finally:
            await close_consumer(consumer)
    return {partition.partition: (first[partition], end[partition]) for partition in partitions}


async def _partitions(admin: AIOKafkaAdminClient, topic: str, patience: int) -> list[int]:
    """Numbers of a topic's partitions; none if it is not known within `patience` tenths of a second."""
    for _ in range(patience):
        found = (await admin.describe_topics([topic]))[0]
        if found["error_code"] == TopicAuthorizationFailedError.errno:  # a consumer would ask again for ever
            raise TopicAuthorizationFailedError(topic)
        if numbers := sorted(one["partition"] for one in found["partitions"]):
            return numbers
        await asyncio.sleep(0.1)
    return []
