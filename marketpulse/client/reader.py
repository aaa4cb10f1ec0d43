"""Typed read client for services: metrics, allocation, alerts and status of one prefix, each of one step.

with Reader("redis://127.0.0.1:6379/0", prefix="marketpulse") as reader:
    reader.u["BR"].now()                        # user experience over 24 h
    reader.snapshot().allocation                # everything of one step
    for change in reader.changes(after=None):   # blocks; resumes by `change.id`
        ...
"""

import time
from collections.abc import Iterator
from typing import Any, NamedTuple, Self

import msgspec

from marketpulse.client.redis_server import connect, translated_errors
from marketpulse.client.snapshot import Change, Snapshot, Status
from marketpulse.client.tables import RedisTable
from marketpulse.contract.keys import StatusKeys
from marketpulse.contract.mutes import mutes_of
from marketpulse.contract.portfolio import Portfolio
from marketpulse.contract.records import AlertRecord, AllocationRecord, Excerpt, MetricsRecord
from marketpulse.contract.workers import WorkerState, lag_of
from marketpulse.errors import Unavailable


class _Shape(NamedTuple):
    """Which keys a snapshot reads: these markets and the open step."""

    markets: tuple[str, ...] = ()
    opened: int = 1


class Reader:
    """Reads what workers publish; every method raises Unavailable while Redis is away.

    Args:
        url: `redis://`, `rediss://` or `unix://`, with login and `?ssl_ca_certs=` as in redis-py.
        prefix: of the keys.
        timeout_s: how long one answer may take.
    """

    def __init__(self, url: str, *, prefix: str = "marketpulse", timeout_s: float = 10.0) -> None:
        self._url = url
        self._closed = False
        self._redis = connect(url, timeout_s)
        self._keys = StatusKeys(prefix)
        self._shape = _Shape()
        self.u, self.r, self.s, self.t = (RedisTable(self._redis, self._keys, name, url) for name in "urst")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that no thread reads from; changes end, and what is being read is read to its end.

        With TLS, what reads from a socket that another thread closed takes bytes of whatever file is opened next.
        """
        self._closed = True
        self._redis.connection_pool.disconnect(inuse_connections=False)

    def markets(self) -> list[str]:
        """Codes of all markets ever seen."""
        with translated_errors(self._url):
            return sorted(code.decode() for code in self._redis.smembers(self._keys.markets))

    def metrics(self, market: str) -> MetricsRecord | None:
        """One market's newest record; None for a market never seen."""
        with translated_errors(self._url):
            content = self._redis.get(self._keys.metrics(market))
        return None if content is None else msgspec.json.decode(content, type=MetricsRecord)

    def excerpts(self, market: str) -> list[Excerpt]:
        """What some of a market's users wrote last, redacted; `occurred_at` is the begin of its hour, newest last."""
        with translated_errors(self._url):
            content = self._redis.get(self._keys.excerpts(market))
        return [] if content is None else msgspec.json.decode(content, type=list[Excerpt])

    def portfolio(self) -> Portfolio | None:
        """Markets and plan in force; None before the first step."""
        with translated_errors(self._url):
            content = self._redis.get(self._keys.portfolio)
        return None if content is None else msgspec.json.decode(content, type=Portfolio)

    def changes(
        self, after: str | None = None, block_s: float = 1.0, patience_s: float | None = None
    ) -> Iterator[Change]:
        """Steps and allocations as they come, until `close`; also across a Redis that was away.

        Args:
            after: id of the last change seen; None = only what comes from now on.
            block_s: how long one wait in Redis lasts.
            patience_s: how long Redis may be away before Unavailable is raised; None = for ever.
        """
        missed, away_since = after is not None, None
        while not self._closed:
            try:
                if after is None:
                    after = self._newest_change()
                if missed:
                    missed = not self._still_there(after)
                entries = self._read_changes(after, block_s)
            except Unavailable:
                now = time.monotonic()
                away_since = away_since or now
                if patience_s is not None and now - away_since > patience_s:
                    raise
                time.sleep(0.2)
                continue
            away_since = None
            for entry, fields in entries:
                after = entry.decode()
                yield _change(after, fields, missed)
                missed = False
        self._redis.connection_pool.disconnect(inuse_connections=False)

    def recent_changes(self, most: int = 1_000) -> list[Change]:
        """The newest changes that are kept, oldest first."""
        with translated_errors(self._url):
            newest = self._redis.xrevrange(self._keys.changes, count=most)
        return [_change(entry.decode(), fields, False) for entry, fields in reversed(newest)]

    def _newest_change(self) -> str:
        with translated_errors(self._url):
            newest = self._redis.xrevrange(self._keys.changes, count=1)
        return newest[0][0].decode() if newest else "0-0"

    def _still_there(self, entry: str) -> bool:
        with translated_errors(self._url):
            return entry == "0-0" or bool(self._redis.xrange(self._keys.changes, entry, entry))

    def _read_changes(self, after: str, block_s: float) -> list[Any]:
        with translated_errors(self._url):
            found = self._redis.xread({self._keys.changes: after}, count=100, block=max(1, int(block_s * 1000)))
        return found[0][1] if found else []

    def committed(self) -> int:
        """Records counted so far: the sum of all partitions' offsets in the ledger."""
        with translated_errors(self._url):
            return sum(map(int, self._redis.hvals(self._keys.positions)))

    def allocations(self) -> list[AllocationRecord]:
        """The last 500 answers of the allocator, oldest first."""
        with translated_errors(self._url):
            rows = self._redis.lrange(self._keys.answers, 0, -1)
        return [msgspec.json.decode(row, type=AllocationRecord) for row in rows]

    def snapshot(self) -> Snapshot:
        """Everything of one step: asked again where a step was published meanwhile."""
        step, offsets, cells, cut, shifted, answered, outbox, *shown = self._moment()
        totals, alerts, allocation, portfolio, mutes, workers, *metrics = shown
        records = [msgspec.json.decode(content, type=MetricsRecord) for content in metrics if content is not None]
        states = [msgspec.json.decode(word, type=WorkerState) for word in workers]
        stream_time = int(step.get(b"stream_time", b"0"))
        status = Status(
            step=int(step.get(b"step", b"0")),
            stream_time=stream_time or None,
            published_at=int(step[b"published_at"]) if b"published_at" in step else None,
            model=step.get(b"model", b"").decode(),
            device=step.get(b"device", b"").decode(),
            totals={name.decode(): int(value) for name, value in sorted(totals.items())},
            partitions=dict(sorted((int(number), int(value)) for number, value in offsets.items())),
            open_cells=int(cells) + int(cut),
            outbox=int(outbox),
            shifts_answered=int(answered or 0) >= int(shifted or 0),
            digest=step.get(b"digest", b"").decode(),
        )
        return Snapshot(
            status=status,
            metrics={one.market: one.metrics for one in records},
            alerts=sorted(
                (msgspec.json.decode(content, type=AlertRecord) for content in alerts.values()),
                key=lambda alert: (alert.started_at, alert.id),
            ),
            allocation=None if allocation is None else msgspec.json.decode(allocation, type=AllocationRecord),
            portfolio=None if portfolio is None else msgspec.json.decode(portfolio, type=Portfolio),
            mutes=[] if mutes is None else mutes_of(mutes),
            flags={one.market: one.flags for one in records},
            newest_event={one.market: one.newest_event for one in records},
            reliability={one.market: one.reliability for one in records},
            workers=sorted(states, key=lambda one: one.holder),
            lag=lag_of(states, time.time_ns() // 1_000_000),
        )

    def _moment(self) -> list[Any]:
        """The replies of one step; asked again where another was published meanwhile, or its keys are others.

        No transaction: whoever may send one can hold Redis up for minutes. What is counted is read before what waits,
        so that nothing that was counted is missed in both.
        """
        keys = self._keys
        while True:
            shape = self._shape
            with translated_errors(self._url), self._redis.pipeline(transaction=False) as pipe:
                pipe.hgetall(keys.step)
                pipe.smembers(keys.markets)
                pipe.hgetall(keys.ledger)
                pipe.hgetall(keys.positions)
                pipe.hlen(keys.step_counts(shape.opened))
                pipe.exists(keys.step_cut(shape.opened - 1))
                pipe.get(keys.shift_seq)
                pipe.get(keys.allocation_seq)
                pipe.xlen(keys.outbox)
                pipe.hgetall(keys.totals)
                pipe.hgetall(keys.alerts)
                pipe.get(keys.allocation)
                pipe.get(keys.portfolio)
                pipe.get(keys.mutes)
                pipe.hvals(keys.workers)
                for market in shape.markets:
                    pipe.get(keys.metrics(market))
                pipe.hget(keys.ledger, "open")
                pipe.hget(keys.step, "step")
                answered: list[Any] = pipe.execute()
            step, markets, ledger, *replies, opened, published = answered
            self._shape = _Shape(
                tuple(sorted(code.decode() for code in markets)),
                int(ledger.get(b"open", b"1")),
            )
            same = (step.get(b"step"), ledger.get(b"open")) == (published, opened)
            if same and self._shape == shape:
                return [step, *replies]


def _change(entry: str, fields: dict[bytes, bytes], missed: bool) -> Change:
    text = {name.decode(): value.decode() for name, value in fields.items()}
    return Change(
        id=entry,
        step=int(text["step"]) if "step" in text else None,
        stream_time=int(text["stream_time"]) if "stream_time" in text else None,
        markets=tuple(filter(None, text.get("markets", "").split(","))),
        alerts=int(text.get("alerts", 0)),
        allocation=text.get("allocation"),
        missed=missed,
    )
