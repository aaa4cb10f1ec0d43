"""Benchmark of the intake against the bare producer: the same events, in turn, in one run."""

import asyncio
import statistics
import subprocess
import time
from collections.abc import Awaitable, Callable

import aiohttp

from marketpulse.client.async_producer import AsyncProducer, Delivery
from marketpulse.client.kafka_servers import Servers
from marketpulse.errors import Unavailable
from streams.dev.bench.engine import PARTITIONS, Say, plain_events
from streams.dev.processes import served
from streams.dev.run import servers, worker_environment
from streams.intake.gate import tokens_of
from streams.recovery.first_start import set_up
from streams.settings import Settings, load_settings

CLIENTS = 16
BATCH = 100
START_S = 30.0

Post = Callable[[list[bytes]], Awaitable[int]]
"""Sends events, all of one request; how many Kafka has acknowledged."""


def bench_intake(settings: Settings, events: int, rounds: int, say: Say) -> dict[str, object]:
    """Events a second through AsyncProducer and through the intake, in batches of 100 and one by one.

    Sixteen callers each time; on the intake each has a connection that stays open. One by one it is a twentieth of the
    events. Everything shares this machine: broker, intake and callers.

    Raises:
        Unavailable: the intake did not become ready, or did not take an event.
    """
    given = {name: getattr(settings, name) for name in settings.model_fields_set}
    bench = load_settings(**given)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {(*tokens_of(bench), '')[0]}"}
    found: dict[str, list[float]] = {"producer": [], "batches": [], "singles": []}
    with servers(bench, embedded=True, data_folder=None) as endpoints:
        asyncio.run(set_up(endpoints, bench.prefix, PARTITIONS))
        # The quota is for many clients that share an intake; here one shall be as fast as it can.
        environment = worker_environment(bench, endpoints) | {"MARKETPULSE_INTAKE_EVENTS_PER_SECOND": "0"}
        with served("intake", "--port", "0", environment=environment, stderr=subprocess.DEVNULL) as intake:
            for number in range(rounds):
                asyncio.run(_round(endpoints.kafka, bench.prefix, intake.url, headers, events, found))
                say({"event": "round", "number": number, **{name: round(rates[-1]) for name, rates in found.items()}})
    producer = statistics.median(found["producer"])
    return {
        "events": events,
        "rounds": rounds,
        "producer_per_second": round(producer, 1),
        "batches_per_second": round(statistics.median(found["batches"]), 1),
        "singles_per_second": round(statistics.median(found["singles"]), 1),
        "batches_ratio": round(statistics.median(map(_ratio, found["batches"], found["producer"])), 3),
        "singles_ratio": round(statistics.median(map(_ratio, found["singles"], found["producer"])), 3),
    }


def _ratio(one: float, other: float) -> float:
    return one / other


async def _round(
    kafka: Servers, prefix: str, url: str, headers: dict[str, str], events: int, found: dict[str, list[float]]
) -> None:
    values = [record.value for record in plain_events(events)]
    async with AsyncProducer(kafka, prefix=prefix) as producer:

        async def send(slice_: list[bytes]) -> int:
            return sum(isinstance(one, Delivery) for one in await producer.send_many(slice_))

        found["producer"].append(await _rate(send, values, BATCH))
    connector = aiohttp.TCPConnector(limit=CLIENTS)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        await _ready(session, url)

        async def post(slice_: list[bytes]) -> int:
            body = b"[" + b",".join(slice_) + b"]" if len(slice_) > 1 else slice_[0]
            async with session.post(f"{url}v1/feedback", data=body) as answer:
                return int((await answer.json())["accepted"]) if answer.status == 200 else 0

        found["batches"].append(await _rate(post, values, BATCH))
        found["singles"].append(await _rate(post, values[: max(CLIENTS, events // 20)], 1))


async def _ready(session: aiohttp.ClientSession, url: str) -> None:
    ends = time.monotonic() + START_S
    while time.monotonic() < ends:
        async with session.get(f"{url}readyz") as answer:
            if answer.status == 200:
                return
        await asyncio.sleep(0.1)
    raise Unavailable(
        f"The intake was not ready within {START_S:.0f} s. Operator action: see why it cannot reach Kafka."
    )


async def _rate(post: Post, values: list[bytes], size: int) -> float:
    """Events a second that all callers get through together."""
    slices = iter([values[at : at + size] for at in range(0, len(values), size)])

    async def call() -> int:
        return sum([await post(slice_) for slice_ in slices])

    began = time.monotonic()
    taken = sum(await asyncio.gather(*(call() for _ in range(CLIENTS))))
    if taken != len(values):
        raise Unavailable(f"{taken} of {len(values)} events were taken. Operator action: see the intake's metrics.")
    return taken / (time.monotonic() - began)
