"""How topics are set, where workers do not plan for it: large batches of feedback, times of producers."""

from marketpulse.contract.topics import PLANNED_BATCH_BYTES, topic_name
from marketpulse.errors import OperatorNeeded, TopicMissing
from streams.kafka.admin import largest_batches, producers_set_times
from streams.settings import Settings

DATED_BY_KAFKA = {
    "feedback": "one with a wrong clock has late events taken for timely ones, and times ahead are judged by the clock "
    "of Redis",
    "market.mutes": "whoever writes a silence chooses when the 90 days begin that it may last",
}
"""Topics whose records the broker is to date, and what comes of it where it does not."""


async def batches_too_large(settings: Settings) -> str:
    """What is wrong and what to do; empty where nothing is, or Kafka does not let this client ask.

    Raises:
        Unavailable: Kafka does not answer.
    """
    topic = topic_name(settings.prefix, "feedback")
    try:
        largest = (await largest_batches(settings.kafka_servers, [topic]))[topic]
    except OperatorNeeded:
        return ""  # only a hint: reading the topic's settings is another right
    if largest <= PLANNED_BATCH_BYTES:
        return ""
    return (
        f"{topic} takes batches of {largest} bytes, workers plan for {PLANNED_BATCH_BYTES}: each may hold several of "
        f"them in memory. Operator action: lower the topic's max.message.bytes to {PLANNED_BATCH_BYTES}, or give each "
        f"worker {4 * largest // 1_000_000} MB more."
    )


async def times_of_producers(settings: Settings) -> str:
    """What is wrong and what to do where producers date the records; empty where the broker does.

    Raises:
        Unavailable: Kafka does not answer.
    """
    for name, effect in DATED_BY_KAFKA.items():
        topic = topic_name(settings.prefix, name)
        try:
            by_producers = await producers_set_times(settings.kafka_servers, topic)
        except (OperatorNeeded, TopicMissing):
            continue  # only a hint, as above
        if by_producers:
            return (
                f"{topic} keeps the times that producers give (message.timestamp.type is CreateTime): {effect}. "
                "Operator action: set message.timestamp.type=LogAppendTime on the topic; it holds for records that "
                "come from then on."
            )
    return ""
