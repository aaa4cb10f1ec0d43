"""Input that is broken, hostile, late, doubled or gone: what scenarios 7, 13 to 18 and 20 need beside unit tests."""

import asyncio
import json
import random
import string
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from marketpulse.errors import EXIT_OPERATOR
from strategy.portfolio import load_portfolio
from streams.kafka.admin import create_topics, topic_offsets
from streams.kafka.compacted import write_all
from streams.kafka.publish import Record
from streams.pipeline.operators.profiles import profile_records
from streams.pipeline.operators.published import PLAN_KEY
from tests.faults.feed import simulated
from tests.faults.job import PARTITIONS, Job
from tests.faults.oracle import DAY_MS, HOUR_MS, MINUTE_MS, records
from tests.faults.servers import delete_records, remove_topics

pytestmark = [pytest.mark.faults, pytest.mark.nemesis, pytest.mark.timeout(300)]

WINDOWS = ("5m", "1h", "24h", "7d")


def event(number: object, at_ms: int, **fields: object) -> dict[str, Any]:
    """A plain event of a market."""
    return {"id": f"e{number}", "market": "BR", "text": f"text {number}", "occurred_at": at_ms} | fields


def record(content: object, key: bytes | None = b"k") -> Record:
    """A record of JSON, or of bytes as they are."""
    value = content if isinstance(content, bytes | None) else json.dumps(content).encode()
    return Record(key, value)  # type: ignore[arg-type]


def now_ms() -> int:
    """Epoch milliseconds."""
    return time.time_ns() // 1_000_000


# --- 7: the log is not the one that was counted -----------------------------------------------------------------------


@pytest.mark.parametrize("running", [False, True], ids=["at start", "running"])
@pytest.mark.parametrize("trouble", ["recreated", "shorter", "retention"])
def test_fault_7_the_log_is_another(job: Job, trouble: str, running: bool) -> None:
    """Topic recreated, log end below the ledger, retention passed it: exit 78 with its own message, nothing skipped."""
    job.publish(simulated(job.seed, 2_000))
    worker = job.crew.start(1)[0]
    job.until(job.settled, 40, "counted")
    counted = job.offsets()
    if not running or trouble == "retention":
        assert 0 == job.crew.retire(worker)
    job.figures["counted_before"] = sum(counted)
    kafka, said = job.stack.endpoints.kafka, "recreated"
    if trouble == "retention":
        said = "retention took"
        job.publish(simulated(job.seed + 100, 2_000))
        ends = asyncio.run(topic_offsets(kafka, job.topic))
        asyncio.run(delete_records(kafka, job.topic, {number: end for number, (_, end) in ends.items()}))
    else:
        asyncio.run(remove_topics(kafka, job.prefix, "feedback"))
        asyncio.run(create_topics(kafka, job.prefix, PARTITIONS))
        job.publish(simulated(job.seed + 100, 3_000 if trouble == "recreated" else 200))
    if worker not in job.crew.workers:
        worker = job.crew.start(1)[0]
    code = job.crew.ends(worker, 60)
    assert (EXIT_OPERATOR, counted) == (code, job.offsets())
    assert worker.said(said)
    assert worker.said("Operator action")


# --- 13: duplicates ---------------------------------------------------------------------------------------------------


def test_fault_13_an_id_counts_once_per_partition(job: Job) -> None:
    """Copies with the same key count once, also after a restart of the worker; in two partitions once in each."""
    at = now_ms()
    rows = [event(number, at) for number in range(200)]
    job.publish(record(row, b"one") for row in rows)
    worker = job.crew.start(1)[0]
    job.until(job.settled, 40, "counted")
    assert 0 == job.crew.retire(worker)
    job.publish(record(row, b"one") for row in rows)  # restored from the ledger, not from memory
    job.publish(record(row, b"two") for row in rows)
    job.crew.start(1)
    job.check()
    partitions = sum(end > 0 for _, end in asyncio.run(topic_offsets(job.stack.endpoints.kafka, job.topic)).values())
    assert (2, 400, 200) == (partitions, job.total("accepted"), job.total("duplicates"))


# --- 14 and 15: time --------------------------------------------------------------------------------------------------


def test_fault_14_order_does_not_matter(make_job: Callable[..., Job]) -> None:
    """Events of five days shuffled across all bucket edges give the windows of the sorted ones; beyond 7 d: refused."""
    rng = random.Random(1)
    now = now_ms()
    rows = sorted(
        (event(number, now - rng.randrange(5 * DAY_MS)) for number in range(3_000)),
        key=lambda row: row["occurred_at"],
    )
    late = [event(f"late{number}", now - 7 * DAY_MS - HOUR_MS) for number in range(20)]
    newest = [event(f"newest{at}", now) for at in range(3)]  # the third newest counts: both end at one stream time
    found = []
    for shuffled in (False, True):
        job = make_job(idle_partition_seconds=3600)
        chosen = rng.sample(rows, len(rows)) if shuffled else rows
        job.publish(record(row) for row in [*late, *chosen, *newest])
        job.crew.start(1)
        job.check(window="7d")
        assert 20 == job.total("dead_letter:too_late")
        windows = json.loads(job.redis.get(f"{job.prefix}:metrics:BR"))["metrics"]["windows"]
        found.append({name: (windows[name]["n"], windows[name]["labels"]) for name in WINDOWS})
        job.crew.stop()
    assert found[0] == found[1]
    assert 3_003 == found[0]["7d"][0]


def test_fault_15_clocks_and_bad_times(job: Job) -> None:
    """Workers an hour fast and slow, times in the future, in nanoseconds, negative, NaN: refused; T stays."""
    job.crew.start(1, clock_skew="3600")
    job.crew.start(1, clock_skew="-3600")
    now = now_ms()
    bad = [now + DAY_MS, now * 1_000_000, -5, float("nan"), 1e300, "2999-01-01T00:00:00Z"]
    rows = [event(number, now - number * 1_000) for number in range(2_000)]
    rows += [event(f"bad{number}", 0, occurred_at=bad[number % len(bad)]) for number in range(300)]
    random.Random(job.seed).shuffle(rows)
    job.feed(0, 500.0, [record(row, str(number % 64).encode()) for number, row in enumerate(rows)])
    job.check(clocks_agree=False)
    newest = max(int(job.redis.hget(f"{job.prefix}:partition:{number}", "newest") or 0) for number in range(PARTITIONS))
    assert now - MINUTE_MS <= newest <= now  # the third newest of a partition's last 100
    assert sum(job.truth.dead_letters.values()) == 300
    stream_ms = int(job.redis.hget(f"{job.prefix}:step", "stream_time"))
    assert stream_ms <= now_ms() + 2_000


# --- 16 and 17: poison and hostile text -------------------------------------------------------------------------------

HOSTILE_TEXTS = (
    "\x1b[31mred\x1b[0m \x07 bell",
    "line one\nline two\r\n{\"event\": \"forged\", \"level\": \"info\"}",
    "\u202eright to left\u202c \u2066isolated\u2069",
    "zero\u200bwidth\u200d\ufeff",
    "😀" * 8_192,
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "${jndi:ldap://127.0.0.1/a} {{7*7}} %s %n {0}",
    "' OR 1=1; DROP TABLE users; --",
    "\ud800 half a pair",
)  # fmt: skip
POISON: tuple[tuple[bytes | None, str], ...] = (
    (None, "empty_value"),
    (b"", "empty_value"),
    (b"\xff\xfe\x00", "not_json"),
    (b'{"id": "x"', "not_json"),
    (b"[" * 50_000, "not_json"),
    (b"[1, 2]", "not_an_object"),
    (b'"' + b"x" * 700_000 + b'"', "too_large"),
    (json.dumps(event("v", 0, v=99)).encode(), "unknown_version"),
    (json.dumps(event("m", 0, market="Atlantis")).encode(), "unknown_market"),
    (json.dumps({"id": "no market", "text": "x", "occurred_at": 1}).encode(), "missing_field"),
    (json.dumps(event("r", 0, rating=10**30)).encode(), "bad_value"),
    (json.dumps(event("t", 0, text=["x"])).encode(), "bad_type"),
)


def test_fault_16_17_poison_and_hostile_texts(job: Job) -> None:
    """Broken, huge and hostile records among good ones, texts the model fails on: neighbours unharmed, bytes kept."""
    job.poison = "POISONED"
    job.crew.start(2, poison=job.poison)
    at = now_ms()
    rows = [record(event(number, at), None) for number in range(1_200)]
    rows += [record(value, None) for value, _ in POISON]
    rows += [record(event(f"h{number}", at, text=text), None) for number, text in enumerate(HOSTILE_TEXTS)]
    rows += [record(event(f"p{number}", at, text=f"{job.poison} {number}"), None) for number in range(30)]
    random.Random(job.seed).shuffle(rows)
    job.feed(0, 400.0, rows)
    job.check()
    letters = asyncio.run(_dead_letters(job))
    expected = sorted(((value or b""), code) for value, code in POISON)
    assert expected == sorted((value or b"", code) for value, code in letters if code != "model_failed")
    assert 30 == sum(code == "model_failed" for _, code in letters)
    lines = [line for log in job.crew.logs() for line in log.read_bytes().splitlines()]
    assert all(b"POISONED" not in line and b"\x1b[31m" not in line and b"jndi" not in line for line in lines)


async def _dead_letters(job: Job) -> list[tuple[bytes | None, str]]:
    topic = job.name("feedback.dead-letter")
    return [
        (one.value, dict(one.headers)["__streams.errors.code"].decode())
        async for one in records(job.stack.endpoints.kafka, topic)
    ]


# --- 18: floods of distinct values ------------------------------------------------------------------------------------

FLOOD = 100_000
MOST_GROWTH = 150 * 2**20


def test_fault_18_floods_of_distinct_values(make_job: Callable[..., Job]) -> None:
    """100,000 market names, then as many users, ids, channels: dead letters, bounded memory, an alert."""
    job = make_job(dedupe_capacity=5_000, batch_records=1000)
    worker = job.crew.start(1)[0]
    job.publish(record(row, None) for row in _markets(1_000))
    job.until(job.settled, 60)
    before, redis_before = worker.memory(), job.redis.info("memory")["used_memory"]
    job.publish(record(row, None) for row in _markets(FLOOD))
    job.publish(record(row, None) for row in _distinct(FLOOD))
    job.until(lambda: any(b"bad_input" in name for name in job.redis.hkeys(f"{job.prefix}:alerts")), 120, "an alert")
    job.check(180)
    grown = worker.memory() - before
    redis_grown = job.redis.info("memory")["used_memory"] - redis_before
    job.figures["worker_grew_mib"], job.figures["redis_grew_mib"] = grown >> 20, redis_grown >> 20
    assert FLOOD == job.total("accepted")
    assert 2 == job.redis.scard(f"{job.prefix}:markets")
    assert grown < MOST_GROWTH
    assert redis_grown < MOST_GROWTH
    chunks = [one for number in range(PARTITIONS) for one in job.redis.lrange(f"{job.prefix}:ids:{number}", 0, -1)]
    held = sum(len(chunk) // 16 for chunk in chunks)
    assert held <= PARTITIONS * (5_000 + 1_000)


def _markets(count: int) -> Iterator[dict[str, Any]]:
    at = now_ms()
    for number in range(count):
        name = "".join(string.ascii_lowercase[number // 26**place % 26] for place in range(5))
        yield event(f"m{number}", at, market=f"market-{name}")


def _distinct(count: int) -> Iterator[dict[str, Any]]:
    at = now_ms()
    for number in range(count):
        market = "BR" if number % 2 else "CN"
        yield event(number, at - number % MINUTE_MS, market=market, user=f"user-{number}", channel=f"c-{number}")


# --- 20: the planner --------------------------------------------------------------------------------------------------


def test_fault_20_an_infeasible_plan_keeps_the_previous_one(job: Job) -> None:
    """A budget below what the change limits allow: the answer says infeasible, the allocation in force stays."""
    job.crew.start(1)
    job.publish(simulated(job.seed, 6_000, 30.0))
    key = f"{job.prefix}:allocation"
    job.until(lambda: job.redis.get(key), 60, "a first allocation")
    job.until(job.settled, 30)
    first = job.redis.get(key)
    portfolio = load_portfolio(None)
    poor = msgspec.structs.replace(portfolio, plan=msgspec.structs.replace(portfolio.plan, budget=1.0))
    rows = [row for row in profile_records(poor) if row[0] == PLAN_KEY]
    asyncio.run(write_all(job.stack.endpoints.kafka, job.name("market.profiles"), rows))
    job.until(lambda: job.crew.said('"infeasible"'), 60, "the answer is infeasible")
    job.check(window="7d")
    answers = [json.loads(row) for row in job.redis.lrange(f"{job.prefix}:allocations", 0, -1)]
    assert ("infeasible", False) == (answers[-1]["status"], answers[-1]["adopted"])
    assert first == job.redis.get(key)
    assert len(answers) == len({answer["seq"] for answer in answers})
