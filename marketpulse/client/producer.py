"""Publish feedback from threads: `AsyncProducer` behind blocking calls.

with Producer("127.0.0.1:9092", prefix="marketpulse") as producer:
    producer.send(event)
"""

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from typing import Any, Self, TypeVar

from marketpulse.client.async_producer import (
    MAX_PENDING_BYTES,
    TIMEOUT_S,
    AsyncProducer,
    Counts,
    Delivery,
    Event,
    Outcome,
)
from marketpulse.client.kafka_servers import Servers
from marketpulse.contract.decode import Headers

_T = TypeVar("_T")


class Producer:
    """`AsyncProducer` for threads: its event loop runs in a thread beside them.

    Args:
        servers: `host:port,host:port`, or `KafkaServers` with TLS and login.
        prefix: of the topics.
        timeout_s: how long an event may wait for room and for its acknowledgement, together.
        max_pending_bytes: bytes on their way to Kafka, above which callers wait.

    Raises:
        KafkaUnavailable: Kafka does not answer, or the topic is not there.
    """

    def __init__(
        self,
        servers: Servers,
        *,
        prefix: str = "marketpulse",
        timeout_s: float = TIMEOUT_S,
        max_pending_bytes: int = MAX_PENDING_BYTES,
    ) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="feedback-producer", daemon=True)
        self._thread.start()
        try:
            self._producer = self._run(_started(servers, prefix, timeout_s, max_pending_bytes))
        except BaseException:
            self._end()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self.flush()
        finally:
            self.close()

    @property
    def counts(self) -> Counts:
        """Events by the outcome that was told."""
        return self._producer.counts

    def send(self, event: Event, headers: Headers = ()) -> Delivery:
        """Publish one event. Raises Rejected or NotAcknowledged."""
        return self._run(self._producer.send(event, headers))

    def send_many(self, events: Sequence[Event], headers: Headers = ()) -> list[Outcome]:
        """Publish events; what became of each, in their order."""
        return self._run(self._producer.send_many(events, headers))

    def submit(self, event: Event, headers: Headers = ()) -> None:
        """Hand one event over without waiting for Kafka; `flush` tells. Raises Rejected or NotAcknowledged."""
        self._run(self._producer.submit(event, headers))

    def flush(self) -> None:
        """Wait until all that was handed over is acknowledged. Raises NotAcknowledged."""
        self._run(self._producer.flush())

    def close(self) -> None:
        """Close the connections and end the thread."""
        if self._loop.is_closed():
            return
        try:
            self._run(self._producer.close())
        finally:
            self._end()

    def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _started(servers: Servers, prefix: str, timeout_s: float, max_pending_bytes: int) -> AsyncProducer:
    producer = AsyncProducer(servers, prefix=prefix, timeout_s=timeout_s, max_pending_bytes=max_pending_bytes)
    await producer.start()
    return producer
