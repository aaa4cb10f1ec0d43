"""A real Redis for the contract suite and for seeds on the real scripts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.dev.embedded.servers import EmbeddedRedis


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a Redis of this folder's own: every run empties it."""
    folder: Path = tmp_path_factory.mktemp("redis")
    server = EmbeddedRedis(folder)
    server.start()
    yield server.url
    server.stop()
