"""Five minutes of judgement on a real Kafka and Redis: texts labelled, u_corrected moved, history replayed."""

import asyncio
import json
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from marketpulse.contract.metrics import Estimate
from marketpulse.contract.topics import topic_name
from streams.dev.embedded.servers import EmbeddedStack
from streams.judgement.draw import name_of_week, week_of
from streams.kafka.admin import delete_before, topic_offsets
from streams.kafka.compacted import read_all
from streams.kafka.publish import Record, partition_of
from streams.settings import Settings, load_settings
from tests.support.job import Job

pytestmark = [pytest.mark.long, pytest.mark.timeout(200)]

TEXTS = ("o aplicativo é ótimo, adorei", "péssimo, quebrou no primeiro dia", "chegou ontem na loja")
NOW_MS = time.time_ns() // 1_000_000
WEEK = name_of_week(week_of(NOW_MS))


def event(number: int) -> Record:
    """Everybody says whose mail it is."""
    content = {
        "id": f"l-{number}", "market": "BR", "text": f"{TEXTS[number % 3]} ({number}), ana@example.com", "lang": "pt",
        "user": f"anna-{number}", "occurred_at": NOW_MS,
    }  # fmt: skip
    return Record(f"anna-{number}".encode(), json.dumps(content).encode())


@contextmanager
def counted(stack: EmbeddedStack, prefix: str, logs: Path, given: Settings | None = None) -> Iterator[Job]:
    """A worker that has counted 120 events of one market."""
    one = Job(stack, prefix, logs, given)
    one.workers(1)
    try:
        one.publish([event(number) for number in range(120)])
        one.until(lambda: one.settled() and "BR" in one.reader.snapshot().metrics)
        yield one
    finally:
        one.supervisor.stop()
        one.reader.close()


@pytest.fixture
def job(stack: EmbeddedStack, prefix: str, tmp_path: Path) -> Iterator[Job]:
    """Its model is the shipped one, whose confusion was measured."""
    given = load_settings(
        prefix=prefix, threads=1, step_seconds=0.3, idle_step_seconds=0.5, checkpoint_minutes=1 / 60,
        session_timeout_seconds=6.0,
    )  # fmt: skip
    with counted(stack, prefix, tmp_path, given) as one:
        yield one


@pytest.fixture
def of_stub(stack: EmbeddedStack, prefix: str, tmp_path: Path) -> Iterator[Job]:
    """Its model is the stub."""
    with counted(stack, prefix, tmp_path) as one:
        yield one


def label(job: Job, count: int, keys: str, *more: str) -> tuple[list[str], dict[str, Any]]:
    """The texts that were shown, and what they came to."""
    run = job.cli("label", "BR", "--week", WEEK, "--count", str(count), "--json", *more, given=keys)
    assert 0 == run.returncode, run.stderr
    *texts, week = map(json.loads, run.stdout.splitlines())
    return [one["text"] for one in texts], week


def corrected(job: Job) -> Estimate:
    """u of a day without the model's bias, as readers see it."""
    found = job.reader.snapshot().metrics["BR"].windows["24h"].u_corrected
    assert found is not None
    return found


def test_twenty_labels_move_u_corrected_and_history_repeats(job: Job) -> None:
    """A rater to whom all is bad: u falls, replay and a rebuild after the loss of Redis say the same."""
    before = corrected(job)
    texts, week = label(job, 20, "n\n" * 20, "--rater", "Ada")
    assert (20, 20, 120) == (len({*texts}), week["texts"], week["events"])
    assert all("[email]" in text and "example" not in text for text in texts)
    assert week["low"] == pytest.approx(0.0)
    assert week["u"] < 0.1 < week["classifier"]
    job.until(lambda: corrected(job).value < before.value - 0.02)

    more, week = label(job, 5, "n\ns\nx\np\nq\n")
    assert (4, 22, 2, 1) == (len(more), week["texts"], week["answered"], week["unclear"])
    assert not {*texts} & {*more}
    labels = asyncio.run(read_all(job.settings.kafka, topic_name(job.settings.prefix, "market.labels")))
    assert 23 == len(labels)
    assert not any(word in (one.value or b"") for one in labels for word in (b"anna", b"timo", b"quebrou", b"l-"))

    job.publish([event(200)])
    job.until(job.settled)
    job.supervisor.stop()
    held = job.reader.snapshot()
    replayed = job.cli("replay", "--compare", "--json")
    assert 0 == replayed.returncode, replayed.stdout + replayed.stderr
    assert held.status.digest == json.loads(replayed.stdout)["sha256"]
    asyncio.run(job.empty_redis())
    assert job.done("ledger", "rebuild")["first_differing_step"] is None
    assert held.metrics == job.reader.snapshot().metrics


def test_what_is_gone_from_the_topics_is_not_shown(of_stub: Job) -> None:
    """Texts that retention took are passed over; a week whose counts are no longer whole is refused."""
    cut(of_stub, "feedback", range(8), 10**9)
    run = of_stub.cli("label", "BR", "--week", WEEK, "--count", "2", "--json", given="n\n")
    week = json.loads(run.stdout)
    assert (1, 0, 2, None) == (run.returncode, week["texts"], week["missing"], week["u"])
    assert week["gone"] > 0
    cut(of_stub, "feedback.classified", [partition_of(b"BR", 8)], 1)
    run = of_stub.cli("label", "BR", "--week", WEEK)
    assert 2 == run.returncode, run.stdout
    assert "no longer in" in run.stderr


def cut(job: Job, name: str, partitions: Iterable[int], most: int) -> None:
    """Delete records of a topic, as retention does: those below an offset."""
    topic, servers = topic_name(job.settings.prefix, name), job.settings.kafka

    async def delete() -> None:
        ends = await topic_offsets(servers, topic)
        await delete_before(servers, topic, {number: min(most, ends[number][1]) for number in partitions})

    asyncio.run(delete())
