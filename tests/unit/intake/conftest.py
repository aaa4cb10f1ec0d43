"""The intake over HTTP, with a fake in the place of the producer."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.support.intake_app import FakeProducer, client_of


@pytest.fixture
def producer() -> FakeProducer:
    return FakeProducer()


@pytest.fixture
async def client(producer: FakeProducer) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(producer) as one:
        yield one
