"""Benchmarks on an embedded stack: the engine alone, and the pipeline against a bare ONNX Runtime loop."""

import asyncio
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median

from marketpulse.client.reader import Reader
from marketpulse.contract.decode import utc
from marketpulse.contract.topics import topic_name
from models.bench import bare_loop, sliced, summary
from models.onnx import load_onnx_classifier
from streams.clock import epoch_ms
from streams.dev.embedded.servers import Endpoints
from streams.dev.embedded.supervisor import Supervisor
from streams.dev.feeds.simulate import MARKETS, compose
from streams.dev.run import servers, worker_environment
from streams.errors import BadInput
from streams.kafka.publish import Record, publish
from streams.recovery.first_start import set_up
from streams.settings import Settings, load_settings

PARTITIONS = 4
TEXTS_PER_BATCH = {"cpu": 400, "cuda": 4_000, "tensorrt": 4_000}
"""How many texts a partition batch holds while a benchmark runs, by device; 4,000 is the most a worker takes."""

Say = Callable[[dict[str, object]], object]


SWITCHES: dict[str, dict[str, object]] = {
    "classified": {"classified": False},
    "excerpts": {"excerpts": False},
    "compression": {"compression": "none"},
    "all three": {"classified": False, "excerpts": False, "compression": "none"},
}
"""What a worker does by default, and how it is switched off."""


def bench_engine(settings: Settings, events: int, rounds: int, switches: bool, say: Say) -> dict[str, object]:
    """Kafka, decode, de-duplicate, windows, users, commit with a stub classifier, in one worker process.

    All else is as the settings say, by default as users run it.

    Args:
        settings: of the worker.
        events: published and counted in each run.
        rounds: of runs, in turn; the median counts.
        switches: what each of `SWITCHES` costs too: `without` has events a second with it off, over those with it on,
            the median of the ratios within each round.
        say: takes progress.
    """
    bench = _overrides(settings) | {"model": "stub"}
    cases: dict[str, dict[str, object]] = {"default": {}} | (SWITCHES if switches else {})
    found: dict[str, list[float]] = {name: [] for name in cases}
    accepted = 0
    with servers(load_settings(**bench), embedded=True, data_folder=None) as endpoints:
        for number in range(rounds):
            for case, (name, changed) in enumerate(cases.items()):
                prefix = f"bench-{number}-{case}"
                run = load_settings(**bench | changed | {"prefix": prefix})
                speed, accepted = _counted(run, endpoints, events, say)
                found[name].append(speed)
                say({"event": "round", "number": number, "without": name, "events_per_second": round(speed, 1)})
    default = found.pop("default")
    answer: dict[str, object] = {
        "events_per_second": round(median(default), 1),
        "rounds": [round(speed, 1) for speed in default],
        "events": events,
        "accepted": accepted,
        "partitions": PARTITIONS,
        "markets": len(MARKETS),
    }
    if switches:
        answer["without"] = {
            name: round(median(off / on for off, on in zip(speeds, default, strict=True)), 3)
            for name, speeds in found.items()
        }
    return answer


def _counted(settings: Settings, endpoints: Endpoints, events: int, say: Say) -> tuple[float, int]:
    """Events a second that one worker counts of a topic that holds them all, and how many it accepted."""
    asyncio.run(set_up(endpoints, settings.prefix, PARTITIONS))
    say({"event": "publishing", "events": events})
    asyncio.run(publish(endpoints.kafka, topic_name(settings.prefix, "feedback"), plain_events(events)))
    with tempfile.TemporaryDirectory() as logs:
        supervisor = Supervisor(1, worker_environment(settings, endpoints), Path(logs), say)
        supervisor.start()
        try:
            with Reader(endpoints.redis, prefix=settings.prefix) as reader:
                counted, seconds = measured(reader, supervisor, events, say)
                accepted = reader.snapshot().status.totals.get("accepted", 0)
        finally:
            supervisor.stop()
    return counted / seconds, accepted


def bench_pipeline(settings: Settings, texts: list[str], rounds: int, say: Say) -> dict[str, object]:
    """The whole worker with the real model against the bare loop over the same texts, in turn."""
    classifier = load_onnx_classifier(settings.model_folder, settings.device, settings.threads, settings.model_sha256)
    batch = TEXTS_PER_BATCH[classifier.info.device]
    overrides = _overrides(settings) | {"batch_records": batch, "batch_target_seconds": 10.0, "cache_texts": 0}
    bench = load_settings(**overrides)
    bare, piped = [], []
    with servers(bench, embedded=True, data_folder=None) as endpoints, tempfile.TemporaryDirectory() as logs:
        asyncio.run(set_up(endpoints, bench.prefix, PARTITIONS))
        supervisor = Supervisor(1, worker_environment(bench, endpoints), Path(logs), say)
        supervisor.start()
        try:
            with Reader(endpoints.redis, prefix=bench.prefix) as reader:
                _round(endpoints, bench, reader, supervisor, texts[: 8 * batch], "warm")
                for number in range(rounds):
                    bare.append(bare_loop(classifier, sliced(texts, batch)))
                    piped.append(_round(endpoints, bench, reader, supervisor, texts, str(number)))
                    say({"event": "round", "number": number, "bare_s": bare[-1], "pipeline_s": piped[-1]})
        finally:
            supervisor.stop()
    return summary(len(texts), bare, piped)


def _round(
    endpoints: Endpoints, settings: Settings, reader: Reader, supervisor: Supervisor, texts: list[str], name: str
) -> float:
    """Seconds the worker takes for the texts, from the first batch counted to the last, scaled to all texts."""
    before = sum(reader.snapshot().status.partitions.values())
    now = utc(epoch_ms())
    records = [
        Record(f"u{number}".encode(), event_value(f"{name}-{number}", "US", text, now, f"u{number % 500}", "en"))
        for number, text in enumerate(texts)
    ]
    asyncio.run(publish(endpoints.kafka, topic_name(settings.prefix, "feedback"), records))
    counted, seconds = measured(reader, supervisor, before + len(texts), lambda _: None, before)
    return seconds / counted * len(texts)


def measured(reader: Reader, supervisor: Supervisor, end: int, say: Say, begin: int = 0) -> tuple[int, float]:
    """Events and seconds between the first progress seen after `begin` and the end."""
    first: tuple[int, float] | None = None
    said = time.monotonic()
    while True:
        supervisor.watch()
        done, now = reader.committed(), time.monotonic()
        if first is None and done > begin:
            first = (done, now)
        if first is not None and done >= end:
            return done - first[0], now - first[1]
        if now - said > 2:
            said = now
            say({"event": "progress", "committed": done, "of": end})
        time.sleep(0.005)


def plain_events(count: int, codes: Sequence[str] = tuple(MARKETS)) -> Iterator[Record]:
    """Small valid events of ten markets, or those given, with distinct ids; each user about twenty times."""
    rng = random.Random(0)
    now_ms = epoch_ms()
    times = [utc(now_ms - at * 1_000) for at in range(600)]
    markets = [(code, MARKETS[code].languages[0] if code in MARKETS else "en") for code in codes]
    texts = [compose(rng, rng.choice(markets)[1], "positive") for _ in range(2_000)]
    users = max(count // 20, 1)
    for number in range(count):
        market, language = markets[number % len(markets)]
        user = f"{market}-{number * 7919 % users}"
        text = texts[number % len(texts)]
        yield Record(
            user.encode(), event_value(f"e{number}", market, text, times[number * 600 // count], user, language)
        )


def bench_texts(count: int, data: Path | None) -> list[str]:
    """Distinct texts: of a JSONL(.gz) file with `text`, else composed. Raises BadInput for too few."""
    if data is not None:
        from models.rows import read_rows

        texts = list(dict.fromkeys(row.text for row in read_rows(data)))[:count]
        if len(texts) < count:
            raise BadInput(
                f"{data} has {len(texts)} distinct texts, {count} are needed. Operator action: ask for fewer."
            )
        return texts
    rng = random.Random(1)
    languages = [language for feed in MARKETS.values() for language in feed.languages]
    distinct: dict[str, None] = {}
    while len(distinct) < count:
        label = rng.choice(("negative", "neutral", "positive"))
        language = rng.choice(languages)
        distinct[" ".join(compose(rng, language, label) for _ in range(rng.choice((1, 1, 2, 3))))] = None
    return list(distinct)


def event_value(event_id: str, market: str, text: str, at: str, user: str, language: str) -> bytes:
    """An event as producers send it, written faster than an encoder would."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ").replace("\t", " ")
    return (
        f'{{"id":"{event_id}","market":"{market}","text":"{escaped}","occurred_at":"{at}","user":"{user}",'
        f'"lang":"{language}"}}'
    ).encode()


def _overrides(settings: Settings) -> dict[str, object]:
    return {name: getattr(settings, name) for name in settings.model_fields_set}
