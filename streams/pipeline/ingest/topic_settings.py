"""How the feedback topic is set, where workers do not plan for it: large batches, times of producers."""

from marketpulse.contract.topics import PLANNED_BATCH_BYTES, topic_name
from marketpulse.errors import OperatorNeeded
from streams.kafka.admin import largest_batches, producers_set_times
from streams.settings import Settings


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
    topic = topic_name(settings.prefix, "feedback")
    try:
        if not await producers_set_times(settings.kafka_servers, topic):
            return ""
    except OperatorNeeded:
        return ""
    return (
        f"{topic} keeps the times that producers give (message.timestamp.type is CreateTime): one with a wrong clock "
        "has late events taken for timely ones, and times ahead are judged by the clock of Redis. Operator action: set "
        "message.timestamp.type=LogAppendTime on the topic; it holds for records that come from then on."
    )
