"""A seeded, multilingual feed with its truth: markets, users, incidents, duplicates and broken lines."""

import csv
import gzip
import io
import json
import math
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from marketpulse.contract.decode import utc
from marketpulse.contract.units import DAY_MS, HOUR_MS
from streams.dev.feeds.phrases import PHRASES, TAILS


@dataclass(frozen=True)
class MarketFeed:
    """One market: share of the events, languages, hour of day (UTC) of its peak, distinct users."""

    share: float
    languages: tuple[str, ...]
    peak_hour: int
    users: int


MARKETS: dict[str, MarketFeed] = {
    "CN": MarketFeed(0.22, ("zh",), 12, 4_000),
    "US": MarketFeed(0.17, ("en",), 1, 3_000),
    "IN": MarketFeed(0.11, ("hi", "en"), 14, 2_000),
    "BR": MarketFeed(0.12, ("pt",), 22, 2_000),
    "DE": MarketFeed(0.08, ("de",), 18, 1_200),
    "JP": MarketFeed(0.08, ("ja",), 11, 1_200),
    "GB": MarketFeed(0.07, ("en",), 19, 1_000),
    "FR": MarketFeed(0.06, ("fr",), 19, 900),
    "ID": MarketFeed(0.05, ("id",), 12, 800),
    "RU": MarketFeed(0.04, ("ru",), 17, 700),
}


@dataclass(frozen=True)
class Incident:
    """From `begin` to `end` a market's events grow by `volume` (0 = it falls silent) and `share` of them are `label`.

    `begin` and `end` are shares of a plan's span, or seconds of a live feed. `newcomers` write for the first time.
    """

    market: str
    begin: float
    end: float
    share: float = 0.75
    volume: float = 4.0
    topic: str | None = "app"
    label: str = "negative"
    newcomers: bool = False


@dataclass(frozen=True)
class FeedPlan:
    """What to simulate; same plan, same feed, byte for byte."""

    seed: int = 1
    events: int = 20_000
    span_ms: int = 12 * HOUR_MS
    end_ms: int = 1_793_534_400_000
    incidents: tuple[Incident, ...] = (Incident("BR", 0.94, 1.0),)
    duplicates: float = 0.02
    broken: float = 0.03
    growth_per_day: float = 0.25


@dataclass(frozen=True)
class FeedLine:
    """One Kafka message value and what must come of it; `outcome` is accepted, duplicate or a dead-letter code."""

    value: bytes
    at_ms: int
    outcome: str
    market: str
    user: str
    label: str


BROKEN: tuple[str, ...] = (
    "not_json", "missing_field", "bad_type", "unknown_market", "text_empty", "text_too_long", "bad_time", "too_late",
    "from_the_future", "unknown_version",
)  # fmt: skip


def generate(plan: FeedPlan) -> Iterator[FeedLine]:
    """The feed, roughly in the order of time: events a few seconds out of order, duplicates a little later."""
    rng = random.Random(plan.seed)
    broken = int(plan.events * plan.broken)
    duplicates = int(plan.events * plan.duplicates)
    fresh = plan.events - broken - duplicates
    lines = [
        event(plan, rng, f"s{plan.seed}-{number}", at_ms, active(plan.incidents, _progress(plan, at_ms)))
        for number, at_ms in enumerate(_times(plan, rng, fresh))
    ]
    extra = [_repeated(rng, line) for line in rng.sample(lines, duplicates)]
    extra += [_broken(plan, rng, BROKEN[number % len(BROKEN)], number) for number in range(broken)]
    arrival = {id(line): line.at_ms + rng.expovariate(1 / 4_000) for line in lines}
    arrival |= {id(line): line.at_ms + 15_000 + rng.random() * 120_000 for line in extra}
    yield from sorted([*lines, *extra], key=lambda line: arrival[id(line)])


def _times(plan: FeedPlan, rng: random.Random, count: int) -> list[int]:
    begin = plan.end_ms - plan.span_ms
    return sorted(begin + int(rng.random() * plan.span_ms) for _ in range(count))


def _progress(plan: FeedPlan, at_ms: int) -> float:
    return 1 - (plan.end_ms - at_ms) / plan.span_ms


def active(incidents: Iterable[Incident], at: float) -> dict[str, Incident]:
    """Market -> its incident under way at `at`."""
    return {one.market: one for one in reversed(list(incidents)) if one.begin <= at <= one.end}


def event(plan: FeedPlan, rng: random.Random, event_id: str, at_ms: int, incidents: Mapping[str, Incident]) -> FeedLine:
    """One event of a time, its market drawn by share, hour of day and the incidents under way."""
    hour = at_ms / HOUR_MS % 24
    weights = [
        feed.share
        * (1 + 0.5 * math.cos((hour - feed.peak_hour) / 24 * 2 * math.pi))
        * (incidents[market].volume if market in incidents else 1)
        for market, feed in MARKETS.items()
    ]
    market = rng.choices(list(MARKETS), weights)[0]
    feed, incident = MARKETS[market], incidents.get(market)
    label = rng.choices(("negative", "neutral", "positive"), _label_shares(incident))[0]
    language = rng.choice(feed.languages)
    text = compose(rng, language, label, incident.topic if incident and label == incident.label else None)
    grown = feed.users * math.exp(plan.growth_per_day * (_progress(plan, at_ms) - 1) * plan.span_ms / DAY_MS)
    number = int(grown * rng.random() ** 2)
    user = f"{market.lower()}-new-{event_id}" if incident and incident.newcomers else f"{market.lower()}-{number}"
    content: dict[str, Any] = {
        "v": 1, "id": event_id, "market": market, "text": text, "occurred_at": utc(at_ms), "user": user,
        "lang": language,
    }  # fmt: skip
    if rng.random() < 0.25:
        content["rating"] = rng.choice({"negative": (1, 2), "neutral": (3,), "positive": (4, 5)}[label])
    return FeedLine(_json(content), at_ms, "accepted", market, user, label)


def _label_shares(incident: Incident | None) -> tuple[float, float, float]:
    """Shares of negative, neutral and positive; an incident's label takes its share from the opposite one."""
    if incident is None:
        return 0.2, 0.12, 0.68
    opposite = 0.88 - min(incident.share, 0.85)
    if incident.label == "negative":
        return incident.share, 0.12, opposite
    return opposite, 0.12, incident.share


def compose(rng: random.Random, language: str, label: str, topic: str | None = None) -> str:
    """One text of a language and a sentiment, about a topic if given."""
    phrases = PHRASES[language]
    subjects = phrases.subjects[topic if topic in phrases.subjects else rng.choice(list(phrases.subjects))]
    opinions: tuple[str, ...] = getattr(phrases, label)
    text = rng.choice(opinions).format(rng.choice(subjects))
    return text + rng.choice(TAILS).format(rng.randrange(10_000))


def _repeated(rng: random.Random, line: FeedLine) -> FeedLine:
    return FeedLine(line.value, line.at_ms, "duplicate", line.market, line.user, line.label)


def _broken(plan: FeedPlan, rng: random.Random, code: str, number: int) -> FeedLine:
    at_ms = plan.end_ms - int(rng.random() * plan.span_ms)
    content: dict[str, Any] = {
        "v": 1, "id": f"b{plan.seed}-{number}", "market": "US", "text": "fine", "occurred_at": utc(at_ms),
        "user": "us-x",
    }  # fmt: skip
    match code:
        case "missing_field":
            del content[rng.choice(("id", "market", "text", "occurred_at"))]
        case "bad_type":
            content[rng.choice(("id", "market", "text"))] = rng.choice((7, True, ["x"], {"a": 1}))
        case "unknown_market":
            content["market"] = rng.choice(("XX", "ZZ", "QQ"))
        case "text_empty":
            content["text"] = rng.choice(("", "   ", "\n\t"))
        case "text_too_long":
            content["text"] = "x" * 8_193
        case "bad_time":
            content["occurred_at"] = rng.choice(("", "yesterday", "2026-13-45T00:00:00Z", "2026-11-01T00:00:00"))
        case "too_late":
            content["occurred_at"] = utc(plan.end_ms - 30 * DAY_MS)
        case "from_the_future":
            content["occurred_at"] = utc(plan.end_ms + 2 * DAY_MS)
        case "unknown_version":
            content["v"] = 99
    value = _json(content) if code != "not_json" else rng.choice((b"\xff\xfe\x00garbage", b'{"id": "x", "market": '))
    return FeedLine(value, at_ms, code, "", "", "")


def expected_of(lines: list[FeedLine]) -> dict[str, Any]:
    """What must come of a feed: accepted, duplicates, dead letters by code, and per market n, users, true labels."""
    outcomes = Counter(line.outcome for line in lines)
    codes = {code: outcomes[code] for code in sorted(outcomes) if code not in ("accepted", "duplicate")}
    accepted = [line for line in lines if line.outcome == "accepted"]
    markets = {
        market: {
            "n": len(chosen),
            "users": len({line.user for line in chosen}),
            "labels": dict(sorted(Counter(line.label for line in chosen).items())),
        }
        for market in sorted({line.market for line in accepted})
        if (chosen := [line for line in accepted if line.market == market])
    }
    return {
        "lines": len(lines),
        "accepted": outcomes["accepted"],
        "duplicates": outcomes["duplicate"],
        "dead_letter": sum(codes.values()),
        "dead_letter_by_code": codes,
        "markets": markets,
    }


def write_feed(plan: FeedPlan, out: Path, expected: Path | None = None) -> dict[str, Any]:
    """Write a feed as JSONL or CSV (by suffix, gzip too) and, if asked, its truth; the truth.

    A CSV file cannot hold broken JSON, so it has neither broken lines nor duplicates.
    """
    as_csv = ".csv" in out.suffixes
    lines = list(generate(replace(plan, broken=0.0, duplicates=0.0) if as_csv else plan))
    content = _csv(lines) if as_csv else b"".join(line.value + b"\n" for line in lines)
    out.write_bytes(gzip.compress(content, mtime=0) if out.suffix == ".gz" else content)
    truth = expected_of(lines)
    if expected is not None:
        expected.write_text(json.dumps(truth, indent=1) + "\n", "utf-8")
    return truth


def _csv(lines: list[FeedLine]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, ("id", "market", "text", "occurred_at", "user", "lang", "rating"), restval="")
    writer.writeheader()
    writer.writerows({name: value for name, value in json.loads(line.value).items() if name != "v"} for line in lines)
    return text.getvalue().encode()


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
