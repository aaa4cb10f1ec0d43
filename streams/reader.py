"""Typed read client for services: metrics, allocation, alerts and status of one prefix, each of one step."""

from typing import Any

import msgspec

from streams.aggregate import latency_of_bucket
from streams.contracts import AlertRecord, AllocationRecord, MetricsRecord
from streams.ledger import Keys
from streams.metrics import MarketMetrics
from streams.redis_connection import connect, translated_errors
from streams.tables import RedisTable, TableKeys


class Status(msgspec.Struct, frozen=True):
    """Where the stream stands. Times in epoch ms; `totals` counts since the ledger began."""

    step: int
    stream_time: int | None
    published_at: int | None
    model: str
    device: str
    totals: dict[str, int]
    partitions: dict[int, int]
    open_cells: int
    outbox: int
    shifts_answered: bool


class Snapshot(msgspec.Struct, frozen=True):
    """All markets at one step."""

    status: Status
    metrics: dict[str, MarketMetrics]
    alerts: list[AlertRecord]
    allocation: AllocationRecord | None


class Reader:
    """Reads what workers publish; every method raises Unavailable while Redis is away."""

    def __init__(self, url: str, prefix: str) -> None:
        self._url = url
        self._redis = connect(url)
        self._keys = Keys(prefix)
        self.tables = TableKeys(prefix)
        self.u, self.r, self.s, self.t = (RedisTable(self._redis, self.tables, name, url) for name in "urst")

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._redis.close()

    def markets(self) -> list[str]:
        """Codes of all markets ever seen."""
        with translated_errors(self._url):
            return sorted(code.decode() for code in self._redis.smembers(self.tables.markets))

    def metrics(self, market: str) -> MetricsRecord | None:
        """One market's newest record; None for a market never seen."""
        with translated_errors(self._url):
            content = self._redis.get(self.tables.metrics(market))
        return None if content is None else msgspec.json.decode(content, type=MetricsRecord)

    def committed(self) -> int:
        """Records counted so far: the sum of all partitions' offsets in the ledger."""
        with translated_errors(self._url):
            count = int(self._redis.hget(self._keys.ledger, "partitions") or 0)
            with self._redis.pipeline(transaction=True) as pipe:
                for number in range(count):
                    pipe.hget(self._keys.partition(number), "next")
                return sum(int(value or 0) for value in pipe.execute())

    def allocations(self) -> list[AllocationRecord]:
        """The last 500 answers of the allocator, oldest first."""
        with translated_errors(self._url):
            rows = self._redis.lrange(f"{self.tables.prefix}:allocations", 0, -1)
        return [msgspec.json.decode(row, type=AllocationRecord) for row in rows]

    def snapshot(self) -> Snapshot:
        """Everything at once: one transaction, so never half a step."""
        markets = self.markets()
        with translated_errors(self._url), self._redis.pipeline(transaction=True) as pipe:
            pipe.hgetall(self.tables.step)
            pipe.hgetall(self._keys.ledger)
            pipe.hgetall(self._keys.totals)
            pipe.hgetall(self.tables.alerts)
            pipe.get(self.tables.allocation)
            pipe.xlen(self._keys.outbox)
            for market in markets:
                pipe.get(self.tables.metrics(market))
            step, ledger, totals, alerts, allocation, outbox, *metrics = pipe.execute()
        return Snapshot(
            status=self._status(step, ledger, totals, outbox),
            metrics={
                market: msgspec.convert(msgspec.json.decode(content, type=MetricsRecord).metrics, MarketMetrics)
                for market, content in zip(markets, metrics, strict=True)
                if content is not None
            },
            alerts=sorted(
                (msgspec.json.decode(content, type=AlertRecord) for content in alerts.values()),
                key=lambda alert: (alert.started_at, alert.id),
            ),
            allocation=None if allocation is None else msgspec.json.decode(allocation, type=AllocationRecord),
        )

    def _status(self, step: dict[bytes, bytes], ledger: dict[bytes, bytes], totals: Any, outbox: int) -> Status:
        count = int(ledger.get(b"partitions", b"0"))
        opened = int(ledger.get(b"open", b"1"))
        with translated_errors(self._url), self._redis.pipeline(transaction=True) as pipe:
            for number in range(count):
                pipe.hget(self._keys.partition(number), "next")
            pipe.hlen(f"{self._keys.prefix}step:{opened}:counts")
            pipe.exists(f"{self._keys.prefix}step:{opened - 1}:cut")
            pipe.get(self._keys.shift_seq)
            pipe.get(self._keys.allocation_seq)
            *offsets, cells, cut, shifted, answered = pipe.execute()
        stream_time = int(step.get(b"stream_time", b"0"))
        return Status(
            step=int(step.get(b"step", b"0")),
            stream_time=stream_time or None,
            published_at=int(step[b"published_at"]) if b"published_at" in step else None,
            model=step.get(b"model", b"").decode(),
            device=step.get(b"device", b"").decode(),
            totals={name.decode(): int(value) for name, value in sorted(totals.items())},
            partitions={number: int(value or 0) for number, value in enumerate(offsets)},
            open_cells=int(cells) + int(cut),
            outbox=int(outbox),
            shifts_answered=int(answered or 0) >= int(shifted or 0),
        )


def latency_quantile(totals: dict[str, int], share: float) -> float | None:
    """Latency in ms below which the given share of events lies; None before any event."""
    buckets = sorted((int(name.partition(":")[2]), n) for name, n in totals.items() if name.startswith("latency:"))
    wanted = share * sum(n for _, n in buckets)
    for bucket, n in buckets:
        wanted -= n
        if wanted <= 0:
            return latency_of_bucket(bucket)
    return None
