"""The intake's application inside of a test, over a fake producer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import cast

import httpx

from marketpulse.client.async_producer import AsyncProducer, Delivery, Event, Outcome, checked
from marketpulse.contract.decode import Headers, Rejected
from marketpulse.errors import NotAcknowledged
from streams.intake.app import create_intake
from streams.settings import load_settings

NOW = 1_790_000_000_000
GOOD = {"id": "1", "market": "BR", "text": "bom", "occurred_at": NOW}
TOKENS = ("first-token-of-16-characters", "second-token-of-16-characters")


class FakeProducer:
    """Judges as the real one does, and acknowledges what is not in `lost` while `acknowledges` is set."""

    def __init__(self) -> None:
        self.pending_bytes = 0
        self.away = False
        self.lost: set[str] = set()
        self.acknowledges = asyncio.Event()
        self.acknowledges.set()
        self.records: list[tuple[bytes, list[tuple[str, bytes]]]] = []

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def answers(self) -> bool:
        return not self.away

    async def send_many(self, events: Sequence[Event], headers: Headers = ()) -> list[Outcome]:
        await self.acknowledges.wait()
        return [self._sent(event, headers) for event in events]

    def _sent(self, event: Event, headers: Headers) -> Outcome:
        try:
            value, seen = checked(event, NOW, headers)
        except Rejected as rejected:
            return rejected
        if seen.id in self.lost:
            return NotAcknowledged("lost")
        self.records.append((value, list(headers)))
        return Delivery(seen.id, "t", 0, len(self.records) - 1)


@contextlib.asynccontextmanager
async def client_of(producer: FakeProducer, **settings: object) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an intake with two tokens, which sends the second one; `http://probes` is the probes' own port."""
    given = {"intake_tokens": ",".join(TOKENS)} | settings
    application = create_intake(load_settings(**given), cast(AsyncProducer, producer))
    transport, headers = httpx.ASGITransport(application), {"Authorization": f"Bearer {TOKENS[1]}"}
    async with (
        application.router.lifespan_context(application),
        httpx.AsyncClient(
            transport=transport, base_url="http://intake", headers=headers,
            mounts={"http://probes": httpx.ASGITransport(application.state.probes)},
        ) as client,
    ):  # fmt: skip
        await asyncio.sleep(0)  # Kafka is asked for the first time
        yield client
