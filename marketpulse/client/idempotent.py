"""The producer that everything is published with; apart from the servers' settings, which are read without aiokafka."""

from typing import Any

from aiokafka import AIOKafkaProducer

from marketpulse.client.kafka_servers import Servers, client_options

BATCH_BYTES = 262_144


def idempotent_producer(servers: Servers, **options: Any) -> AIOKafkaProducer:
    """A producer whose records all replicas acknowledge, in order and once each; not started yet."""
    return AIOKafkaProducer(**client_options(servers), enable_idempotence=True, acks="all", **options)
