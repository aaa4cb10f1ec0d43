"""Whether Kafka answers, asked again and again beside the requests."""

import asyncio

from marketpulse.client.async_producer import AsyncProducer
from marketpulse.errors import KafkaUnavailable
from streams.telemetry.logs import get_logger

log = get_logger("intake")

EVERY_S = 1.0
PATIENCE_S = 2.5


class KafkaWatch:
    """Connects the producer, and says whether Kafka answers; `problem` says what is wrong, None = nothing."""

    def __init__(self, producer: AsyncProducer, every_s: float = EVERY_S) -> None:
        self._producer = producer
        self._every_s = every_s
        self._task: asyncio.Task[None] | None = None
        self.problem: str | None = "not connected to Kafka yet"

    def start(self) -> None:
        """Begin to watch, in the running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._watch())

    async def stop(self) -> None:
        """End watching."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _watch(self) -> None:
        while True:
            before, self.problem = self.problem, await self._problem_now()
            if before is None and self.problem is not None:
                log.warning("kafka_away", why=self.problem)
            elif before is not None and self.problem is None:
                log.info("kafka_answers")
            await asyncio.sleep(self._every_s)

    async def _problem_now(self) -> str | None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._producer.start()
                return None if await self._producer.answers() else "Kafka does not answer"
        except KafkaUnavailable as error:
            return str(error)
        except TimeoutError:
            return f"Kafka did not answer within {PATIENCE_S:g} s"
