"""The embedded servers: data survives a kill, nothing is left behind."""

import os
from pathlib import Path

import pytest

from streams.embedded import EmbeddedRedis, EmbeddedStack
from streams.redis_connection import connect


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    """Redis comes back on the same port with the same data."""
    server = EmbeddedRedis(tmp_path / "redis")
    server.start()
    client = connect(server.url)
    client.set("a", "1")
    client.execute_command("BGREWRITEAOF")
    server.send(15)
    assert server.process is not None
    server.process.wait(20)
    server.start()
    assert b"1" == client.get("a")
    client.close()
    server.stop()


@pytest.mark.timeout(60)
def test_a_stopped_stack_leaves_no_process_and_no_folder() -> None:
    """Both children end with the context, and the temporary data goes."""
    with EmbeddedStack() as stack:
        pids = [stack.kafka.pid, stack.redis.pid]
        folder = stack.kafka.folder
    assert not folder.exists()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
