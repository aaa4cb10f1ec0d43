"""What a commit costs Redis: its own processor time per event, by size of batch and number of markets."""

import asyncio
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import msgspec

from marketpulse.contract.decode import Decoded
from marketpulse.contract.markets import MARKETS
from models.labels import SENTIMENTS, TOPICS
from models.stub import StubClassifier
from streams.batches import DecodedBatch, Delta, Position, SourceMark
from streams.clock import epoch_ms
from streams.dev.embedded.servers import EmbeddedRedis
from streams.ledger.commit import Ledger
from streams.ledger.types import Claim, CutStep, Lease
from streams.pipeline.classify.scored_batches import ScoredBatch
from streams.pipeline.count.aggregate import aggregate
from streams.pipeline.count.cells import CellLayout
from streams.privacy.user_hashes import UserHashes

SIZES = (100, 1_000, 4_000)
MARKET_COUNTS = (10, 249)
EVENTS_PER_STEP = 50_000
LANGUAGES = ("ar", "de", "en", "es", "fr", "hi", "id", "ja", "pt", "ru", "zh")
TEXTS = 2_000
DIFFERENT = 20  # batches per case, committed again and again: making them costs more than committing them

Say = Callable[[dict[str, object]], object]


class Cost(msgspec.Struct, frozen=True):
    """One case: Redis's processor time per event and commit, and the events a second that one core of it carries."""

    batch: int
    markets: int
    microseconds_per_event: float
    milliseconds_per_commit: float
    events_per_second: int


def bench_commit(events: int, say: Say) -> dict[str, object]:
    """Commit about so many events per case to a Redis of its own, all of one minute, with steps cut in between."""
    with tempfile.TemporaryDirectory(prefix="marketpulse-") as folder:
        server = EmbeddedRedis(Path(folder) / "redis")
        server.start()
        try:
            cases = [(size, markets) for markets in MARKET_COUNTS for size in SIZES]
            costs = [asyncio.run(_cost(server.url, size, markets, events, say)) for size, markets in cases]
        finally:
            server.stop()
    return {f"{one.batch} events, {one.markets} markets": msgspec.to_builtins(one) for one in costs}


async def _cost(url: str, size: int, markets: int, events: int, say: Say) -> Cost:
    ledger = Ledger(url, f"bench-{size}-{markets}")
    try:
        await ledger.init("bench", {0: 0})
        claim, lease = await ledger.claim(0), await ledger.lease("bench", 600_000)
        assert lease is not None
        deltas = [delta_of(size, markets, seed) for seed in range(DIFFERENT)]
        commits = max(DIFFERENT, events // size)
        before = await _processor_seconds(ledger)
        for number in range(commits):
            answer, _ = await ledger.commit(_batch(claim, number * size, size), deltas[number % DIFFERENT])
            assert answer == "OK"
            if (number + 1) % (EVENTS_PER_STEP // size) == 0:
                await _close_step(ledger, lease)
        spent = await _processor_seconds(ledger) - before
    finally:
        await ledger.close()
    per_event = spent / (commits * size)
    cost = Cost(size, markets, round(per_event * 1e6, 2), round(per_event * size * 1e3, 2), round(1 / per_event))
    say({"event": "case"} | msgspec.to_builtins(cost))
    return cost


def delta_of(size: int, markets: int, seed: int) -> Delta:
    """What a batch adds: each event of a random market, text and user, at the same moment."""
    rng = random.Random(seed)
    codes = sorted(MARKETS)[:markets]
    now_ms = epoch_ms()
    events = []
    for number in range(size):
        at = rng.randrange(markets)
        text, user = f"text {rng.randrange(TEXTS)}", f"u{rng.randrange(1_000_000)}"
        events.append(Decoded(f"{seed}-{number}", codes[at], text, now_ms, user, LANGUAGES[at % len(LANGUAGES)], None))
    classifier = StubClassifier()
    answer = classifier.classify([event.text for event in events], [event.lang for event in events])
    records = [SimpleNamespace(offset=number) for number in range(size)]
    batch = DecodedBatch(Position(0, 0, "", 0, size), events, records, [], 0, b"", 0, SourceMark(), now_ms, now_ms)
    layout = CellLayout(TOPICS, SENTIMENTS, LANGUAGES)
    scored = ScoredBatch(batch, answer.sentiment, answer.topic, languages=answer.languages)
    return aggregate(scored, layout, UserHashes(b"bench"), now_ms)


def _batch(claim: Claim, start: int, size: int) -> DecodedBatch:
    """A batch at its place: 16 bytes of digest an event, and the chunk of 15 minutes ago forgotten."""
    position = Position(0, claim.number, claim.generation, start, start + size)
    forget = 1 if start >= 10 * size else 0
    return DecodedBatch(
        position,
        [],
        [],
        [],
        0,
        b"d" * (8 + 16 * size),
        forget,
        SourceMark(start, 1_000 + start, 0),
        1_000,
        1_000 + start,
    )


async def _close_step(ledger: Ledger, lease: Lease) -> None:
    step = await ledger.cut(lease, force=False)
    assert isinstance(step, CutStep)
    await ledger.publish(lease, step, [])


async def _processor_seconds(ledger: Ledger) -> float:
    used = await ledger.redis.info("cpu")
    return float(used["used_cpu_user"] + used["used_cpu_sys"])
