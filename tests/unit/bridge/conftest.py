"""A Schema Registry, and what reads by it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from streams.bridge.registry import Access, Registry
from streams.bridge.schemas import Schemas
from tests.support.schema_registry import SchemaRegistry


@pytest.fixture
def served() -> Iterator[SchemaRegistry]:
    with SchemaRegistry() as running:
        yield running


@pytest.fixture
async def schemas(served: SchemaRegistry) -> AsyncIterator[Schemas]:
    made = Schemas(Registry(Access(served.url)))
    yield made
    await made.close()
