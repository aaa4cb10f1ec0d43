"""The public face of Marketpulse: what other services import.

from marketpulse import Producer, Reader

with Producer("127.0.0.1:9092") as producer:
    producer.send({"id": "42", "market": "BR", "text": "parou de funcionar", "occurred_at": 1793534400000})

with Reader("redis://127.0.0.1:6379/0") as reader:
    print(reader.snapshot().metrics["BR"].windows["24h"].u)

A name is imported when it is first used: who reads loads nothing of Kafka, who publishes nothing of Redis.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from marketpulse.client.async_producer import AsyncProducer, Delivery, Event, Outcome
    from marketpulse.client.async_reader import AsyncReader
    from marketpulse.client.kafka_servers import KafkaServers
    from marketpulse.client.producer import Producer
    from marketpulse.client.reader import Reader
    from marketpulse.client.snapshot import Change, Snapshot, Status
    from marketpulse.contract.allocation import Allocation, MarketPlan
    from marketpulse.contract.decode import Rejected
    from marketpulse.contract.feedback import DeadLetterCode, FeedbackEvent
    from marketpulse.contract.metrics import Estimate, MarketMetrics, WindowMetrics
    from marketpulse.contract.portfolio import Market, Plan, Portfolio
    from marketpulse.contract.records import (
        AlertRecord,
        AllocationRecord,
        ClassifiedRecord,
        Excerpt,
        MetricsRecord,
        ShiftRecord,
    )
    from marketpulse.errors import (
        KafkaUnavailable,
        LedgerFull,
        MarketpulseError,
        NotAcknowledged,
        OperatorNeeded,
        TopicMissing,
        Unavailable,
    )

__all__ = [
    "AlertRecord",
    "Allocation",
    "AllocationRecord",
    "AsyncProducer",
    "AsyncReader",
    "Change",
    "ClassifiedRecord",
    "DeadLetterCode",
    "Delivery",
    "Estimate",
    "Event",
    "Excerpt",
    "FeedbackEvent",
    "KafkaServers",
    "KafkaUnavailable",
    "LedgerFull",
    "Market",
    "MarketMetrics",
    "MarketPlan",
    "MarketpulseError",
    "MetricsRecord",
    "NotAcknowledged",
    "OperatorNeeded",
    "Outcome",
    "Plan",
    "Portfolio",
    "Producer",
    "Reader",
    "Rejected",
    "ShiftRecord",
    "Snapshot",
    "Status",
    "TopicMissing",
    "Unavailable",
    "WindowMetrics",
]

_HOME_OF = {
    "AlertRecord": "marketpulse.contract.records",
    "Allocation": "marketpulse.contract.allocation",
    "AllocationRecord": "marketpulse.contract.records",
    "AsyncProducer": "marketpulse.client.async_producer",
    "AsyncReader": "marketpulse.client.async_reader",
    "Change": "marketpulse.client.snapshot",
    "ClassifiedRecord": "marketpulse.contract.records",
    "DeadLetterCode": "marketpulse.contract.feedback",
    "Delivery": "marketpulse.client.async_producer",
    "Estimate": "marketpulse.contract.metrics",
    "Event": "marketpulse.client.async_producer",
    "Excerpt": "marketpulse.contract.records",
    "FeedbackEvent": "marketpulse.contract.feedback",
    "KafkaServers": "marketpulse.client.kafka_servers",
    "KafkaUnavailable": "marketpulse.errors",
    "LedgerFull": "marketpulse.errors",
    "Market": "marketpulse.contract.portfolio",
    "MarketMetrics": "marketpulse.contract.metrics",
    "MarketPlan": "marketpulse.contract.allocation",
    "MarketpulseError": "marketpulse.errors",
    "MetricsRecord": "marketpulse.contract.records",
    "NotAcknowledged": "marketpulse.errors",
    "OperatorNeeded": "marketpulse.errors",
    "Outcome": "marketpulse.client.async_producer",
    "Plan": "marketpulse.contract.portfolio",
    "Portfolio": "marketpulse.contract.portfolio",
    "Producer": "marketpulse.client.producer",
    "Reader": "marketpulse.client.reader",
    "Rejected": "marketpulse.contract.decode",
    "ShiftRecord": "marketpulse.contract.records",
    "Snapshot": "marketpulse.client.snapshot",
    "Status": "marketpulse.client.snapshot",
    "TopicMissing": "marketpulse.errors",
    "Unavailable": "marketpulse.errors",
    "WindowMetrics": "marketpulse.contract.metrics",
}


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
