"""`dead-letters` where somebody filled the topic with large records."""

import tracemalloc
from collections.abc import AsyncIterator

import msgspec
import pytest
from typer.testing import CliRunner

from streams.cli.main import app
from streams.kafka import dead_letters
from streams.kafka.dead_letters import RejectedRecord

LETTERS, BYTES = 50, 1_000_000


async def letters(*_: object, **__: object) -> AsyncIterator[RejectedRecord]:
    """Large ones, each made when it is read."""
    for offset in range(LETTERS):
        yield RejectedRecord(offset, "not_json", "why", "", 0, offset, 0, "BR", None, bytes(BYTES), ())


@pytest.mark.parametrize("arguments", [("ls", "--limit", "0"), ("replay", "--dry-run")])
def test_values_are_not_kept(monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]) -> None:
    """What is listed or counted takes a fraction of the topic's bytes."""
    monkeypatch.setattr(dead_letters, "read_dead_letters", letters)
    tracemalloc.start()
    try:
        done = CliRunner().invoke(app, ["dead-letters", *arguments, "--json"])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    found = [msgspec.json.decode(line) for line in done.stdout.splitlines()]
    assert LETTERS == (len(found) if arguments[0] == "ls" else found[0]["selected"])
    assert peak < LETTERS * BYTES / 2
