"""Benchmark of live latency: Poisson arrivals from another process, until their step is published in Redis."""

import asyncio
import multiprocessing
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from marketpulse.client.idempotent import idempotent_producer
from marketpulse.client.kafka_servers import Servers
from marketpulse.client.reader import Reader
from marketpulse.contract.decode import utc
from marketpulse.contract.topics import topic_name
from marketpulse.errors import Unavailable
from streams.clock import epoch_ms
from streams.dev.bench.engine import PARTITIONS, Say, bench_texts, event_value, measured
from streams.dev.embedded.servers import Endpoints
from streams.dev.embedded.supervisor import Supervisor
from streams.dev.feeds.simulate import MARKETS
from streams.dev.run import servers, worker_environment
from streams.kafka.log_reader import LogReader
from streams.kafka.publish import Record, publish
from streams.recovery.first_start import set_up
from streams.recovery.journal import Journal, silent
from streams.settings import Settings, load_settings

SETTLES_S = 10.0
"""The first arrivals of a load are not measured: caches, batches and steps find their sizes."""
PATIENCE_S = 120.0


def bench_latency(
    settings: Settings, loads: Sequence[float], seconds: float, backlog: int, data: Path | None, say: Say
) -> dict[str, object]:
    """Milliseconds from a record's append to the step with it in Redis, at parts of what one worker takes at full tilt.

    Both are times of this machine's clock: the record's timestamp, which its producer gives it when it sends, and the
    entry of the step in the change stream. Arrivals are a Poisson process of another process; texts are distinct, so
    that no cache answers. Everything shares this machine: broker, Redis, worker and producer.

    Args:
        settings: of the worker.
        loads: arrivals a second, each over the events a second of a backlog.
        seconds: of each load, beside the `SETTLES_S` before.
        backlog: texts that are published at once to see how many a second a worker takes in full batches.
        data: JSONL(.gz) with `text`; None = composed texts.
        say: takes progress.

    Raises:
        Unavailable: a load was not worked off within two minutes.
    """
    texts = bench_texts(backlog, data)
    bench = load_settings(**{name: getattr(settings, name) for name in settings.model_fields_set})
    topic = topic_name(bench.prefix, "feedback")
    found: list[dict[str, object]] = []
    counts: list[int] = []
    with servers(bench, embedded=True, data_folder=None) as endpoints, tempfile.TemporaryDirectory() as logs:
        asyncio.run(set_up(endpoints, bench.prefix, PARTITIONS))
        supervisor = Supervisor(1, worker_environment(bench, endpoints), Path(logs), say)
        supervisor.start()
        try:
            with Reader(endpoints.redis, prefix=bench.prefix) as reader:
                asyncio.run(publish(endpoints.kafka, topic, _backlog(texts)))
                counted, took = measured(reader, supervisor, backlog, lambda _: None)
                capacity = counted / took
                say({"event": "capacity", "events_per_second": round(capacity, 1)})
                for load in loads:
                    _until_shown(reader, supervisor, backlog + sum(counts))
                    counts.append(int(load * capacity * (seconds + SETTLES_S)))
                    texts = bench_texts(backlog + sum(counts), data)[-counts[-1] :]
                    began = time.time()
                    _arrive(endpoints.kafka, topic, texts, load * capacity)
                    _until_shown(reader, supervisor, backlog + sum(counts))
                    from_ms = int(1_000 * (began + SETTLES_S))
                    waits = asyncio.run(_waits(endpoints, bench.prefix, reader, from_ms))
                    found.append(_summary(load, load * capacity, waits))
                    say({"event": "load", **found[-1]})
        finally:
            supervisor.stop()
    return {"capacity_per_second": round(capacity, 1), "seconds": seconds, "loads": found}


def _backlog(texts: list[str]) -> Iterator[Record]:
    now = utc(epoch_ms())
    markets = list(MARKETS)
    for number, text in enumerate(texts):
        user = f"u{number % 997}"
        yield Record(
            user.encode(), event_value(f"full-{number}", markets[number % len(markets)], text, now, user, "en")
        )


def _arrive(kafka: Servers, topic: str, texts: list[str], rate: float) -> None:
    """Send at the times of a Poisson process, from another process."""
    spawn = multiprocessing.get_context("spawn")
    arrivals = spawn.Process(target=arrive, args=(kafka, topic, texts, rate))
    arrivals.start()
    arrivals.join()
    if arrivals.exitcode != 0:
        raise Unavailable(f"the producer ended with {arrivals.exitcode}. Operator action: see what it printed.")


def arrive(kafka: Servers, topic: str, texts: list[str], rate: float) -> None:
    """Send each text when it is due: gaps are exponential with mean 1/rate seconds."""
    asyncio.run(_send(kafka, topic, texts, rate))


async def _send(kafka: Servers, topic: str, texts: list[str], rate: float) -> None:
    markets, rng = list(MARKETS), random.Random(len(texts))
    producer = idempotent_producer(kafka)
    await producer.start()
    try:
        due, sent = time.monotonic(), []
        for number, text in enumerate(texts):
            due += rng.expovariate(rate)
            if due > time.monotonic():
                await asyncio.sleep(due - time.monotonic())
            user, now = f"u{rng.randrange(997)}", utc(epoch_ms())
            value = event_value(f"{rate}-{number}", rng.choice(markets), text, now, user, "en")
            sent.append(await producer.send(topic, value, key=user.encode()))
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


def _until_shown(reader: Reader, supervisor: Supervisor, count: int) -> None:
    """Until all records are counted, and two steps later: the first of them may have been cut before."""
    deadline, last = time.monotonic() + PATIENCE_S, None
    while True:
        status = reader.snapshot().status
        if last is None and sum(status.partitions.values()) >= count:
            last = status.step
        if last is not None and status.step >= last + 2:
            return
        supervisor.watch()
        if time.monotonic() > deadline:
            raise Unavailable("a load is not worked off. Operator action: ask for a smaller --load.")
        time.sleep(0.1)


async def _waits(endpoints: Endpoints, prefix: str, reader: Reader, from_ms: int) -> NDArray[np.int64]:
    """Milliseconds from each record that was sent from a time on to the first step whose cut holds it."""
    shown = _shown(reader)
    async with LogReader(endpoints.kafka, topic_name(prefix, "market.steps")) as log:
        journal = Journal(log, silent)
        await journal.find_all()
        places = sorted(journal.chain.steps.items())
        steps = [await journal.step(place) for number, place in places if number in shown]
    times = np.array([shown[step.step] for step in steps])
    waits = []
    async with LogReader(endpoints.kafka, topic_name(prefix, "feedback")) as log:
        for partition, (first, end) in log.offsets.items():
            cuts = np.array([step.cut.get(str(partition), 0) for step in steps])
            async for record in log.records(first, end, partition):
                if record.timestamp >= from_ms:
                    waits.append(times[cuts.searchsorted(record.offset, "right")] - record.timestamp)
    return np.array(waits, np.int64)


def _shown(reader: Reader) -> dict[int, int]:
    """When (epoch ms) each step was published in Redis, up to the newest."""
    newest, found = reader.snapshot().status.step, dict[int, int]()
    for change in reader.changes(after="0", block_s=0.1):
        if change.step is not None:
            found[change.step] = int(change.id.partition("-")[0])
            if change.step >= newest:
                break
    return found


def _summary(load: float, rate: float, waits: NDArray[np.int64]) -> dict[str, object]:
    percentiles = dict(zip((50, 95, 99), np.percentile(waits, (50, 95, 99)).tolist(), strict=True))
    return {
        "load": load,
        "events_per_second": round(rate, 1),
        "measured": len(waits),
        **{f"p{at}_ms": round(value) for at, value in percentiles.items()},
    }
