"""A large file, published by a process that is killed again and again: nothing is lost, and its memory stays small."""

import asyncio
import contextlib
import csv
import json
import random
import re
import subprocess
import time
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from marketpulse.contract.topics import topic_name
from streams.dev.embedded.servers import EmbeddedStack
from streams.dev.processes import ending, start_marketpulse
from streams.kafka.admin import create_topics
from streams.kafka.log_reader import LogReader
from streams.kafka.publish import SLICE
from tests.support.waiting import until

ROWS = 90_000
KILLS = 3
MOST_MIB = 100
"""Of memory that the process has at most, whatever the size of its file: of 60 MB it holds no large part."""
PARTS = (
    "lento e caro", "größer als gedacht", "大きすぎる。", "очень медленно", "👍🏽 ótimo", 'he said "no"', "a, b; c|d",
    "line\nafter line", "\r\n\r\nnothing above", "यह धीमा है", "€ 4,99", "-",
)  # fmt: skip

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


def written(path: Path) -> dict[str, str]:
    """A CSV of about 60 MB, texts of 1 to some 6,000 characters; the text of each id."""
    rng, now_ms = random.Random(7), time.time_ns() // 1_000_000
    texts = {
        f"r-{number}": f"{number}: {' '.join(rng.choices(PARTS, k=int(5 * rng.paretovariate(0.8)) % 400))}."
        for number in range(ROWS)
    }
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("id", "market", "text", "occurred_at", "user"))
        rows.writerows(
            (name, "BR", text, now_ms, f"u{number % 999}") for number, (name, text) in enumerate(texts.items())
        )
    return texts


def acknowledged(position: Path) -> int:
    """Records, by the file that is replaced after each slice."""
    with contextlib.suppress(FileNotFoundError):
        return int(json.loads(position.read_bytes())["acknowledged"])
    return 0


def most_mib(pid: int) -> float:
    """Memory that a process had at most; 0 of one that has ended."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return 0.0 if found is None else int(found[1]) / 1_024


async def published(servers: str, topic: str) -> list[bytes]:
    """Values that are in a topic."""
    async with LogReader(servers, topic) as log:
        return [
            record.value
            for number, (first, end) in log.offsets.items()
            async for record in log.records(first, end, number)
        ]


def test_kills_lose_nothing_of_a_large_file(stack: EmbeddedStack, prefix: str, tmp_path: Path) -> None:
    """SIGKILL at random moments, then one run to the end: each id is there, at most a slice a kill a second time."""
    servers, rng = str(stack.endpoints.kafka), random.Random()
    asyncio.run(create_topics(servers, prefix, 4))
    file, position = tmp_path / "large.csv", tmp_path / "position"
    texts = written(file)
    assert 50_000_000 < file.stat().st_size < 70_000_000
    start = partial(
        start_marketpulse, "publish", str(file), "--resume", str(position), "--json",
        environment={"MARKETPULSE_KAFKA": servers, "MARKETPULSE_PREFIX": prefix}, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    most: list[float] = []
    for _ in range(KILLS):
        goal = acknowledged(position) + rng.randrange(1, ROWS // (KILLS + 1))
        with ending(start()) as running:
            until(lambda goal=goal: acknowledged(position) >= goal, 200, every_s=0.005)  # type: ignore[misc]
            time.sleep(rng.random() * 0.2)
            most.append(most_mib(running.pid))
            running.kill()
    with ending(start()) as running:
        until(lambda: running.poll() is not None, 300, meanwhile=lambda: most.append(most_mib(running.pid)))
        assert running.stdout is not None
        answer = json.loads(running.stdout.read())
    assert (ROWS, 0, False) == (answer["published"] + answer["published_before"], answer["skipped"], position.exists())
    values = Counter(asyncio.run(published(servers, topic_name(prefix, "feedback"))))
    assert texts == {(event := json.loads(value))["id"]: event["text"] for value in values}
    assert ROWS == len(values)
    assert 0 <= values.total() - ROWS <= KILLS * SLICE
    assert max(most) < MOST_MIB, most
