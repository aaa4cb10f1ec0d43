"""Every topic of one prefix: names, partitions, retention; creation and offsets."""

import asyncio
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from streams.errors import Unavailable

DAY_MS = 86_400_000


def topic_name(prefix: str, name: str) -> str:
    """Full name of a topic: `<prefix>.<name>`."""
    return f"{prefix}.{name}"


@dataclass(frozen=True)
class TopicSpec:
    """A topic as it is created; partitions 0 = as many as asked for feedback."""

    name: str
    partitions: int
    retention_days: int | None
    compact: bool = False
    settings: dict[str, str] = field(default_factory=dict)


TOPICS: tuple[TopicSpec, ...] = (
    TopicSpec("feedback", 0, 15, settings={"message.timestamp.type": "LogAppendTime"}),
    TopicSpec("feedback.classified", 8, 15),
    TopicSpec("feedback.dead-letter", 1, 15),
    TopicSpec("market.steps", 1, 16, settings={"max.message.bytes": "16777216"}),
    TopicSpec("market.metrics", 8, 7),
    TopicSpec("market.shifts", 1, 15),
    TopicSpec("market.alerts", 1, 90),
    TopicSpec("market.allocations", 1, 365),
    TopicSpec("market.profiles", 1, None, compact=True),
    TopicSpec("market.mutes", 1, None, compact=True),
)


async def kafka_answers(bootstrap: str) -> None:
    """Return if Kafka answers. Raises Unavailable."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
    except (KafkaError, OSError) as error:
        raise Unavailable(
            f"Kafka at {bootstrap} does not answer: {error}. Operator action: start it or mend MARKETPULSE_KAFKA."
        ) from error
    finally:
        await admin.close()


async def create_topics(bootstrap: str, prefix: str, feedback_partitions: int = 8, replication: int = 1) -> list[str]:
    """Create what is missing; the names of the topics that were created. Raises Unavailable."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        wanted = [_new_topic(prefix, spec, feedback_partitions, replication) for spec in TOPICS]
        response = await admin.create_topics(wanted)
    except (KafkaError, OSError) as error:
        raise Unavailable(
            f"Kafka at {bootstrap} does not answer: {error}. Operator action: start it or mend MARKETPULSE_KAFKA."
        ) from error
    finally:
        await admin.close()
    created = []
    for topic, code, *_ in response.topic_errors:
        if code == 0:
            created.append(topic)
        elif for_code(code) is not TopicAlreadyExistsError:
            raise Unavailable(f"Kafka did not create topic {topic}: {for_code(code).__name__}.")
    return created


def _new_topic(prefix: str, spec: TopicSpec, feedback_partitions: int, replication: int) -> NewTopic:
    settings = dict(spec.settings)
    settings["cleanup.policy"] = "compact" if spec.compact else "delete"
    if spec.retention_days is not None:
        settings["retention.ms"] = str(spec.retention_days * DAY_MS)
    return NewTopic(
        topic_name(prefix, spec.name), spec.partitions or feedback_partitions, replication, topic_configs=settings
    )


async def topic_offsets(bootstrap: str, topic: str, patience: int = 50) -> dict[int, tuple[int, int]]:
    """First and next offset of every partition. Raises Unavailable, also while the topic does not exist."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    try:
        await admin.start()
        await consumer.start()
        numbers: list[int] = []
        for _ in range(patience):  # a topic just created takes a moment to be known
            found = (await admin.describe_topics([topic]))[0]
            numbers = sorted(one["partition"] for one in found["partitions"])
            if numbers:
                break
            await asyncio.sleep(0.1)
        if not numbers:
            raise Unavailable(f"topic {topic} does not exist. Operator action: `marketpulse topics create`.")
        partitions = [TopicPartition(topic, number) for number in numbers]
        first = await consumer.beginning_offsets(partitions)
        end = await consumer.end_offsets(partitions)
    except (KafkaError, OSError) as error:
        raise Unavailable(
            f"Kafka at {bootstrap} does not answer: {error}. Operator action: start it or mend MARKETPULSE_KAFKA."
        ) from error
    finally:
        await consumer.stop()
        await admin.close()
    return {partition.partition: (first[partition], end[partition]) for partition in partitions}
