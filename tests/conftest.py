"""Fixtures: one real Kafka and Redis for the whole session, a prefix of its own for every test."""

import uuid
from collections.abc import Iterator

import pytest

from streams.embedded import EmbeddedStack


@pytest.fixture(scope="session")
def stack() -> Iterator[EmbeddedStack]:
    """A running embedded stack; tests that kill servers start their own."""
    with EmbeddedStack() as running:
        yield running


@pytest.fixture
def prefix() -> str:
    """A prefix that no other test uses."""
    return f"t{uuid.uuid4().hex[:12]}"
