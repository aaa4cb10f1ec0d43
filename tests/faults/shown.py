"""What the product shows, read raw from Redis and Kafka by documented names, and its comparison with the truth."""

import itertools
import json
import struct
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import redis

from tests.faults.oracle import LABELS, Truth, records

TOPICS = 12  # of the stub: a bucket holds 3 x 12 counts, then 12 sums of e, then others; int64 in the machine's order
USERS_WITHIN = 0.03


@dataclass
class Journal:
    """The journal's own sums: per market labels and e; how often a step was repeated, how often the log forked."""

    markets: dict[str, dict[str, int]] = field(default_factory=dict)
    dead_letters: int = 0
    repeats: int = 0
    forks: int = 0
    steps: int = 0


def expected_of(truth: Truth, window: str = "24h") -> dict[str, Any]:
    """The truth as flat keys; `window` covers all events."""
    found: dict[str, Any] = {
        "totals.accepted": truth.accepted,
        "totals.duplicates": truth.duplicates,
    }
    found |= {f"totals.dead_letter.{code}": n for code, n in truth.dead_letters.items()}
    found["journal.dead_letters"] = sum(truth.dead_letters.values())
    for market, one in truth.markets.items():
        for at, name in enumerate(LABELS):
            found[f"market.{market}.{window}.{name}"] = one.labels[name]
            found[f"journal.{market}.{LABELS[at]}"] = one.labels[name]
        found[f"market.{market}.{window}.n"] = one.n
        found[f"journal.{market}.e"] = one.e
        found[f"buckets.{market}.e"] = one.e
        found |= {f"buckets.{market}.hour.{hour}": n for hour, n in one.hours.items()}
    return found


def shown_by(client: Any, prefix: str, journal: Journal, window: str = "24h") -> dict[str, Any]:
    """The same keys as Redis and the journal give them."""
    totals = {name.decode(): int(value) for name, value in client.hgetall(f"{prefix}:totals").items()}
    found: dict[str, Any] = {
        "totals.accepted": totals.get("accepted", 0),
        "totals.duplicates": totals.get("duplicates", 0),
        "journal.dead_letters": journal.dead_letters,
    }
    for name, n in totals.items():
        if name.startswith("dead_letter:"):
            found[f"totals.dead_letter.{name.partition(':')[2]}"] = n
    for market in sorted(code.decode() for code in client.smembers(f"{prefix}:markets")):
        record = json.loads(client.get(f"{prefix}:metrics:{market}"))
        day = record["metrics"]["windows"][window]
        found[f"market.{market}.{window}.n"] = day["n"]
        found |= {f"market.{market}.{window}.{name}": n for name, n in day["labels"].items()}
        e = 0
        for hour, content in sorted(client.hgetall(f"{prefix}:buckets:hour:{market}").items()):
            cells = struct.unpack(f"={len(content) // 8}q", content)
            found[f"buckets.{market}.hour.{int(hour)}"] = sum(cells[: 3 * TOPICS])
            e += sum(cells[3 * TOPICS : 4 * TOPICS])
        found[f"buckets.{market}.e"] = e
    for market, sums in journal.markets.items():
        found |= {f"journal.{market}.{name}": n for name, n in sums.items()}
    return found


def first_difference(expected: Mapping[str, Any], found: Mapping[str, Any]) -> str | None:
    """The first key, in order, whose values differ; None when all agree."""
    for key in sorted({*expected, *found}):
        if expected.get(key) != found.get(key):
            return f"{key}: the topic says {expected.get(key)}, shown is {found.get(key)}"
    return None


def users_difference(truth: Truth, client: Any, prefix: str) -> str | None:
    """The first market whose distinct users differ by more than 3 % and 8, or None."""
    for market, one in sorted(truth.markets.items()):
        users = len(set().union(*one.users.values()))
        hours = sorted(one.users)
        if not hours:
            continue
        counted = client.pfcount(*(f"{prefix}:users:hour:{market}:{hour}" for hour in hours))
        if abs(counted - users) > max(8, USERS_WITHIN * users):
            return f"users.{market}: the topic has {users}, Redis counts {counted}"
    return None


async def classified_difference(truth: Truth, bootstrap: str, topic: str) -> tuple[str | None, Counter[int]]:
    """The first event that `feedback.classified` says otherwise; and per source partition what it says again.

    For one id the highest claim counts. Events that only a lower, refused claim accepted are none of the truth's.
    """
    newest: dict[str, dict[str, Any]] = {}
    again: Counter[int] = Counter()
    async for record in records(bootstrap, topic):
        one = json.loads(record.value)
        again[int(one["id"].split("-")[-2])] += one["id"] in newest
        if one["claim"] >= newest.get(one["id"], one)["claim"]:
            newest[one["id"]] = one
    said = {name: (one["market"], one["label"]) for name, one in newest.items()}
    difference = first_difference(truth.classified, said)
    return (None if difference is None else f"classified {difference}"), again


async def alerts_difference(bootstrap: str, topic: str, client: Any, prefix: str) -> str | None:
    """Every state of an alert that Redis holds stands on its topic, as the one with the highest seq of its id."""
    newest: dict[str, Any] = {}
    async for record in records(bootstrap, topic):
        one = json.loads(record.value)
        before = newest.get(one["id"])
        if before is not None and one["seq"] == before["seq"] and one != before:
            return f"alert {one['id']} seq {one['seq']} stands twice on its topic, with different content"
        if before is None or one["seq"] >= before["seq"]:
            newest[one["id"]] = one
    held = {name.decode(): json.loads(value) for name, value in client.hgetall(f"{prefix}:alerts").items()}
    for name in sorted({*held, *newest}):
        on_topic, in_redis = newest.get(name), held.get(name)
        if on_topic != in_redis and not (in_redis is None and on_topic["state"] == "resolved"):
            return f"alert {name}: on its topic {_state(on_topic)}, in Redis {_state(in_redis)}"
    return None


def _state(alert: Any) -> str:
    return "nothing" if alert is None else f"{alert['state']} (seq {alert['seq']})"


async def copies(bootstrap: str, topics: Iterable[str]) -> int:
    """How many records of these topics are there once more, key and value alike."""
    seen = Counter[tuple[str, bytes | None, bytes | None]]()
    for topic in topics:
        async for record in records(bootstrap, topic):
            seen[topic, record.key, record.value] += 1
    return seen.total() - len(seen)


async def journal_of(bootstrap: str, topic: str) -> Journal:
    """Sum the journal up. A step that stands there again must be the same, unless Redis went back before it: a fork.

    Raises:
        AssertionError: steps are missing, or offsets went back without a fork.
    """
    journal = Journal()
    steps: dict[int, Any] = {}
    rebuilt = 0
    async for record in records(bootstrap, topic):
        one = json.loads(record.value)
        number = one["step"]
        if record.key == b"checkpoint":
            rebuilt = number if one.get("cause") == "rebuild" else rebuilt  # steps go on after this one
            continue
        if steps.get(number) == one:
            journal.repeats += 1
            continue
        after = one.get("after") or number - 1
        gone = [known for known in steps if known > after]
        journal.forks += bool(gone)
        for known in gone:
            del steps[known]
        newest = max(rebuilt, max(steps, default=0))
        assert after == newest, f"step {number} follows {after}, the newest is {newest}"
        steps[number] = one
    journal.steps = len(steps)
    for before, one in itertools.pairwise([steps[number] for number in sorted(steps)]):
        back = {
            part: (before["cut"].get(part), at) for part, at in one["cut"].items() if at < before["cut"].get(part, 0)
        }
        assert not back, f"step {one['step']}: offsets went back: {back}"
    for one in steps.values():
        _add(journal, one["deltas"])
    return journal


def _add(journal: Journal, deltas: Mapping[str, Mapping[str, Mapping[str, int]]]) -> None:
    sums: dict[str, Counter[str]] = defaultdict(Counter)
    for market, minutes in deltas.items():
        for cells in minutes.values():
            for cell, n in cells.items():
                if cell == "dead_letter":
                    journal.dead_letters += n
                elif cell.startswith("e/"):
                    sums[market]["e"] += n
                elif "/" in cell:
                    sums[market][cell.partition("/")[0]] += n
    for market, one in sums.items():
        known = journal.markets.setdefault(market, dict.fromkeys((*LABELS, "e"), 0))
        for name, n in one.items():
            known[name] += n


def connect(url: str) -> Any:
    """A plain client."""
    return redis.Redis.from_url(url, socket_timeout=5)
