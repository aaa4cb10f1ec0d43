"""The member of the consumer group that reads `feedback`."""

from aiokafka import AIOKafkaConsumer

from marketpulse.client.kafka_servers import client_options
from streams.kafka.timeouts import REQUEST_TIMEOUT_S
from streams.kafka.tolerant import read_tolerantly
from streams.settings import Settings


def request_timeout_s(settings: Settings) -> float:
    """Seconds after which a group's member gives up a request; longer than its session."""
    return max(REQUEST_TIMEOUT_S, settings.session_timeout_seconds + 5.0)


def group_consumer(settings: Settings) -> AIOKafkaConsumer:
    """A member of the consumer group that reads `feedback`; positions come from the ledger alone."""
    read_tolerantly()
    timeout_ms = int(settings.session_timeout_seconds * 1000)
    return AIOKafkaConsumer(
        **client_options(settings.kafka_servers),
        group_id=f"{settings.prefix}.classify",
        group_instance_id=settings.instance,
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed",  # what a producer took back does not count
        session_timeout_ms=timeout_ms,
        heartbeat_interval_ms=max(timeout_ms // 3, 300),
        request_timeout_ms=int(request_timeout_s(settings) * 1000),
        rebalance_timeout_ms=int(settings.claim_timeout_seconds * 1000),
        max_poll_interval_ms=600_000,
        metadata_max_age_ms=20_000,  # how soon a topic that was removed and made again, or grew, is seen
        max_partition_fetch_bytes=1_048_576,
        fetch_max_wait_ms=100,
    )
