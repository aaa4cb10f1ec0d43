"""Every topic of one prefix: names, partitions, retention."""

from dataclasses import dataclass, field


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


PLANNED_BATCH_BYTES = 8_388_608
"""What workers plan for: a batch of feedback as it is sent, eight times Kafka's default for `max.message.bytes`."""

DATED_BY_BROKER = {"message.timestamp.type": "LogAppendTime"}
"""Records have the time at which they came, whatever their producer says."""

TOPICS: tuple[TopicSpec, ...] = (
    TopicSpec("feedback", 0, 15, settings=DATED_BY_BROKER),
    TopicSpec("feedback.classified", 8, 15),
    TopicSpec("feedback.dead-letter", 1, 15, settings={"max.message.bytes": "2097152"}),  # a record and why
    TopicSpec("feedback.bridge", 1, None, compact=True),
    TopicSpec("market.steps", 1, 16, settings={"max.message.bytes": "16777216"}),
    TopicSpec("market.metrics", 8, 7),
    TopicSpec("market.shifts", 1, 15),
    TopicSpec("market.alerts", 1, 90),
    TopicSpec("market.allocations", 1, 365),
    TopicSpec("market.profiles", 1, None, compact=True),
    TopicSpec("market.mutes", 1, None, compact=True, settings=DATED_BY_BROKER),
    TopicSpec("market.labels", 1, None, compact=True),
    TopicSpec("market.receipts", 1, 15),
)
